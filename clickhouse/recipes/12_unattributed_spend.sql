-- What do we spend that no account is named for, and which service sends it?
-- Asked by: finance, then the team of that service.
--
-- Neither the span, nor one above it, nor its trace or resource names a payer. share: of the cost of the line, from 0 to 1.
-- tenant; from, to: time of the calls.
SELECT
    service_name, scope_name, currency,
    countIf(attribution = 'unattributed') AS unattributed_calls,
    sumIf(usage.billed_cost, attribution = 'unattributed') AS unattributed_cost,
    count() AS calls,
    sum(usage.billed_cost) AS billed_cost,
    toFloat64(ifNull(unattributed_cost, 0)) / nullIf(toFloat64(billed_cost), 0) AS share
FROM usage
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
    AND started_at >= {from:DateTime64(9, 'UTC')}
    AND started_at < {to:DateTime64(9, 'UTC')}
GROUP BY service_name, scope_name, currency
HAVING unattributed_calls > 0
ORDER BY unattributed_cost DESC NULLS LAST, unattributed_calls DESC, service_name, scope_name
