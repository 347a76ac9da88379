-- What it takes to see that two rows are one call, and to whom a call in a trace belongs.
ALTER TABLE usage
    ADD COLUMN IF NOT EXISTS parent_span_id FixedString(8) COMMENT 'All zero: none' CODEC(NONE) AFTER span_id,
    ADD COLUMN IF NOT EXISTS region LowCardinality(String) COMMENT 'Where the provider served the call' AFTER service_tier,
    ADD COLUMN IF NOT EXISTS other_usage String COMMENT 'JSON: usage attributes that are not read, and their values' AFTER convention_source,
    ADD COLUMN IF NOT EXISTS writer LowCardinality(String) COMMENT 'Which process resolved the row when it came' AFTER other_usage,
    ADD COLUMN IF NOT EXISTS inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this version was written' CODEC(Delta, ZSTD(1)),
    -- What came lately is asked for every few seconds: parts of days past are not opened for it.
    ADD INDEX IF NOT EXISTS by_inserted_at inserted_at TYPE minmax GRANULARITY 1,
    MODIFY COLUMN version COMMENT 'Which observation of the call wins: status, detail, rank, payer, tie-break, revision',
    MODIFY COLUMN attribution COMMENT 'Where the payer was found: span, ancestor, trace, resource, record, or unattributed';

-- Who pays for what, as spans of a trace say, LLM calls or not: each distinct claim of a trace once, for calls
-- of the trace that come later, or by way of another process.
CREATE TABLE IF NOT EXISTS claims
(
    tenant LowCardinality(String),
    trace_id FixedString(16) CODEC(NONE),
    account_id LowCardinality(String),
    context LowCardinality(String),
    transaction_id String,
    writer LowCardinality(String),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toYYYYMMDD(inserted_at)
ORDER BY (tenant, trace_id, account_id, context, transaction_id, writer)
-- A trace whose spans are days apart is none that we wait for.
TTL toDateTime(inserted_at) + INTERVAL 7 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)', ttl_only_drop_parts = 1;
