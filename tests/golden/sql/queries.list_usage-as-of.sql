-- account_id = "jane"
-- as_of_ns = 1790323200000000001
-- first_hour_ns = 1789999200000000000
-- from_ns = 1789999200000000000
-- last_hour_ns = 1790326800000000000
-- limit = 50
-- tenant = "acme"
-- to_ns = 1790323200000000001
SELECT
    call_id, context, account_id, model_id, input_tokens, output_tokens, billed_cost,
    toUnixTimestamp64Nano(started_at), role, duplicate_of, usage_status, unpriced_reason
FROM (
    SELECT *
    FROM
    (
        SELECT tenant, account_id, started_at, call_id, version, is_deleted, inserted_at, role, duplicate_of, context, attribution, transaction_id, usage_type, provider, request_model, response_model, service_tier, usage_status, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, model_id, list_cost, billed_cost, unpriced_reason, unpriced_units FROM usage_rows WHERE tenant = {tenant:String} AND account_id = {account_id:String} AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC') AND inserted_at <= fromUnixTimestamp64Nano({as_of_ns:Int64}, 'UTC')
        UNION ALL
        SELECT tenant, account_id, started_at, call_id, version, is_deleted, inserted_at, role, duplicate_of, context, attribution, transaction_id, usage_type, provider, request_model, response_model, service_tier, usage_status, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, model_id, list_cost, billed_cost, unpriced_reason, unpriced_units FROM usage_history WHERE tenant = {tenant:String} AND account_id = {account_id:String} AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC') AND inserted_at <= fromUnixTimestamp64Nano({as_of_ns:Int64}, 'UTC')
    )
    ORDER BY version DESC, inserted_at DESC
    LIMIT 1 BY tenant, account_id, toStartOfHour(started_at), call_id
)
WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND account_id = {account_id:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC') AND is_deleted = 0
ORDER BY started_at DESC, call_id
LIMIT {limit:UInt32}
