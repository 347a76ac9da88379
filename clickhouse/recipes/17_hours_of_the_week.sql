-- At which hours of the week do we spend? A heat map, in a time zone of yours.
-- Asked by: engineering, for capacity and batch windows.
--
-- weekday: 1 is Monday, 7 is Sunday; local_hour: 0 to 23; both on the clocks of the time zone.
-- tenant; from, to: time of the calls, best whole weeks; timezone: such as Europe/Berlin.
SELECT
    toDayOfWeek(started_at, 0, {timezone:String}) AS weekday,
    toHour(started_at, {timezone:String}) AS local_hour,
    currency,
    count() AS calls,
    sum(usage.billed_cost) AS billed_cost
FROM usage
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
    AND started_at >= {from:DateTime64(9, 'UTC')}
    AND started_at < {to:DateTime64(9, 'UTC')}
GROUP BY weekday, local_hour, currency
ORDER BY weekday, local_hour, currency
