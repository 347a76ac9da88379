-- One row per LLM call, in one or more versions. Narrow and typed: no prompts, no completions, no maps.
-- People and dashboards read the views `usage` and its kin, not this table.
--
-- Engine: of rows with an equal key the one with the highest `version` counts; every key column is a function of
-- the call, so a retry lands on itself, in whatever batch and order. Read it with FINAL.
-- Partition: a UTC day. It is what is sealed, what expires, and what FINAL merges by itself.
-- Key: tenant first (every query has one), then the account (invoices), the hour (time ranges, and a start that is
-- corrected by less stays in its place), and the call. A correction that would move a row writes a tombstone
-- (`is_deleted`) and a new row.
-- Codecs, by measurement: ids are random and stay as they are; T64 takes the bits that times do not use; GCD finds that costs
-- are multiples of a unit price, which halves them; all else repeats, and LowCardinality with ZSTD makes that small.
CREATE TABLE IF NOT EXISTS usage_rows
(
    tenant LowCardinality(String) COMMENT 'Owner of the API key the telemetry came with',
    account_id LowCardinality(String) COMMENT 'Who is billed; empty: nobody (context system)',
    started_at DateTime64(9, 'UTC') COMMENT 'Start of the call' CODEC(T64, ZSTD(1)),
    call_id FixedString(16) COMMENT 'Identity of the call, the same on every retry' CODEC(NONE),
    version UInt64 COMMENT 'Which observation of the call wins: status, detail, rank, payer, tie-break, revision',
    is_deleted UInt8 COMMENT '1: tombstone of a row that moved to another key',
    role LowCardinality(String) COMMENT 'inference (billable), rollup, duplicate',
    duplicate_of Nullable(FixedString(16)) COMMENT 'For duplicates: the call that is billed',
    signal LowCardinality(String) COMMENT 'span, log or record (REST)',
    trace_id FixedString(16) COMMENT 'All zero: none' CODEC(NONE),
    span_id FixedString(8) COMMENT 'All zero: none' CODEC(NONE),
    parent_span_id FixedString(8) COMMENT 'All zero: none, or forgotten' CODEC(NONE) TTL toDateTime(inserted_at) + INTERVAL 7 DAY,
    response_id String COMMENT 'The provider''s id of its answer',
    duration_ns UInt64 CODEC(T64, ZSTD(1)),
    context LowCardinality(String) COMMENT 'customer or system',
    attribution LowCardinality(String) COMMENT 'Where the payer was found: span, ancestor, duplicate, trace, resource, record, unattributed, or erased',
    transaction_id String COMMENT 'The caller''s business id',
    usage_type LowCardinality(String) COMMENT 'text, embedding, audio_stt, audio_tts',
    operation LowCardinality(String) COMMENT 'gen_ai.operation.name',
    provider LowCardinality(String) COMMENT 'Who served the call, as the emitter names it',
    request_model LowCardinality(String),
    response_model LowCardinality(String),
    service_tier LowCardinality(String) COMMENT 'The tier the provider says it served',
    region LowCardinality(String) COMMENT 'Where the provider served the call',
    service_name LowCardinality(String),
    scope_name LowCardinality(String) COMMENT 'The emitter: instrumentation scope',
    scope_version LowCardinality(String),
    error_type LowCardinality(String) COMMENT 'Empty: the call did not fail',
    usage_status LowCardinality(String) COMMENT 'reported, missing or estimated',
    usage_convention LowCardinality(String) COMMENT 'What the emitter''s input count contains',
    convention_source LowCardinality(String) COMMENT 'How that was decided',
    other_usage String COMMENT 'JSON: usage attributes that are not read, and their values',
    writer LowCardinality(String) COMMENT 'Which process resolved the row when it came',
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
    input_audio_ns Nullable(UInt64) COMMENT 'Nanoseconds of audio heard',
    output_audio_ns Nullable(UInt64) COMMENT 'Nanoseconds of audio made',
    input_characters Nullable(UInt64),
    web_searches Nullable(UInt64),
    rerank_searches Nullable(UInt64),
    output_images Nullable(UInt64) COMMENT 'Images made',
    model_id LowCardinality(String) COMMENT 'The price book''s id of the model that answered; its raw name if unknown',
    list_cost Nullable(Decimal(38, 18)) COMMENT 'At the price book''s unit prices; NULL: unknown, see unpriced_reason, or only a rule has a price' CODEC(GCD, ZSTD(1)),
    billed_cost Nullable(Decimal(38, 18)) COMMENT 'After price rules; NULL: unknown, see unpriced_reason' CODEC(GCD, ZSTD(1)),
    currency LowCardinality(String),
    unpriced_reason LowCardinality(String) COMMENT 'Empty if and only if the cost is known',
    price_book LowCardinality(String) COMMENT 'Version of the prices used',
    price_source LowCardinality(String),
    price_key LowCardinality(String) COMMENT 'provider/model in that source',
    match_rule LowCardinality(String) COMMENT 'How the model was found there',
    price_context LowCardinality(String) COMMENT 'Service tier and the like, as applied',
    price_tier UInt32 COMMENT 'Input tokens above which the applied prices hold; 0: base',
    effective_from LowCardinality(String) COMMENT 'Since when the applied prices hold; empty: not told',
    unapplied_context LowCardinality(String) COMMENT 'Service tier and the like that there is no price for',
    unpriced_units LowCardinality(String) COMMENT 'What was used and has no price, with commas',
    unit_prices LowCardinality(String) COMMENT 'JSON: unit prices of list_cost',
    billed_unit_prices LowCardinality(String) COMMENT 'JSON: unit prices of billed_cost',
    price_rule LowCardinality(String) COMMENT 'The override applied: id@revision',
    price_run LowCardinality(String) COMMENT 'The repricing run that wrote this version; empty: priced as it came',
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When this version was written' CODEC(Delta, ZSTD(1)),
    -- What came lately is asked for every few seconds: parts of days past are not opened for it.
    INDEX by_inserted_at inserted_at TYPE minmax GRANULARITY 1,
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

-- Versions of usage rows that repricing or late telemetry replaced, as they were: what `asOf` answers from.
-- Engine: a version that is kept twice is one.
CREATE TABLE IF NOT EXISTS usage_history AS usage_rows
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(started_at)
ORDER BY (tenant, account_id, toStartOfHour(started_at), call_id, version, inserted_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)';

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
