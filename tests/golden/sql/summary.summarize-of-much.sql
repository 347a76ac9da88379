-- account_id = "jane"
-- context = "customer"
-- first_hour_ns = 1789999200000000000
-- from_ns = 1789999200000000000
-- last_hour_ns = 1790326800000000000
-- model_id = "gpt-4o"
-- provider = "openai"
-- tenant = "acme"
-- to_ns = 1790323200000000001
-- transaction_id = "t-1"
-- usage_status = "reported"
-- usage_type = "text"
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
    SELECT context, model_id, usage_status, attribution, unpriced_reason, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM usage_rows FINAL WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND account_id = {account_id:String} AND context = {context:String} AND (model_id = {model_id:String} OR request_model = {model_id:String} OR response_model = {model_id:String}) AND transaction_id = {transaction_id:String} AND provider = {provider:String} AND usage_type = {usage_type:String} AND usage_status = {usage_status:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC')
)
GROUP BY GROUPING SETS ((), (context), (model_id))
ORDER BY by, key
