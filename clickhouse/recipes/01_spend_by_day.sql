-- What did we spend each day, and for whom: customers, or ourselves?
-- Asked by: everyone; the first panel of a dashboard.
--
-- context: customer or system. billed_cost is exact, and of the calls that have a cost; calls_without_cost have none yet.
-- tenant; from, to: the UTC days that this time touches. For days of another time zone see 17.
SELECT
    day, context, currency,
    sum(daily.calls) AS calls,
    sum(daily.input_tokens) AS input_tokens,
    sum(daily.output_tokens) AS output_tokens,
    sum(daily.billed_cost) AS billed_cost,
    sumIf(daily.calls, unpriced_reason != '') AS calls_without_cost
FROM usage_daily AS daily
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
GROUP BY day, context, currency
ORDER BY day, context, currency
