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
    attribution LowCardinality(String) COMMENT 'Where the payer was found: span, ancestor, trace, resource, record, or unattributed',
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

INSERT INTO schema_migrations (number, name, checksum) VALUES (1, 'usage', 'b8f41d4758a42991f3d88532ea10687195a14f2e28ac4ce1f058e3c18e6ae495');

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

INSERT INTO schema_migrations (number, name, checksum) VALUES (2, 'prices', '34887939e7f39c70f0dc14d936aa00c839607c784d5af5e84d4699ead7bc31c6');

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
    block Int64 COMMENT 'The mark: the highest block number of the day''s partition',
    blocks Int64 COMMENT 'The mark of a replicated table: how many blocks there were, too',
    kept UInt64 COMMENT '0: made of rows that are there; else which expiry kept it'
)
ENGINE = MergeTree
PARTITION BY (kept > 0, toYYYYMM(bucket))
ORDER BY (tenant, level, account_id, bucket, context, provider, model_id, usage_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)';

-- Days whose rows have expired: what is kept in `sealed_sums` is all that is left of them.
CREATE TABLE IF NOT EXISTS expired_days
(
    day Date,
    kept UInt64 COMMENT 'Which of the sums in sealed_sums hold',
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
    FROM expired_days
)
GROUP BY day;

-- The same as lists, in one row: what is read from where. `sealed` and `kept` from `sealed_sums`, and all that is not in
-- `summed` from `usage_rows`: so days of which nothing is known are read from their rows.
CREATE OR REPLACE VIEW summed_days AS
SELECT
    groupArrayIf(day, is_sealed AND NOT is_expired) AS sealed,
    groupArrayIf(day, is_sealed) AS summed,
    (SELECT groupArray(kept) FROM expired_days FINAL) AS kept
FROM usage_days;

-- Exact sums of the calls of UTC days, of sealed sums and of the rows of days that are not sealed. There may be many rows of
-- one day and model: sum them up. Which days are sealed is asked once in a query, so none is counted twice, or not at all.
CREATE OR REPLACE VIEW day_sums AS
SELECT
    tenant, toDate(bucket) AS day, role, context, usage_type, provider, model_id, request_model, response_model,
    usage_status, attribution, unpriced_reason, currency, calls, duration_ns, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens,
    cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns,
    output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost
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
    billed_cost
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
    billed_cost
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
    output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost
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
    input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost
FROM sealed_sums
WHERE level = 'account'
    AND if(kept = 0, has((SELECT (sealed, summed, kept) FROM summed_days).1, toYYYYMMDD(bucket)), has((SELECT (sealed, summed, kept) FROM summed_days).3, kept))
UNION ALL
SELECT
    tenant, account_id, toDate(started_at) AS day, role, context, usage_type, usage_status, attribution,
    unpriced_reason, currency, toUInt64(1) AS calls, duration_ns, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens,
    cache_read_audio_tokens, output_audio_tokens, input_image_tokens, output_image_tokens, input_audio_ns,
    output_audio_ns, input_characters, web_searches, rerank_searches, output_images, list_cost, billed_cost
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
    billed_cost
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
    billed_cost
FROM usage_rows FINAL
WHERE NOT has((SELECT (sealed, summed, kept) FROM summed_days).2, toYYYYMMDD(started_at))
SETTINGS do_not_merge_across_partitions_select_final = 1;

INSERT INTO schema_migrations (number, name, checksum) VALUES (3, 'sums', 'ec6d26e893b2121ed92a5f211e978250c458c9a71b2eec049b91c46aaecb9b79');
