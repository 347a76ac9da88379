-- What a call is paid by beside tokens; how its price came about; and what prices there are.
ALTER TABLE usage
    ADD COLUMN IF NOT EXISTS input_audio_ns Nullable(UInt64) COMMENT 'Nanoseconds of audio heard' AFTER output_image_tokens,
    ADD COLUMN IF NOT EXISTS output_audio_ns Nullable(UInt64) COMMENT 'Nanoseconds of audio made' AFTER input_audio_ns,
    ADD COLUMN IF NOT EXISTS input_characters Nullable(UInt64) AFTER output_audio_ns,
    ADD COLUMN IF NOT EXISTS web_searches Nullable(UInt64) AFTER input_characters,
    ADD COLUMN IF NOT EXISTS rerank_searches Nullable(UInt64) AFTER web_searches,
    ADD COLUMN IF NOT EXISTS output_images Nullable(UInt64) COMMENT 'Images made' AFTER rerank_searches,
    ADD COLUMN IF NOT EXISTS effective_from LowCardinality(String) COMMENT 'Since when the applied prices hold; empty: not told' AFTER price_tier,
    ADD COLUMN IF NOT EXISTS unapplied_context LowCardinality(String) COMMENT 'Service tier and the like that there is no price for' AFTER effective_from,
    ADD COLUMN IF NOT EXISTS unpriced_units LowCardinality(String) COMMENT 'What was used and has no price, with commas' AFTER unapplied_context,
    ADD COLUMN IF NOT EXISTS unit_prices LowCardinality(String) COMMENT 'JSON: unit prices of list_cost' AFTER unpriced_units,
    ADD COLUMN IF NOT EXISTS billed_unit_prices LowCardinality(String) COMMENT 'JSON: unit prices of billed_cost' AFTER unit_prices,
    ADD COLUMN IF NOT EXISTS price_rule LowCardinality(String) COMMENT 'The override applied: id@revision' AFTER billed_unit_prices,
    ADD COLUMN IF NOT EXISTS price_run LowCardinality(String) COMMENT 'The repricing run that wrote this version; empty: priced as it came' AFTER price_rule,
    MODIFY COLUMN list_cost COMMENT 'At the price book''s unit prices; NULL: unknown, see unpriced_reason, or only a rule has a price',
    MODIFY COLUMN billed_cost COMMENT 'After price rules; NULL: unknown, see unpriced_reason';

-- Versions of usage rows that repricing or late telemetry replaced, as they were: what `asOf` answers from.
-- Engine: a version that is kept twice is one.
CREATE TABLE IF NOT EXISTS usage_history AS usage
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(started_at)
ORDER BY (tenant, account_id, toStartOfHour(started_at), call_id, version, inserted_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)';

-- Price books, each under the SHA-256 of its canonical JSON. Nothing here is ever changed or deleted.
CREATE TABLE IF NOT EXISTS price_books
(
    book_id String COMMENT 'SHA-256 of body, in hex',
    body String COMMENT 'The book: canonical JSON' CODEC(ZSTD(6)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY book_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What was done with price books: the last `in_force` names the one that prices.
CREATE TABLE IF NOT EXISTS price_book_events
(
    book_id String,
    event LowCardinality(String) COMMENT 'held, in_force',
    author String,
    reason String,
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Price rules: aliases, overrides, markups. A change is a new revision; the highest one of a rule is valid.
-- Key: two processes that change a rule at once both write its next revision; neither is lost, the later holds.
CREATE TABLE IF NOT EXISTS price_rules
(
    rule_id String,
    revision UInt32,
    is_revoked UInt8,
    tenant String,
    account_id String COMMENT 'Empty: every account of the tenant',
    provider String COMMENT 'Empty: every provider',
    model String COMMENT 'A model id, or a pattern with *',
    service_tier String COMMENT 'Empty: every tier',
    valid_from DateTime64(9, 'UTC'),
    valid_to DateTime64(9, 'UTC') COMMENT '2200-01-01: open',
    kind LowCardinality(String) COMMENT 'alias, prices, multiplier, free, reported',
    effect String COMMENT 'JSON: what it does',
    author String,
    reason String,
    created_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, rule_id, revision, created_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Repricing runs and how far they are: a run that was cut off goes on from its cursor.
CREATE TABLE IF NOT EXISTS reprice_runs
(
    run_id String,
    tenant String,
    step UInt32 COMMENT 'Counts up with each page; the highest is the state of the run',
    state LowCardinality(String) COMMENT 'running, done',
    request String COMMENT 'JSON: what is repriced',
    cursor String COMMENT 'JSON: the last key that is done',
    seen UInt64,
    changed UInt64,
    differences String COMMENT 'JSON: by account and model' CODEC(ZSTD(3)),
    author String,
    reason String,
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (tenant, run_id, step)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
