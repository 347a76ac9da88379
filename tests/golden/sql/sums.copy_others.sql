-- days = [20260921]
-- month = 202609
-- staging = "sealed_next_1"
INSERT INTO {staging:Identifier} (tenant, level, account_id, bucket, role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution, unpriced_reason, currency, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost, unlisted_cost, block, blocks, kept)
SELECT tenant, level, account_id, bucket, role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution, unpriced_reason, currency, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost, unlisted_cost, block, blocks, kept
FROM sealed_sums
WHERE kept = 0 AND toYYYYMM(bucket) = {month:UInt32} AND NOT has({days:Array(UInt32)}, toYYYYMMDD(bucket))
