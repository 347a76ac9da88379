-- block = 7
-- blocks = 1
-- day = 20260921
-- staging = "sealed_next_1"
INSERT INTO {staging:Identifier} (tenant, level, account_id, bucket, role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution, unpriced_reason, currency, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost, unlisted_cost, block, blocks, kept)
SELECT
    tenant, if(grouping(quarter) = 0, 'quarter', 'account_model') AS level, account_id,
    if(level = 'quarter', quarter, toDateTime(day, 'UTC')), role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution, unpriced_reason, currency, count(), sum(duration_ns),
    sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(cache_write_1h_tokens), sum(reasoning_tokens), sum(input_audio_tokens), sum(cache_read_audio_tokens), sum(output_audio_tokens), sum(input_image_tokens), sum(output_image_tokens), sum(input_audio_ns), sum(output_audio_ns), sum(input_characters), sum(web_searches), sum(rerank_searches), sum(output_images), sum(list_cost), sum(billed_cost), sum(unlisted_cost), {block:Int64}, {blocks:Int64}, 0
FROM
(
    SELECT
        *, if(list_cost IS NULL, billed_cost, NULL) AS unlisted_cost, toDate(started_at) AS day,
        toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter
    FROM usage_rows FINAL
    WHERE toYYYYMMDD(started_at) = {day:UInt32}
)
GROUP BY GROUPING SETS ((tenant, account_id, day, role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution, unpriced_reason, currency), (tenant, quarter, day, role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution, unpriced_reason, currency))
