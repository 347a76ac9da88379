-- day = 20260921
-- kept = 11
-- levels = ["quarter", "day", "account_model", "account"]
SELECT count()
FROM
(
    SELECT *
    FROM
    (
        SELECT tenant, level, sum(calls) AS sum_calls, sum(duration_ns) AS sum_duration_ns, sum(input_tokens) AS sum_input_tokens, sum(output_tokens) AS sum_output_tokens, sum(cache_read_tokens) AS sum_cache_read_tokens, sum(cache_write_tokens) AS sum_cache_write_tokens, sum(cache_write_1h_tokens) AS sum_cache_write_1h_tokens, sum(reasoning_tokens) AS sum_reasoning_tokens, sum(input_audio_tokens) AS sum_input_audio_tokens, sum(cache_read_audio_tokens) AS sum_cache_read_audio_tokens, sum(output_audio_tokens) AS sum_output_audio_tokens, sum(input_image_tokens) AS sum_input_image_tokens, sum(output_image_tokens) AS sum_output_image_tokens, sum(input_audio_ns) AS sum_input_audio_ns, sum(output_audio_ns) AS sum_output_audio_ns, sum(input_characters) AS sum_input_characters, sum(web_searches) AS sum_web_searches, sum(rerank_searches) AS sum_rerank_searches, sum(output_images) AS sum_output_images, sum(list_cost) AS sum_list_cost, sum(billed_cost) AS sum_billed_cost, sum(unlisted_cost) AS sum_unlisted_cost
        FROM sealed_sums
        WHERE kept = {kept:UInt64} AND toYYYYMMDD(bucket) = {day:UInt32} AND level != 'mark'
        GROUP BY tenant, level
        UNION ALL
        SELECT tenant, arrayJoin({levels:Array(String)}) AS level, count() AS sum_calls, sum(duration_ns) AS sum_duration_ns, sum(input_tokens) AS sum_input_tokens, sum(output_tokens) AS sum_output_tokens, sum(cache_read_tokens) AS sum_cache_read_tokens, sum(cache_write_tokens) AS sum_cache_write_tokens, sum(cache_write_1h_tokens) AS sum_cache_write_1h_tokens, sum(reasoning_tokens) AS sum_reasoning_tokens, sum(input_audio_tokens) AS sum_input_audio_tokens, sum(cache_read_audio_tokens) AS sum_cache_read_audio_tokens, sum(output_audio_tokens) AS sum_output_audio_tokens, sum(input_image_tokens) AS sum_input_image_tokens, sum(output_image_tokens) AS sum_output_image_tokens, sum(input_audio_ns) AS sum_input_audio_ns, sum(output_audio_ns) AS sum_output_audio_ns, sum(input_characters) AS sum_input_characters, sum(web_searches) AS sum_web_searches, sum(rerank_searches) AS sum_rerank_searches, sum(output_images) AS sum_output_images, sum(list_cost) AS sum_list_cost, sum(billed_cost) AS sum_billed_cost, sum(unlisted_cost) AS sum_unlisted_cost
        FROM (SELECT *, if(list_cost IS NULL, billed_cost, NULL) AS unlisted_cost FROM usage_rows FINAL WHERE toYYYYMMDD(started_at) = {day:UInt32})
        GROUP BY tenant, level
    )
    GROUP BY ALL
    HAVING count() != 2
)
