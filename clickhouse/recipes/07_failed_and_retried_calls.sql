-- What do failed calls cost, and the calls that tried again?
-- Asked by: engineering, on-call.
--
-- failed_calls ended in an error; billed_cost is of those that used something before they did (a stream that was cut off).
-- retried_calls were followed, in the same trace and service, by a call for the same model; retry_cost is what those cost.
-- seconds: time spent in the failed ones. Retries inside a client library are told as one call, and not seen here.
-- tenant; from, to: time of the calls.
SELECT
    error_type, provider, request_model, currency,
    count() AS failed_calls,
    sum(calls.billed_cost) AS billed_cost,
    sum(duration_ns) / 1e9 AS seconds,
    countIf(is_followed AND trace_id != '') AS retried_calls,
    sumIf(next_cost, is_followed AND trace_id != '') AS retry_cost
FROM
(
    SELECT
        error_type, provider, request_model, currency, trace_id, billed_cost, duration_ns,
        leadInFrame(toUInt8(1), 1, toUInt8(0)) OVER of_trace AS is_followed,
        leadInFrame(billed_cost, 1, NULL) OVER of_trace AS next_cost
    FROM usage_observations
    WHERE tenant = {tenant:String}
        AND day >= toDate({from:DateTime64(9, 'UTC')})
        AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
        AND started_at >= {from:DateTime64(9, 'UTC')}
        AND started_at < {to:DateTime64(9, 'UTC')}
        AND role = 'inference'
    WINDOW of_trace AS (
        PARTITION BY trace_id, service_name, request_model ORDER BY started_at, call_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
) AS calls
WHERE error_type != ''
GROUP BY error_type, provider, request_model, currency
ORDER BY failed_calls DESC, error_type, provider, request_model
