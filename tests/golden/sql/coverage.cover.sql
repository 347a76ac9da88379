-- before_ns = 1789995600000000000
-- dated = "[-@]20[0-9]{2}-?[0-9]{2}-?[0-9]{2}$"
-- early_ns = 1789998900000000000
-- first_day_ns = 1789862400000000000
-- from_ns = 1789999200000000000
-- limit = 1000
-- tenant = "acme"
-- to_ns = 1790323200000000001
WITH
    points AS
    (
        SELECT
            service_name, scope_name, metric, model, token_type, temporality, start_at, at, value,
            lagInFrame(toNullable(value)) OVER counter AS previous
        FROM token_points FINAL
        WHERE tenant = {tenant:String}
            AND at > fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC')
            AND at <= fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
        WINDOW counter AS
            (PARTITION BY series, start_at ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    ),
    metered AS
    (
        SELECT
            service_name, scope_name, metric, model, token_type,
            sum(multiIf(
                temporality = 'delta' OR value < previous, value,
                previous IS NOT NULL, toUInt64(value - previous),
                start_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC'), value,
                0)) AS tokens,
            [model, concat('~', replaceRegexpOne(model, {dated:String}, ''))] AS names
        FROM points
        WHERE at > fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
        GROUP BY service_name, scope_name, metric, model, token_type
        HAVING tokens > 0
    ),
    billed AS
    (
        SELECT
            service_name, name, count() AS calls,
            [
                toInt64(sum(input_tokens)),
                sum(input_tokens - ifNull(cache_read_tokens, 0) - ifNull(cache_write_tokens, 0)),
                toInt64(sum(cache_read_tokens)),
                toInt64(sum(cache_write_tokens)),
                toInt64(sum(output_tokens)),
                sum(output_tokens - ifNull(reasoning_tokens, 0)),
                toInt64(sum(reasoning_tokens))
            ] AS counts
        FROM
        (
            SELECT
                *,
                arrayDistinct(['', request_model, response_model, model_id]) AS names,
                match(if(response_model = '', request_model, response_model), {dated:String}) AS is_dated
            FROM usage_rows FINAL
        )
        ARRAY JOIN arrayConcat(names, if(is_dated, [], arrayMap(each -> concat('~', each), names))) AS name
        WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String}
            AND started_at >= fromUnixTimestamp64Nano({first_day_ns:Int64}, 'UTC')
            AND toUnixTimestamp64Nano(started_at) + duration_ns BETWEEN {early_ns:Int64} AND {to_ns:Int64}
            AND service_name IN (SELECT service_name FROM token_points WHERE tenant = {tenant:String})
        GROUP BY service_name, name
    )
SELECT
    service_name, scope_name, metric, model, token_type, tokens,
    if(countIf(calls > 0) = 0, 0, argMinIf(found, place, calls > 0)) AS billed_tokens
FROM
(
    SELECT service_name, scope_name, metric, model, token_type, tokens, name, place
    FROM metered
    ARRAY JOIN names AS name, arrayEnumerate(names) AS place
) AS asked
LEFT JOIN
(
    SELECT service_name, name, calls, token_type, found
    FROM billed
    ARRAY JOIN
        ['input', 'uncached_input', 'cache_read', 'cache_write', 'output', 'visible_output', 'reasoning']
            AS token_type,
        counts AS found
) AS told USING (service_name, name, token_type)
GROUP BY service_name, scope_name, metric, model, token_type, tokens
ORDER BY toInt64(tokens) - ifNull(billed_tokens, 0) DESC, service_name, scope_name, metric, model, token_type
LIMIT {limit:UInt32}
