-- Which models cost the most, and how much of what they write is reasoning?
-- Asked by: engineering leads, when a cheaper model might do.
--
-- cost_per_million_tokens: billed cost of a million tokens, input and output, of calls that have a cost. NULL: no tokens.
-- reasoning_share: of the output tokens, from 0 to 1; NULL: no call tells its reasoning.
-- tenant; from, to: the UTC days that this time touches.
SELECT
    provider, model_id, currency,
    sum(daily.calls) AS calls,
    sum(daily.input_tokens) AS input_tokens,
    sum(daily.output_tokens) AS output_tokens,
    sum(daily.reasoning_tokens) AS reasoning_tokens,
    reasoning_tokens / nullIf(output_tokens, 0) AS reasoning_share,
    sum(daily.billed_cost) AS billed_cost,
    sumIf(ifNull(daily.input_tokens, 0) + ifNull(daily.output_tokens, 0), unpriced_reason = '') AS priced_tokens,
    billed_cost * 1000000 / nullIf(priced_tokens, 0) AS cost_per_million_tokens,
    sumIf(daily.calls, unpriced_reason != '') AS calls_without_cost
FROM usage_daily AS daily
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
GROUP BY provider, model_id, currency
ORDER BY billed_cost DESC NULLS LAST, provider, model_id
