-- Sums of days that rest: what summaries are made of, so that they need not read the rows of those days.
--
-- A cache of `usage_rows`, and no second truth: the sums of a day carry the mark that its partition had before they were made,
-- and count only while it has it still. Whatever comes late, twice or corrected raises the mark of its day, and the day is
-- read from its rows until it is sealed anew. See the view `usage_days`.
-- Engine: no merge changes what a sum is. Partition: a month, which is replaced as a whole when days of it are sealed: a
-- partition a day made a thousand parts to open. What is kept of expired days is never replaced.
-- Levels: `quarter` (of an hour: the days of every time zone begin at one), `day` (in UTC), `account_model` (a UTC day of an
-- account), `account` (the same of all models), `mark` (one row a day: that it is sealed). A sum of nothing known is NULL.
CREATE TABLE IF NOT EXISTS sealed_sums
(
    tenant LowCardinality(String),
    level LowCardinality(String) COMMENT 'quarter, day, account_model, account, mark',
    account_id LowCardinality(String) COMMENT 'Of levels account and account_model; empty: nobody, or of another level',
    bucket DateTime('UTC') COMMENT 'Start of the quarter hour or day' CODEC(Delta, ZSTD(1)),
    role LowCardinality(String),
    context LowCardinality(String),
    usage_type LowCardinality(String),
    provider LowCardinality(String),
    model_id LowCardinality(String),
    request_model LowCardinality(String),
    response_model LowCardinality(String),
    usage_status LowCardinality(String),
    attribution LowCardinality(String),
    unpriced_reason LowCardinality(String),
    currency LowCardinality(String),
    calls UInt64,
    duration_ns UInt64,
    input_tokens Nullable(UInt64),
    output_tokens Nullable(UInt64),
    cache_read_tokens Nullable(UInt64),
    cache_write_tokens Nullable(UInt64),
    cache_write_1h_tokens Nullable(UInt64),
    reasoning_tokens Nullable(UInt64),
    input_audio_tokens Nullable(UInt64),
    cache_read_audio_tokens Nullable(UInt64),
    output_audio_tokens Nullable(UInt64),
    input_image_tokens Nullable(UInt64),
    output_image_tokens Nullable(UInt64),
    input_audio_ns Nullable(UInt64),
    output_audio_ns Nullable(UInt64),
    input_characters Nullable(UInt64),
    web_searches Nullable(UInt64),
    rerank_searches Nullable(UInt64),
    output_images Nullable(UInt64),
    list_cost Nullable(Decimal(38, 18)),
    billed_cost Nullable(Decimal(38, 18)),
    unlisted_cost Nullable(Decimal(38, 18)) COMMENT 'billed_cost of the calls that have no list_cost',
    block Int64 COMMENT 'The mark: the highest block number of the day''s partition',
    blocks Int64 COMMENT 'The mark of a replicated table: how many blocks there were, too',
    kept UInt64 COMMENT '0: made of rows that are there; else which expiry kept it'
)
ENGINE = MergeTree
PARTITION BY (kept > 0, toYYYYMM(bucket))
ORDER BY (tenant, level, account_id, bucket, context, provider, model_id, usage_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)';

