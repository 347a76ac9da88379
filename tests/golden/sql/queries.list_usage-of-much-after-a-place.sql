-- account_id = "jane"
-- after_call = "000102030405060708090a0b0c0d0e0f"
-- after_ns = 1789999200000000005
-- context = "customer"
-- first_hour_ns = 1789999200000000000
-- from_ns = 1789999200000000000
-- last_hour_ns = 1790002800000000000
-- limit = 50
-- model_id = "gpt-4o"
-- provider = "openai"
-- tenant = "acme"
-- to_ns = 1789999200000000006
-- transaction_id = "t-1"
-- usage_status = "reported"
-- usage_type = "text"
SELECT
    call_id, context, account_id, model_id, input_tokens, output_tokens, billed_cost,
    toUnixTimestamp64Nano(started_at), role, duplicate_of, usage_status, unpriced_reason
FROM usage_rows FINAL
WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String} AND account_id = {account_id:String} AND context = {context:String} AND (model_id = {model_id:String} OR request_model = {model_id:String} OR response_model = {model_id:String}) AND transaction_id = {transaction_id:String} AND provider = {provider:String} AND usage_type = {usage_type:String} AND usage_status = {usage_status:String} AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC') AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC') AND (toUnixTimestamp64Nano(started_at) != {after_ns:Int64} OR call_id > toFixedString(unhex({after_call:String}), 16))
ORDER BY started_at DESC, call_id
LIMIT {limit:UInt32}
