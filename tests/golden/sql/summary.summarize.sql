-- tenant = "acme"
SELECT
    multiIf(grouping(context) = 0, 'context', grouping(model_id) = 0, 'model', 'all') AS by,
    if(by = 'context', context, model_id) AS key,
    sum(calls), sum(billed_cost), sum(input_tokens), sum(output_tokens), sum(list_cost),
    sumIf(calls, unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')),
    sumIf(calls, usage_status = 'missing'),
    sumIf(calls, usage_status = 'estimated'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), usage_status = 'estimated'),
    sumIf(calls, attribution = 'unattributed'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), attribution = 'unattributed'),
    sumIf(billed_cost, attribution = 'unattributed')
FROM
(
    SELECT context, model_id, usage_status, attribution, unpriced_reason, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM day_sums WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String}
)
GROUP BY GROUPING SETS ((), (context), (model_id))
ORDER BY by, key
