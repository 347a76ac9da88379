-- The schema of otel-usage, as `otel-usage schema show` prints it. `otel-usage schema apply` does the same.
-- By hand: clickhouse-client --database otel_usage --multiquery < schema.sql

-- Which migrations this database has. Written by `otel-usage schema apply`, and by this file.
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32,
    name String,
    checksum String COMMENT 'SHA-256 of the migration''s file: a file that was applied is never edited',
    applied_at DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY number;

-- One row per LLM call. Narrow and typed: no prompts, no completions, no maps.
--
-- Engine: ReplacingMergeTree keeps, of rows with an equal key, the one with the highest `version`;
-- every key column is a function of the call, so a retry lands on itself. Read it with FINAL.
-- Partition: a UTC day, the unit of sealing and of retention.
-- Key: tenant first (every query has one), then the account (invoices), the hour (time ranges),
-- and the call. A correction that would move a row writes a tombstone (`is_deleted`) and a new row.
CREATE TABLE IF NOT EXISTS usage
(
    tenant LowCardinality(String) COMMENT 'Owner of the API key the telemetry came with',
    account_id LowCardinality(String) COMMENT 'Who is billed; empty: nobody (context system)',
    started_at DateTime64(9, 'UTC') COMMENT 'Start of the call' CODEC(Delta, ZSTD(1)),
    call_id FixedString(16) COMMENT 'Identity of the call, the same on every retry' CODEC(NONE),
    version UInt64 COMMENT 'Which observation of the call wins: revision, rank, detail, tie-break',
    is_deleted UInt8 COMMENT '1: tombstone of a row that moved to another key',
    role LowCardinality(String) COMMENT 'inference (billable), rollup, duplicate',
    duplicate_of Nullable(FixedString(16)) COMMENT 'For duplicates: the call that is billed',
    signal LowCardinality(String) COMMENT 'span, log or record (REST)',
    trace_id FixedString(16) COMMENT 'All zero: none' CODEC(NONE),
    span_id FixedString(8) COMMENT 'All zero: none' CODEC(NONE),
    response_id String COMMENT 'The provider''s id of its answer',
    duration_ns UInt64,
    context LowCardinality(String) COMMENT 'customer or system',
    attribution LowCardinality(String) COMMENT 'Where the payer was found: span, resource, record, or unattributed',
    transaction_id String COMMENT 'The caller''s business id',
    usage_type LowCardinality(String) COMMENT 'text, embedding, audio_stt, audio_tts',
    operation LowCardinality(String) COMMENT 'gen_ai.operation.name',
    provider LowCardinality(String) COMMENT 'Who served the call, as the emitter names it',
    request_model LowCardinality(String),
    response_model LowCardinality(String),
    service_tier LowCardinality(String) COMMENT 'The tier the provider says it served',
    service_name LowCardinality(String),
    scope_name LowCardinality(String) COMMENT 'The emitter: instrumentation scope',
    scope_version LowCardinality(String),
    error_type LowCardinality(String) COMMENT 'Empty: the call did not fail',
    usage_status LowCardinality(String) COMMENT 'reported, missing or estimated',
    usage_convention LowCardinality(String) COMMENT 'What the emitter''s input count contains',
    convention_source LowCardinality(String) COMMENT 'How that was decided',
    input_tokens Nullable(UInt64) COMMENT 'Contains cache_read and cache_write',
    output_tokens Nullable(UInt64) COMMENT 'Contains reasoning',
    cache_read_tokens Nullable(UInt64),
    cache_write_tokens Nullable(UInt64) COMMENT 'Contains cache_write_1h',
    cache_write_1h_tokens Nullable(UInt64),
    reasoning_tokens Nullable(UInt64),
    input_audio_tokens Nullable(UInt64),
    cache_read_audio_tokens Nullable(UInt64),
    output_audio_tokens Nullable(UInt64),
    input_image_tokens Nullable(UInt64),
    output_image_tokens Nullable(UInt64),
    model_id LowCardinality(String) COMMENT 'The price book''s id of the model that answered; its raw name if unknown',
    list_cost Nullable(Decimal(38, 18)) COMMENT 'At the price book''s unit prices; NULL: unknown, see unpriced_reason',
    billed_cost Nullable(Decimal(38, 18)) COMMENT 'After overrides and markup; NULL: unknown',
    currency LowCardinality(String),
    unpriced_reason LowCardinality(String) COMMENT 'Empty if and only if the cost is known',
    price_book LowCardinality(String) COMMENT 'Version of the prices used',
    price_source LowCardinality(String),
    price_key LowCardinality(String) COMMENT 'provider/model in that source',
    match_rule LowCardinality(String) COMMENT 'How the model was found there',
    price_context LowCardinality(String) COMMENT 'Service tier and the like, as applied',
    price_tier UInt32 COMMENT 'Input tokens above which the applied prices hold; 0: base',
    CONSTRAINT context_is_known CHECK context IN ('customer', 'system'),
    CONSTRAINT cost_is_not_negative CHECK ifNull(billed_cost, 0) >= 0 AND ifNull(list_cost, 0) >= 0
)
ENGINE = ReplacingMergeTree(version, is_deleted)
PARTITION BY toYYYYMMDD(started_at)
ORDER BY (tenant, account_id, toStartOfHour(started_at), call_id)
-- fsync: the defaults survive a killed process, not a power cut; an acknowledged cent must survive both.
-- min_age_...: a finished day collapses to one part, where FINAL costs nothing.
-- min_bytes_for_wide_part: a part of less is one file, not one or more per column: a third off the cost of a commit
-- of 65,536 rows.
-- merge_selector_base: parts grow tenfold with each merge, not fivefold, so a row is merged less often. Merges cost
-- more than inserts: this takes a third off, for a few more parts to read.
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1,
    default_compression_codec = 'ZSTD(1)',
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    min_bytes_for_wide_part = 134217728, merge_selector_base = 10;