-- Days whose rows have expired, or are about to: what is kept in `sealed_sums` is all that is left of them, and is what is read.
-- The last row of a day holds. With `kept` 0 the day has not expired after all.
CREATE TABLE IF NOT EXISTS expired_days
(
    day Date,
    kept UInt64 COMMENT 'Which of the sums in sealed_sums hold; 0: it has not expired',
    stored_versions UInt64 COMMENT 'How many rows there were',
    expired_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(expired_at)
ORDER BY day
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The days there are (as 20261231), and which are sealed: those whose partition is as it was when their sums were made.
-- The mark of a partition is the highest block number of its parts: an insert raises it, a mutation does, a merge does not.
-- Blocks of a replicated table may come out of their order; there the number of blocks is a part of the mark.
CREATE OR REPLACE VIEW usage_days AS
SELECT
    day,
    max(expired) AS is_expired,
    is_expired OR (max(part_rows) > 0 AND max(block) = max(sealed_block) AND max(blocks) = max(sealed_blocks)) AS is_sealed,
    max(part_rows) AS stored_versions,
    max(part_bytes) AS stored_bytes,
    max(at) AS modified_at,
    max(block) AS current_block,
    max(blocks) AS current_blocks
FROM
(
    SELECT
        toUInt32(partition_id) AS day, toUInt8(0) AS expired, sum(rows) AS part_rows, sum(bytes_on_disk) AS part_bytes,
        max(modification_time) AS at, greatest(max(max_block_number), toInt64(max(data_version))) AS block,
        toInt64(0) AS blocks, toInt64(0) AS sealed_block, toInt64(0) AS sealed_blocks
    FROM system.parts
    WHERE database = (SELECT any(name) FROM (SELECT _database AS name FROM usage_rows LIMIT 1))
        AND table = 'usage_rows' AND active
    GROUP BY partition_id
    UNION ALL
    SELECT toYYYYMMDD(bucket), 0, 0, 0, toDateTime(0), 0, 0, max(block), max(blocks)
    FROM sealed_sums
    WHERE tenant = '' AND level = 'mark' AND kept = 0
    GROUP BY toYYYYMMDD(bucket)
    UNION ALL
    SELECT toYYYYMMDD(day), 1, 0, 0, toDateTime(0), 0, 0, 0, 0
    FROM expired_days FINAL
    WHERE kept > 0
)
GROUP BY day;

-- The same as lists, in one row: what is read from where. `sealed` and `kept` from `sealed_sums`, and all that is not in
-- `summed` from `usage_rows`: so days of which nothing is known are read from their rows.
CREATE OR REPLACE VIEW summed_days AS
SELECT
    groupArrayIf(day, is_sealed AND NOT is_expired) AS sealed,
    groupArrayIf(day, is_sealed) AS summed,
    (SELECT groupArray(kept) FROM expired_days FINAL WHERE kept > 0) AS kept
FROM usage_days;

-- Exact sums of the calls of UTC days, of sealed sums and of the rows of days that are not sealed. There may be many rows of
-- one day and model: sum them up. Which days are sealed is asked once in a query, so none is counted twice, or not at all.
CREATE OR REPLACE VIEW day_sums AS
SELECT
    tenant, toDate(bucket) AS day, role, context, usage_type, provider, model_id, request_model, response_model,
    usage_status, attribution, unpriced_reason, currency, calls, duration_ns, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens,
    cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns,
    output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost,
    billed_cost, unlisted_cost
FROM sealed_sums
WHERE level = 'day'
    AND if(kept = 0, has((SELECT (sealed, summed, kept) FROM summed_days).1, toYYYYMMDD(bucket)), has((SELECT (sealed, summed, kept) FROM summed_days).3, kept))
UNION ALL
SELECT
    tenant, toDate(started_at) AS day, role, context, usage_type, provider, model_id, request_model,
    response_model, usage_status, attribution, unpriced_reason, currency, toUInt64(1) AS calls, duration_ns,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
    input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens,
    input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost,
    billed_cost, if(list_cost IS NULL, billed_cost, NULL) AS unlisted_cost
FROM usage_rows FINAL
WHERE NOT has((SELECT (sealed, summed, kept) FROM summed_days).2, toYYYYMMDD(started_at))
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- The same of quarter hours.
CREATE OR REPLACE VIEW quarter_sums AS
SELECT
    tenant, toDate(bucket) AS day, bucket AS quarter, role, context, usage_type, provider, model_id,
    request_model, response_model, usage_status, attribution, unpriced_reason, currency, calls, duration_ns,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
    input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens,
    input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost,
    billed_cost, unlisted_cost
FROM sealed_sums
WHERE level = 'quarter'
    AND if(kept = 0, has((SELECT (sealed, summed, kept) FROM summed_days).1, toYYYYMMDD(bucket)), has((SELECT (sealed, summed, kept) FROM summed_days).3, kept))
UNION ALL
SELECT
    tenant, toDate(started_at) AS day, toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter,
    role, context, usage_type, provider, model_id, request_model, response_model, usage_status, attribution,
    unpriced_reason, currency, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens,
    cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns,
    output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost,
    billed_cost, if(list_cost IS NULL, billed_cost, NULL) AS unlisted_cost
FROM usage_rows FINAL
WHERE NOT has((SELECT (sealed, summed, kept) FROM summed_days).2, toYYYYMMDD(started_at))
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- The same of UTC days of accounts.
CREATE OR REPLACE VIEW account_sums AS
SELECT
    tenant, account_id, toDate(bucket) AS day, role, context, usage_type, usage_status, attribution,
    unpriced_reason, currency, calls, duration_ns, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, cache_read_audio_tokens,
    output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns, output_audio_ns,
    input_characters, web_searches, rerank_searches, output_images, list_cost,
    billed_cost, unlisted_cost
FROM sealed_sums
WHERE level = 'account'
    AND if(kept = 0, has((SELECT (sealed, summed, kept) FROM summed_days).1, toYYYYMMDD(bucket)), has((SELECT (sealed, summed, kept) FROM summed_days).3, kept))
UNION ALL
SELECT
    tenant, account_id, toDate(started_at) AS day, role, context, usage_type, usage_status, attribution,
    unpriced_reason, currency, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens,
    cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns,
    output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost,
    billed_cost, if(list_cost IS NULL, billed_cost, NULL) AS unlisted_cost
FROM usage_rows FINAL
WHERE NOT has((SELECT (sealed, summed, kept) FROM summed_days).2, toYYYYMMDD(started_at))
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- The same of UTC days of accounts, by model and provider.
CREATE OR REPLACE VIEW account_model_sums AS
SELECT
    tenant, account_id, toDate(bucket) AS day, role, context, usage_type, provider, model_id, request_model,
    response_model, usage_status, attribution, unpriced_reason, currency, calls, duration_ns, input_tokens,
    output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
    input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens,
    input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost,
    billed_cost, unlisted_cost
FROM sealed_sums
WHERE level = 'account_model'
    AND if(kept = 0, has((SELECT (sealed, summed, kept) FROM summed_days).1, toYYYYMMDD(bucket)), has((SELECT (sealed, summed, kept) FROM summed_days).3, kept))
UNION ALL
SELECT
    tenant, account_id, toDate(started_at) AS day, role, context, usage_type, provider, model_id, request_model,
    response_model, usage_status, attribution, unpriced_reason, currency, toUInt64(1) AS calls, duration_ns,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,
    input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens,
    input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost,
    billed_cost, if(list_cost IS NULL, billed_cost, NULL) AS unlisted_cost
FROM usage_rows FINAL
WHERE NOT has((SELECT (sealed, summed, kept) FROM summed_days).2, toYYYYMMDD(started_at))
SETTINGS do_not_merge_across_partitions_select_final = 1;
