-- Which accounts cost the most, and what share of all is each?
-- Asked by: finance, account managers.
--
-- account_id: empty are calls that nobody is billed for. share: of the billed cost of all accounts, from 0 to 1.
-- tenant; from, to: the UTC days that this time touches; limit: how many accounts.
SELECT
    account_id, currency,
    sum(daily.calls) AS calls,
    sum(daily.billed_cost) AS billed_cost,
    toFloat64(billed_cost) / toFloat64(sum(billed_cost) OVER (PARTITION BY currency)) AS share,
    sumIf(daily.calls, unpriced_reason != '') AS calls_without_cost
FROM usage_by_account_daily AS daily
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
GROUP BY account_id, currency
ORDER BY billed_cost DESC NULLS LAST, account_id
LIMIT {limit:UInt32}
