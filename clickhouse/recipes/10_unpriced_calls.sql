-- Which calls have no cost, why, and what would give them one? A list to work through.
-- Asked by: whoever answers for the bill; it should be empty.
--
-- One line is what one alias or price rule would settle. unpriced_reason: see GET /v1/unpriced for what helps against each.
-- unpriced_units: what has no price; empty: nothing has. Calls whose usage is missing or estimated are not here: see 11.
-- tenant; from, to: time of the calls.
SELECT
    provider, request_model, response_model, service_tier, unpriced_reason, unpriced_units,
    count() AS calls,
    sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
    uniqExact(account_id) AS accounts,
    min(started_at) AS first_call,
    max(started_at) AS last_call
FROM usage
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
    AND started_at >= {from:DateTime64(9, 'UTC')}
    AND started_at < {to:DateTime64(9, 'UTC')}
    AND unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')
GROUP BY provider, request_model, response_model, service_tier, unpriced_reason, unpriced_units
ORDER BY tokens DESC, calls DESC, provider, request_model, response_model, service_tier, unpriced_reason, unpriced_units
