-- account_id = "jane"
-- after_account = "jane"
-- after_call = "000102030405060708090a0b0c0d0e0f"
-- after_hour = 1789999200
-- first_hour_ns = 1789999200000000000
-- from_ns = 1789999200000000000
-- last_hour_ns = 1790326800000000000
-- limit = 1000
-- model_id = "gpt-4o"
-- run_id = "run_1"
-- tenant = "acme"
-- to_ns = 1790323200000000001
WITH toDateTime({after_hour:UInt32}, 'UTC') AS after_hour, toStartOfHour(started_at) AS hour
SELECT tenant, account_id, started_at, call_id, version, is_deleted, role, duplicate_of, signal, trace_id, span_id, parent_span_id, response_id, duration_ns, context, attribution, transaction_id, usage_type, operation, provider, request_model, response_model, service_tier, region, service_name, scope_name, scope_version, error_type, usage_status, usage_convention, convention_source, other_usage, writer, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, model_id, list_cost, billed_cost, currency, unpriced_reason, price_book, price_source, price_key, match_rule, price_context, price_tier, effective_from, unapplied_context, unpriced_units, unit_prices, billed_unit_prices, price_rule, price_run, inserted_at FROM usage_rows FINAL
WHERE tenant = {tenant:String}
    AND started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC')
    AND started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC')
    AND greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at
    AND greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at
    AND account_id >= {after_account:String}
    AND
    (
        account_id > {after_account:String}
        OR hour > after_hour
        OR (hour = after_hour AND call_id > toFixedString(unhex({after_call:String}), 16))
    )
    AND role = 'inference'
    AND account_id = {account_id:String}
    AND (({model_id:String} IN (model_id, request_model, response_model) AND billed_cost IS NULL) OR price_run = {run_id:String})
ORDER BY tenant, account_id, toStartOfHour(started_at), call_id
LIMIT {limit:UInt32}
