-- How late does telemetry come, and does it change days that are over?
-- Asked by: whoever closes the books, and whoever runs the collectors.
--
-- Seconds from the end of a call to when its row was written. after_the_day: calls that were written after their UTC day was
-- over: the day's sum was lower before. A row that was written anew (a better observation, repricing) counts when it was;
-- repriced ones are left out. Negative: the clock of the sender is fast.
-- tenant; from, to: time of the calls.
SELECT
    service_name, scope_name, signal,
    count() AS calls,
    quantileTDigest(0.5)(late_ms / 1000) AS p50_seconds,
    quantileTDigest(0.95)(late_ms / 1000) AS p95_seconds,
    max(late_ms) / 1000 AS latest_seconds,
    countIf(toDate(inserted_at) > day) AS after_the_day,
    sumIf(billed_cost, toDate(inserted_at) > day) AS cost_after_the_day
FROM
(
    SELECT
        *,
        toUnixTimestamp64Milli(inserted_at)
            - intDiv(toUnixTimestamp64Nano(started_at) + toInt64(duration_ns), 1000000) AS late_ms
    FROM usage
    WHERE tenant = {tenant:String}
        AND day >= toDate({from:DateTime64(9, 'UTC')})
        AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
        AND started_at >= {from:DateTime64(9, 'UTC')}
        AND started_at < {to:DateTime64(9, 'UTC')}
        AND price_run = ''
)
GROUP BY service_name, scope_name, signal
ORDER BY latest_seconds DESC, service_name, scope_name, signal
