-- account = [1]
-- accounts = ["jane"]
-- call = ["000102030405060708090a0b0c0d0e0f"]
-- from_ns = 1789999200000000000
-- hour = [1789999200]
-- tenant = "acme"
-- to_ns = 1790002800000000000
SELECT tenant, account_id, started_at, call_id, version, is_deleted, role, duplicate_of, signal, trace_id, span_id, parent_span_id, response_id, duration_ns, context, attribution, transaction_id, usage_type, operation, provider, request_model, response_model, service_tier, region, service_name, scope_name, scope_version, error_type, usage_status, usage_convention, convention_source, other_usage, writer, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, model_id, list_cost, billed_cost, currency, unpriced_reason, price_book, price_source, price_key, match_rule, price_context, price_tier, effective_from, unapplied_context, unpriced_units, unit_prices, billed_unit_prices, price_rule, price_run, inserted_at FROM usage_history
WHERE tenant = {tenant:String}
    AND started_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND started_at < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND (account_id, toStartOfHour(started_at), call_id) IN
    (
        SELECT
            {accounts:Array(String)}[key.1],
            toDateTime(key.2, 'UTC'),
            toFixedString(unhex(key.3), 16)
        FROM
        (
            SELECT arrayJoin(arrayZip(
                {account:Array(UInt32)}, {hour:Array(UInt32)}, {call:Array(String)})) AS key
        )
    )
