-- groups = 1000
-- tenant = "acme"
SELECT
    tuple(account_id) IN (
        SELECT tuple(account_id)
        FROM
        (
            SELECT context, model_id, usage_status, attribution, unpriced_reason, account_id, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM account_model_sums WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String}
        )
        GROUP BY tuple(account_id)
        ORDER BY sum(billed_cost) DESC NULLS LAST, sum(calls) DESC, tuple(account_id)
        LIMIT {groups:UInt32}
    ) AS told,
    if(told, account_id, '') AS key_account_id, toUnixTimestamp(toDateTime(0, 'UTC')) AS begin_s, uniqExactIf(tuple(account_id), NOT told) AS others,
    sum(calls), sum(billed_cost), sum(input_tokens), sum(output_tokens), sum(list_cost),
    sumIf(calls, unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')),
    sumIf(calls, usage_status = 'missing'),
    sumIf(calls, usage_status = 'estimated'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), usage_status = 'estimated'),
    sumIf(calls, attribution = 'unattributed'), sumIf(ifNull(input_tokens, 0) + ifNull(output_tokens, 0), attribution = 'unattributed'),
    sumIf(billed_cost, attribution = 'unattributed')
FROM
(
    SELECT context, model_id, usage_status, attribution, unpriced_reason, account_id, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, list_cost, billed_cost FROM account_model_sums WHERE role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String}
)
GROUP BY told, key_account_id, begin_s
ORDER BY begin_s, told DESC, sum(billed_cost) DESC NULLS LAST, sum(calls) DESC, told, key_account_id
LIMIT 10001
