-- call_id = "000102030405060708090a0b0c0d0e0f"
-- from_ns = 1789999200000000000
-- tenant = "acme"
-- to_ns = 1790323200000000001
SELECT
    account_id, context, transaction_id, usage_type, provider, response_model,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches,
    output_images,
    model_id, billed_cost
FROM usage_rows FINAL
WHERE tenant = {tenant:String} AND call_id = unhex({call_id:String})
    AND started_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND started_at < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
ORDER BY started_at
LIMIT 1
