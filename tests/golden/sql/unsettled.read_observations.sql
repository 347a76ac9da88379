-- calls = []
-- equal = 16384
-- from_ns = 1789999200000000000
-- numbers = []
-- tenant = "acme"
-- to_ns = 1790326800000000000
-- traces = ["00000000000000000000000000000000"]
WITH
    fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC') AS last
SELECT tenant, account_id, started_at, call_id, version, is_deleted, role, duplicate_of, signal, trace_id, span_id, parent_span_id, response_id, duration_ns, context, attribution, transaction_id, usage_type, operation, provider, request_model, response_model, service_tier, region, service_name, scope_name, scope_version, error_type, usage_status, usage_convention, convention_source, other_usage, writer, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images
FROM
(
    SELECT * FROM usage_rows
    WHERE started_at >= first AND started_at < last
        AND (tenant, account_id, toStartOfHour(started_at), call_id) IN
        (
            SELECT tenant, account_id, toStartOfHour(started_at), call_id FROM usage_rows
            WHERE started_at >= first AND started_at < last AND tenant = {tenant:String}
                AND
                (
                    trace_id IN (SELECT toFixedString(unhex(arrayJoin({traces:Array(String)})), 16))
                    OR call_id IN (SELECT toFixedString(unhex(arrayJoin({calls:Array(String)})), 16))
                )
            UNION ALL
            SELECT tenant, account_id, toStartOfHour(started_at), call_id FROM usage_rows
            WHERE started_at >= first AND started_at < last AND tenant = {tenant:String}
                AND concat(service_name, '/', toString(input_tokens))
                    IN (SELECT arrayJoin({numbers:Array(String)}))
            ORDER BY started_at DESC
            LIMIT {equal:UInt32} BY service_name, input_tokens
        )
    ORDER BY version DESC, inserted_at DESC
    LIMIT 1 BY tenant, account_id, toStartOfHour(started_at), call_id
)
WHERE is_deleted = 0
