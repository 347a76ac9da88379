-- Whose spend doubled against the week before?
-- Asked by: finance and on-call, as an alert.
--
-- The seven UTC days before the day of `to`, and the seven before those. times: how many times as much; NULL: nothing before.
-- tenant; to: now; least: this week's cost from which on it matters.
SELECT
    account_id, currency,
    sumIf(daily.billed_cost, day >= toDate({to:DateTime64(9, 'UTC')}) - 7) AS this_week,
    sumIf(daily.billed_cost, day < toDate({to:DateTime64(9, 'UTC')}) - 7) AS week_before,
    toFloat64(this_week) / nullIf(toFloat64(week_before), 0) AS times
FROM usage_by_account_daily AS daily
WHERE tenant = {tenant:String} AND day >= toDate({to:DateTime64(9, 'UTC')}) - 14 AND day < toDate({to:DateTime64(9, 'UTC')})
GROUP BY account_id, currency
HAVING this_week >= {least:Decimal(38, 18)} AND this_week >= 2 * ifNull(week_before, 0)
ORDER BY this_week DESC, account_id
