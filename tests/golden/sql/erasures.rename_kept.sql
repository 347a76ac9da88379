-- account = "jane"
-- day = 20260921
-- kept = 11
-- new = 13
-- pseudonym = "erased-0123456789abcdef"
-- tenant = "acme"
INSERT INTO sealed_sums (tenant, level, bucket, role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution, unpriced_reason, currency, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost, unlisted_cost, block, blocks, account_id, kept)
SELECT tenant, level, bucket, role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution, unpriced_reason, currency, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost, unlisted_cost, block, blocks,
    if(tenant = {tenant:String} AND account_id = {account:String}, {pseudonym:String}, account_id), {new:UInt64}
FROM sealed_sums WHERE kept = {kept:UInt64} AND toYYYYMMDD(bucket) = {day:UInt32}
