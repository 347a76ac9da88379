-- first_hour_ns = 1789999200000000000
-- from_ns = 1789999200000000001
-- groups = 1000
-- last_hour_ns = 1790326800000000000
-- tenant = "acme"
-- timezone = "UTC"
-- to_ns = 1790323200000000001
SELECT
    tuple(service_name) IN (
        SELECT tuple(service_name)
        FROM
        (
            SELECT context, model_id, usage_status, attribution, unpriced_reason, service_name, toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC')
        )
        GROUP BY tuple(service_name)
        ORDER BY sum(billed_cost) DESC NULLS LAST, sum(calls) DESC, tuple(service_name)
        LIMIT {groups:UInt32}
    ) AS told,
    if(told, service_name, '') AS key_service_name, toUnixTimestamp(toStartOfHour(toDateTime(quarter, {timezone:String}))) AS begin_s, uniqExactIf(tuple(service_name), NOT told) AS others,
    sum(calls), sum(billed_cost), sum(input_tokens), sum(output_tokens), sum(list_cost),
    sumIf(calls, unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')),
    sumIf(calls, usage_status = 'missing'),
    sumIf(calls, usage_status = 'estimated'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), usage_status = 'estimated'),
    sumIf(calls, attribution = 'unattributed'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), attribution = 'unattributed'),
    sumIf(billed_cost, attribution = 'unattributed')
FROM
(
    SELECT context, model_id, usage_status, attribution, unpriced_reason, service_name, toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC')
)
GROUP BY told, key_service_name, begin_s
ORDER BY begin_s, told DESC, sum(billed_cost) DESC NULLS LAST, sum(calls) DESC, told, key_service_name
LIMIT 10001
