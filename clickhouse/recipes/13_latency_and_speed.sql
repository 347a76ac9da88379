-- How long do calls take, and how fast do models write?
-- Asked by: engineering, on-call.
--
-- Milliseconds from the start of a call to its end, of calls that did not fail; percentiles are approximate (t-digest).
-- tokens_per_second: output tokens of all calls by the time of all, so the wait for the first token is in it.
-- tenant; from, to: time of the calls.
SELECT
    provider, model_id,
    count() AS calls,
    quantileTDigest(0.5)(duration_ns / 1e6) AS p50_ms,
    quantileTDigest(0.95)(duration_ns / 1e6) AS p95_ms,
    quantileTDigest(0.99)(duration_ns / 1e6) AS p99_ms,
    sum(output_tokens) / nullIf(sumIf(duration_ns, output_tokens IS NOT NULL) / 1e9, 0) AS tokens_per_second
FROM usage
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
    AND started_at >= {from:DateTime64(9, 'UTC')}
    AND started_at < {to:DateTime64(9, 'UTC')}
    AND error_type = '' AND duration_ns > 0
GROUP BY provider, model_id
ORDER BY calls DESC, provider, model_id
