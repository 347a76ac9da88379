-- end_quarter = 1790323200
-- first_day = "2026-09-21"
-- first_hour_ns = 1789999200000000000
-- first_hour_ns_2 = 1790323200000000000
-- first_quarter = 1790000100
-- from_ns = 1789999200000000001
-- from_ns_2 = 1790323200000000000
-- groups = 10
-- last_day = "2026-09-25"
-- last_hour_ns = 1790002800000000000
-- last_hour_ns_2 = 1790326800000000000
-- tenant = "acme"
-- timezone = "Asia/Kathmandu"
-- to_ns = 1790000100000000000
-- to_ns_2 = 1790323200000000001
SELECT
    tuple(model_id) IN (
        SELECT tuple(model_id)
        FROM
        (
            SELECT context, model_id, usage_status, attribution, unpriced_reason, toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC')
    UNION ALL
    SELECT context, model_id, usage_status, attribution, unpriced_reason, quarter, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM quarter_sums WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND day >= {first_day:Date} AND greatest(quarter, toDateTime({first_quarter:UInt32}, 'UTC')) = quarter AND day <= {last_day:Date} AND greatest(quarter, toDateTime({end_quarter:UInt32}, 'UTC')) != quarter
    UNION ALL
    SELECT context, model_id, usage_status, attribution, unpriced_reason, toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns_2:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns_2:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns_2:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns_2:Int64}, 'UTC')
        )
        GROUP BY tuple(model_id)
        ORDER BY sum(billed_cost) DESC NULLS LAST, sum(calls) DESC, tuple(model_id)
        LIMIT {groups:UInt32}
    ) AS told,
    if(told, model_id, '') AS key_model_id, toUnixTimestamp(toStartOfDay(toDateTime(quarter, {timezone:String}))) AS begin_s, uniqExactIf(tuple(model_id), NOT told) AS others,
    sum(calls), sum(billed_cost), sum(input_tokens), sum(output_tokens), sum(list_cost),
    sumIf(calls, unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')),
    sumIf(calls, usage_status = 'missing'),
    sumIf(calls, usage_status = 'estimated'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), usage_status = 'estimated'),
    sumIf(calls, attribution = 'unattributed'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), attribution = 'unattributed'),
    sumIf(billed_cost, attribution = 'unattributed')
FROM
(
    SELECT context, model_id, usage_status, attribution, unpriced_reason, toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC')
    UNION ALL
    SELECT context, model_id, usage_status, attribution, unpriced_reason, quarter, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM quarter_sums WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND day >= {first_day:Date} AND greatest(quarter, toDateTime({first_quarter:UInt32}, 'UTC')) = quarter AND day <= {last_day:Date} AND greatest(quarter, toDateTime({end_quarter:UInt32}, 'UTC')) != quarter
    UNION ALL
    SELECT context, model_id, usage_status, attribution, unpriced_reason, toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns_2:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns_2:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns_2:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns_2:Int64}, 'UTC')
)
GROUP BY told, key_model_id, begin_s
ORDER BY begin_s, told DESC, sum(billed_cost) DESC NULLS LAST, sum(calls) DESC, told, key_model_id
LIMIT 10001
