-- due_from_ms = 3
-- due_to_ms = 4
-- horizon_ms = 1
-- limit = 1000
-- since_ms = 2
-- unique = 20
-- writer = "writer"
WITH
    fromUnixTimestamp64Milli({horizon_ms:Int64}, 'UTC') AS horizon,
    fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC') AS since
SELECT
    'trace' AS by, tenant, lower(hex(trace_id)) AS key,
    toUnixTimestamp64Nano(min(started)), toUnixTimestamp64Nano(max(started)), 0
FROM
(
    SELECT tenant, trace_id, writer, inserted_at, started_at AS started
    FROM usage_rows
    WHERE inserted_at >= horizon AND trace_id != toFixedString('', 16)
    UNION ALL
    SELECT tenant, trace_id, writer, inserted_at, toDateTime64(inserted_at, 9, 'UTC') AS started
    FROM claims
    WHERE inserted_at >= horizon
)
GROUP BY tenant, trace_id
HAVING uniqExact(writer) > 1 AND max(inserted_at) >= since
LIMIT {limit:UInt32}
UNION ALL
SELECT
    'trace', tenant, lower(hex(trace_id)) AS key,
    toUnixTimestamp64Nano(min(started_at)), toUnixTimestamp64Nano(max(started_at)), 1
FROM usage_rows
WHERE writer != {writer:String} AND inserted_at >= fromUnixTimestamp64Milli({due_from_ms:Int64}, 'UTC')
    AND inserted_at < fromUnixTimestamp64Milli({due_to_ms:Int64}, 'UTC')
    AND role = 'rollup' AND usage_status = 'reported' AND attribution != 'erased'
GROUP BY tenant, trace_id
LIMIT {limit:UInt32}
UNION ALL
SELECT
    'call', tenant, lower(hex(call_id)) AS key,
    toUnixTimestamp64Nano(min(started_at)), toUnixTimestamp64Nano(max(started_at)), 0
FROM usage_rows
WHERE inserted_at >= horizon
GROUP BY tenant, call_id
HAVING uniqExact(account_id, toStartOfHour(started_at)) > 1 AND max(inserted_at) >= since
    AND uniqExact(writer) > 1
LIMIT {limit:UInt32}
UNION ALL
SELECT
    'numbers', tenant, concat(service_name, '/', toString(input_tokens)) AS key,
    toUnixTimestamp64Nano(min(started_at)), toUnixTimestamp64Nano(max(started_at)), 0
FROM usage_rows
WHERE inserted_at >= horizon AND usage_status = 'reported' AND role != 'rollup' AND signal != 'record'
    AND input_tokens IS NOT NULL AND attribution != 'erased'
GROUP BY tenant, key
HAVING uniqExact(writer) > 1 AND uniqExact(scope_name, signal) > 1 AND max(inserted_at) >= since
    AND countIf(lengthUTF8(response_id) < {unique:UInt32}) > 0
LIMIT {limit:UInt32}
