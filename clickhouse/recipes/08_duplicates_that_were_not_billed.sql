-- Which calls were told twice, and what would billing them twice have cost?
-- Asked by: engineering (two instrumentations of one library cost traffic), and whoever doubts the bill.
--
-- scope_name, signal: who told the duplicate. billed_cost of these rows is in no bill: it is what double billing would add.
-- tenant; from, to: time of the calls.
SELECT
    scope_name, signal, service_name, currency,
    count() AS duplicates,
    uniqExact(duplicate_of) AS calls,
    sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
    sum(billed_cost) AS cost_not_billed
FROM usage_observations
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
    AND started_at >= {from:DateTime64(9, 'UTC')}
    AND started_at < {to:DateTime64(9, 'UTC')}
    AND role = 'duplicate'
GROUP BY scope_name, signal, service_name, currency
ORDER BY cost_not_billed DESC NULLS LAST, duplicates DESC, scope_name, signal, service_name
