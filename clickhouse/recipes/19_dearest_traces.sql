-- Which traces cost the most? Open them in your tracing backend.
-- Asked by: engineering: loops, agents that do not end, prompts that grow.
--
-- trace_id as Jaeger and Tempo have it. seconds: from the first start to the last end of its LLM calls.
-- tenant; from, to: time of the calls; limit: how many traces.
SELECT
    trace_id, currency,
    count() AS calls,
    sum(usage.billed_cost) AS billed_cost,
    countIf(usage.billed_cost IS NULL) AS calls_without_cost,
    sum(ifNull(input_tokens, 0) + ifNull(output_tokens, 0)) AS tokens,
    min(started_at) AS first_call,
    (max(toUnixTimestamp64Nano(started_at) + duration_ns) - min(toUnixTimestamp64Nano(started_at))) / 1e9 AS seconds,
    arraySort(groupUniqArray(account_id)) AS accounts,
    arraySort(groupUniqArray(service_name)) AS services
FROM usage
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
    AND started_at >= {from:DateTime64(9, 'UTC')}
    AND started_at < {to:DateTime64(9, 'UTC')}
    AND trace_id != ''
GROUP BY trace_id, currency
ORDER BY billed_cost DESC NULLS LAST, trace_id
LIMIT {limit:UInt32}
