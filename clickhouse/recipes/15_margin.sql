-- What do we bill each account, against what the list says?
-- Asked by: finance: margins, discounts and free plans at one glance.
--
-- Of calls that have both costs; calls_left_out lack one. margin: billed less list, negative for a discount or what is free.
-- margin_ratio: margin by list cost. List cost is the book's price, which need not be what your provider charges you.
-- tenant; from, to: time of the calls.
SELECT
    account_id, currency,
    countIf(is_known) AS calls,
    sumIf(known.billed_cost, is_known) AS billed_cost,
    sumIf(known.list_cost, is_known) AS list_cost,
    billed_cost - list_cost AS margin,
    toFloat64(margin) / nullIf(toFloat64(list_cost), 0) AS margin_ratio,
    countIf(NOT is_known) AS calls_left_out
FROM
(
    SELECT account_id, currency, billed_cost, list_cost, billed_cost IS NOT NULL AND list_cost IS NOT NULL AS is_known
    FROM usage
    WHERE tenant = {tenant:String}
        AND day >= toDate({from:DateTime64(9, 'UTC')})
        AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
        AND started_at >= {from:DateTime64(9, 'UTC')}
        AND started_at < {to:DateTime64(9, 'UTC')}
) AS known
GROUP BY account_id, currency
ORDER BY margin NULLS LAST, account_id
