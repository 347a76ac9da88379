-- How much of our input comes from the cache, and what does that save?
-- Asked by: engineering, to see whether prompts are cached as they should be.
--
-- hit_rate: tokens read from the cache, of all input tokens, from 0 to 1. saved_by_reads: what these would have cost more as
-- plain input; paid_for_writes: what writing to the cache cost more than plain input. list_cost_without_cache: as if there
-- were no cache. All at list prices, exact, and of calls that have a list cost and a price of plain input; audio is left out.
-- tenant; from, to: time of the calls.
SELECT
    provider, model_id, currency,
    count() AS calls,
    sum(priced.input_tokens) AS input_tokens,
    sum(reads) AS cache_read_tokens,
    sum(writes) AS cache_write_tokens,
    cache_read_tokens / nullIf(input_tokens, 0) AS hit_rate,
    sum(priced.list_cost) AS list_cost,
    sum(if(has_read, (input_price - read_price) * reads, 0)) / 1000000 AS saved_by_reads,
    sum(if(has_write, (write_price - input_price) * (writes - hour_writes), 0)
        + if(has_write OR has_hour, (if(has_hour, hour_price, write_price) - input_price) * hour_writes, 0)) / 1000000
        AS paid_for_writes,
    list_cost + saved_by_reads - paid_for_writes AS list_cost_without_cache
FROM
(
    SELECT
        provider, model_id, currency, input_tokens, list_cost,
        ifNull(cache_read_tokens, 0) - ifNull(cache_read_audio_tokens, 0) AS reads,
        ifNull(cache_write_tokens, 0) AS writes,
        ifNull(cache_write_1h_tokens, 0) AS hour_writes,
        JSONHas(unit_prices, 'cache_read_mtok') AS has_read,
        JSONHas(unit_prices, 'cache_write_mtok') AS has_write,
        JSONHas(unit_prices, 'cache_write_1h_mtok') AS has_hour,
        toDecimal128OrZero(JSONExtractString(unit_prices, 'input_mtok'), 18) AS input_price,
        toDecimal128OrZero(JSONExtractString(unit_prices, 'cache_read_mtok'), 18) AS read_price,
        toDecimal128OrZero(JSONExtractString(unit_prices, 'cache_write_mtok'), 18) AS write_price,
        toDecimal128OrZero(JSONExtractString(unit_prices, 'cache_write_1h_mtok'), 18) AS hour_price
    FROM usage
    WHERE tenant = {tenant:String}
        AND day >= toDate({from:DateTime64(9, 'UTC')})
        AND day <= toDate({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
        AND started_at >= {from:DateTime64(9, 'UTC')}
        AND started_at < {to:DateTime64(9, 'UTC')}
        AND list_cost IS NOT NULL AND JSONHas(unit_prices, 'input_mtok')
) AS priced
GROUP BY provider, model_id, currency
ORDER BY saved_by_reads DESC, provider, model_id
