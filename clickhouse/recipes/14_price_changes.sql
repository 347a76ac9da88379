-- Which prices changed, and when?
-- Asked by: finance, when a bill is not what it was.
--
-- A line is a set of prices that calls were billed at; only models that have more than one. It was applied from first_call to
-- last_call. effective_from: since when the source says it holds. price_rule: the rule that made it; empty: list prices. Sets
-- that hold side by side are of rules for some accounts. Other service tiers and tiers of length are no change.
-- tenant; from, to: time of the calls.
SELECT *
FROM
(
    SELECT
        provider, model_id, price_context, price_tier, effective_from, price_book, price_rule, billed_unit_prices,
        currency,
        count() AS calls,
        uniqExact(account_id) AS accounts,
        sum(usage.billed_cost) AS billed_cost,
        min(started_at) AS first_call,
        max(started_at) AS last_call,
        count() OVER (PARTITION BY provider, model_id, price_context, price_tier) AS price_sets
    FROM usage
    WHERE tenant = {tenant:String}
        AND day >= toDate({from:DateTime64(9, 'UTC')})
        AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
        AND started_at >= {from:DateTime64(9, 'UTC')}
        AND started_at < {to:DateTime64(9, 'UTC')}
        AND billed_unit_prices NOT IN ('', '{}')
    GROUP BY
        provider, model_id, price_context, price_tier, effective_from, price_book, price_rule, billed_unit_prices,
        currency
)
WHERE price_sets > 1
ORDER BY provider, model_id, price_context, price_tier, first_call, billed_unit_prices
