-- What does one business transaction cost us in LLM calls?
-- Asked by: product managers, for the price of a feature (unit economics).
--
-- A transaction is what the caller named so (transaction_id); calls without one are left out. Costs are of transactions whose
-- calls all have a cost; incomplete_transactions have calls that do not.
-- tenant; from, to: time of the calls.
SELECT
    account_id, currency,
    count() AS transactions,
    avg(calls) AS calls_per_transaction,
    sumIf(cost, is_complete) / nullIf(countIf(is_complete), 0) AS mean_cost,
    quantileExactIf(0.5)(cost, is_complete) AS p50_cost,
    quantileExactIf(0.95)(cost, is_complete) AS p95_cost,
    maxIf(cost, is_complete) AS highest_cost,
    countIf(NOT is_complete) AS incomplete_transactions
FROM
(
    SELECT
        account_id, transaction_id, currency, count() AS calls, sum(billed_cost) AS cost,
        countIf(billed_cost IS NULL) = 0 AS is_complete
    FROM usage
    WHERE tenant = {tenant:String}
        AND day >= toDate({from:DateTime64(9, 'UTC')})
        AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
        AND started_at >= {from:DateTime64(9, 'UTC')}
        AND started_at < {to:DateTime64(9, 'UTC')}
        AND transaction_id != ''
    GROUP BY account_id, transaction_id, currency
)
GROUP BY account_id, currency
ORDER BY mean_cost DESC NULLS LAST, account_id
