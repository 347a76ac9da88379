-- account_id = "jane"
-- limit = 50
-- role = "duplicate"
-- tenant = "acme"
SELECT
    call_id, context, account_id, model_id, input_tokens, output_tokens, billed_cost,
    toUnixTimestamp64Nano(started_at), role, duplicate_of, usage_status, unpriced_reason
FROM usage_rows FINAL
WHERE role = {role:String} AND tenant = {tenant:String} AND account_id = {account_id:String}
ORDER BY started_at DESC, call_id
LIMIT {limit:UInt32}
