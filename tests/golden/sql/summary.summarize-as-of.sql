-- account_id = "jane"
-- as_of_ns = 1790323200000000001
-- first_hour_ns = 1789999200000000000
-- from_ns = 1789999200000000000
-- last_hour_ns = 1790326800000000000
-- tenant = "acme"
-- to_ns = 1790323200000000001
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
    SELECT context, model_id, usage_status, attribution, unpriced_reason, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM (
    SELECT *
    FROM
    (
        SELECT tenant, account_id, started_at, call_id, version, is_deleted, inserted_at, role, duplicate_of, context, attribution, transaction_id, usage_type, provider, request_model, response_model, service_tier, usage_status, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, model_id, list_cost, billed_cost, unpriced_reason, unpriced_units FROM usage_rows WHERE tenant = {tenant:String} AND account_id = {account_id:String} AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC') AND inserted_at <= fromUnixTimestamp64Nano({as_of_ns:Int64}, 'UTC')
        UNION ALL
        SELECT tenant, account_id, started_at, call_id, version, is_deleted, inserted_at, role, duplicate_of, context, attribution, transaction_id, usage_type, provider, request_model, response_model, service_tier, usage_status, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, model_id, list_cost, billed_cost, unpriced_reason, unpriced_units FROM usage_history WHERE tenant = {tenant:String} AND account_id = {account_id:String} AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC') AND inserted_at <= fromUnixTimestamp64Nano({as_of_ns:Int64}, 'UTC')
    )
    ORDER BY version DESC, inserted_at DESC
    LIMIT 1 BY tenant, account_id, toStartOfHour(started_at), call_id
) WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND account_id = {account_id:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC') AND is_deleted = 0
)
GROUP BY GROUPING SETS ((), (context), (model_id))
ORDER BY by, key
