-- first_hour_ns = 1789999200000000000
-- from_ns = 1789999200000000001
-- last_hour_ns = 1790326800000000000
-- limit = 100
-- tenant = "acme"
-- to_ns = 1790323200000000001
SELECT
    provider, request_model, response_model, model_id, service_tier, unpriced_reason, unpriced_units,
    count() AS calls, sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
    toUnixTimestamp64Nano(min(started_at)), toUnixTimestamp64Nano(max(started_at)), uniqExact(account_id)
FROM usage_rows FINAL
WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC') AND unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')
GROUP BY provider, request_model, response_model, model_id, service_tier, unpriced_reason, unpriced_units
ORDER BY
    tokens DESC, calls DESC,
    provider, request_model, response_model, model_id, service_tier, unpriced_reason, unpriced_units
LIMIT {limit:UInt32}