INSERT INTO schema_migrations (number, name, checksum) VALUES (1, 'usage', 'b9a2d3258020969981ae8e0b5c6f1451b9d60b8f0f613c5612ccf4edba43083d');

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

INSERT INTO schema_migrations (number, name, checksum) VALUES (2, 'resolution', 'c8e5c1aeec6153ca3090e0eafcf2dfc0cca6aa92d0939e43d0c5a8c0b6e5b75e');

-- Data points of metrics that count tokens. They check what was billed, and are never billed themselves.
--
-- Engine: an export that is repeated lands on the rows it wrote before. Read it with FINAL.
-- Key: the counter and the moment. Of two values of one counter at one moment the higher stays.
CREATE TABLE IF NOT EXISTS token_points
(
    tenant LowCardinality(String),
    service_name LowCardinality(String),
    scope_name LowCardinality(String) COMMENT 'The emitter: instrumentation scope',
    metric LowCardinality(String),
    model LowCardinality(String) COMMENT 'As the metric names it; empty: it names none',
    token_type LowCardinality(String) COMMENT 'input, uncached_input, cache_read, cache_write, output, visible_output, reasoning',
    temporality LowCardinality(String) COMMENT 'delta: each point counts anew; cumulative: each includes those before it',
    series UInt64 COMMENT 'One counter: resource, scope, metric and attributes',
    start_at DateTime64(9, 'UTC') COMMENT '1970: unknown' CODEC(Delta, ZSTD(1)),
    at DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    value UInt64 COMMENT 'Tokens' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(value)
PARTITION BY toYYYYMMDD(at)
ORDER BY (tenant, service_name, scope_name, metric, model, token_type, series, start_at, at)
TTL toDateTime(at) + INTERVAL 32 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)', ttl_only_drop_parts = 1;

INSERT INTO schema_migrations (number, name, checksum) VALUES (3, 'token_points', '41052120f22173e0fd77adb416f81b496b0952846aaaa2030b7dcea307cc2614');

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

INSERT INTO schema_migrations (number, name, checksum) VALUES (4, 'pricing', '24ee9f09c7fa01786f1f6c4aa3f0503932a62ac6bc43aa3ce33452cf94693b2b');
