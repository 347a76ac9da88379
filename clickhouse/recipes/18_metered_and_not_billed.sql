-- Do the metrics of our services count more tokens than were billed?
-- Asked by: whoever answers for the bill: the gap is calls whose spans were lost.
--
-- metered: what a service's metric counted (of several metrics that count the same, the highest); billed: tokens of the calls
-- of that model, by whichever name the metric has for it. missing: metered less billed. Dates in names of models must be the
-- same on both sides; GET /v1/ingest is more lenient. Metrics come later than spans: leave out the last minutes.
-- Points are kept for 32 days. It reads the table token_points, which a reader of one tenant must be allowed to.
-- tenant; from, to: time of the points, and of the calls.
SELECT
    service_name, model, token_type,
    maxIf(tokens, source = 'metric') AS metered,
    sumIf(tokens, source = 'call') AS billed,
    toInt64(metered) - toInt64(billed) AS missing
FROM
(
    SELECT 'metric' AS source, service_name, model, token_type, metric, sum(grown) AS tokens
    FROM
    (
        SELECT
            service_name, scope_name, metric, model, token_type, at,
            lagInFrame(toNullable(value)) OVER
                (PARTITION BY series, start_at ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous,
            multiIf(
                temporality = 'delta' OR value < previous, value,
                previous IS NOT NULL, toUInt64(value - previous),
                start_at >= {from:DateTime64(9, 'UTC')}, value,
                0) AS grown
        FROM token_points FINAL
        WHERE tenant = {tenant:String} AND token_type IN ('input', 'output')
            AND at > {from:DateTime64(9, 'UTC')} - INTERVAL 1 HOUR AND at <= {to:DateTime64(9, 'UTC')}
    )
    WHERE at > {from:DateTime64(9, 'UTC')}
    GROUP BY service_name, scope_name, metric, model, token_type
    UNION ALL
    SELECT 'call' AS source, service_name, model, told.1 AS token_type, '' AS metric, sum(told.2) AS tokens
    FROM
    (
        SELECT service_name, input_tokens, output_tokens, arrayJoin(names) AS model
        FROM
        (
            SELECT *, arrayDistinct(['', request_model, response_model, model_id]) AS names
            FROM usage
            WHERE tenant = {tenant:String}
                AND day >= toDate({from:DateTime64(9, 'UTC')})
                AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
                AND started_at >= {from:DateTime64(9, 'UTC')}
                AND started_at < {to:DateTime64(9, 'UTC')}
        )
    )
    ARRAY JOIN [('input', ifNull(input_tokens, 0)), ('output', ifNull(output_tokens, 0))] AS told
    GROUP BY service_name, model, token_type
)
GROUP BY service_name, model, token_type
HAVING metered > 0
ORDER BY missing DESC, service_name, model, token_type
