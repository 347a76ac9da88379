-- from_ns = 1789999200000000000
-- limit = 10000
SELECT
    provider,
    -- Of a call with an alias: also the model that it is priced as.
    arrayJoin(arrayDistinct([if(response_model = '', request_model, response_model), model_id])) AS model,
    count() AS calls
FROM usage_rows
WHERE started_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC') AND role = 'inference' AND model != ''
GROUP BY provider, model
ORDER BY calls DESC
LIMIT {limit:UInt32}
