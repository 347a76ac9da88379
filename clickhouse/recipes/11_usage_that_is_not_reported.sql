-- Which emitters do not report usage, or make it up?
-- Asked by: engineering: often a stream without `include_usage`, or an old instrumentation.
--
-- missing_calls tell no usage; estimated_calls tell one that their emitter made up. Neither is billed by its tokens.
-- unknown_share: of all calls of the emitter, from 0 to 1.
-- tenant; from, to: time of the calls.
SELECT
    scope_name, scope_version, service_name, provider,
    count() AS calls,
    countIf(usage_status = 'missing') AS missing_calls,
    countIf(usage_status = 'estimated') AS estimated_calls,
    (missing_calls + estimated_calls) / calls AS unknown_share
FROM usage
WHERE tenant = {tenant:String}
    AND day >= toDate({from:DateTime64(9, 'UTC')})
    AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
    AND started_at >= {from:DateTime64(9, 'UTC')}
    AND started_at < {to:DateTime64(9, 'UTC')}
GROUP BY scope_name, scope_version, service_name, provider
ORDER BY missing_calls + estimated_calls DESC, scope_name, scope_version, service_name, provider
