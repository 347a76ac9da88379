-- end_quarter = 1790323200
-- first_day = "2026-09-21"
-- first_day_2 = "2026-09-22"
-- first_day_3 = "2026-09-25"
-- first_hour_ns = 1789999200000000000
-- first_hour_ns_4 = 1790323200000000000
-- first_quarter = 1790000100
-- from_ns = 1789999200000000001
-- from_ns_4 = 1790323200000000000
-- last_day = "2026-09-21"
-- last_day_2 = "2026-09-24"
-- last_day_3 = "2026-09-25"
-- last_hour_ns = 1790002800000000000
-- last_hour_ns_4 = 1790326800000000000
-- tenant = "acme"
-- to_ns = 1790000100000000000
-- to_ns_4 = 1790323200000000001
SELECT
    multiIf(grouping(context) = 0, 'context', grouping(model_id) = 0, 'model', 'all') AS by,
    if(by = 'context', context, model_id) AS key,
    sum(calls), sum(billed_cost), sum(input_tokens), sum(output_tokens), sum(list_cost),
    sumIf(calls, unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')),
    sumIf(calls, usage_status = 'missing'),
    sumIf(calls, usage_status = 'estimated'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), usage_status = 'estimated'),
    sumIf(calls, attribution = 'unattributed'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), attribution = 'unattributed'),
    sumIf(billed_cost, attribution = 'unattributed')
FROM
(
    SELECT context, model_id, usage_status, attribution, unpriced_reason, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC')
    UNION ALL
    SELECT context, model_id, usage_status, attribution, unpriced_reason, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM quarter_sums WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND day >= {first_day:Date} AND greatest(quarter, toDateTime({first_quarter:UInt32}, 'UTC')) = quarter AND day <= {last_day:Date}
    UNION ALL
    SELECT context, model_id, usage_status, attribution, unpriced_reason, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM day_sums WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND day >= {first_day_2:Date} AND day <= {last_day_2:Date}
    UNION ALL
    SELECT context, model_id, usage_status, attribution, unpriced_reason, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM quarter_sums WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND day >= {first_day_3:Date} AND day <= {last_day_3:Date} AND greatest(quarter, toDateTime({end_quarter:UInt32}, 'UTC')) != quarter
    UNION ALL
    SELECT context, model_id, usage_status, attribution, unpriced_reason, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns_4:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns_4:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns_4:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns_4:Int64}, 'UTC')
)
GROUP BY GROUPING SETS ((), (context), (model_id))
ORDER BY by, key
