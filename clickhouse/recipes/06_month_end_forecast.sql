-- What will this month cost if it goes on like the last seven days?
-- Asked by: finance, for the budget.
--
-- spent: the days of the month that are over. daily_mean: of the seven days before the day of `to`, in whichever month.
-- forecast: spent, and the mean for each day that is left, the day of `to` among them. Of calls that have a cost.
-- tenant; to: now.
SELECT
    currency,
    toStartOfMonth(toDate({to:DateTime64(9, 'UTC')})) AS month,
    sumIf(daily.billed_cost, day >= month) AS spent,
    sumIf(daily.billed_cost, day >= toDate({to:DateTime64(9, 'UTC')}) - 7) / 7 AS daily_mean,
    dateDiff('day', toDate({to:DateTime64(9, 'UTC')}), month + INTERVAL 1 MONTH) AS days_left,
    ifNull(spent, 0) + ifNull(daily_mean, 0) * days_left AS forecast
FROM usage_daily AS daily
WHERE tenant = {tenant:String}
    AND day >= least(toStartOfMonth(toDate({to:DateTime64(9, 'UTC')})), toDate({to:DateTime64(9, 'UTC')}) - 7)
    AND day < toDate({to:DateTime64(9, 'UTC')})
GROUP BY currency
ORDER BY currency
