-- limit = 50
-- tenant = "acme"
SELECT
    call_id, context, account_id, model_id, input_tokens, output_tokens, billed_cost,
    toUnixTimestamp64Nano(started_at), role, duplicate_of, usage_status, unpriced_reason
FROM usage_rows FINAL
WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String}
ORDER BY started_at DESC, call_id
LIMIT {limit:UInt32}
