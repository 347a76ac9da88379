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
