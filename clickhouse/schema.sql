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

INSERT INTO schema_migrations (number, name, checksum) VALUES (1, 'usage', 'd92aa99c8d633dc0e6ce4a5b94e00737d47b9591c57056c891b478f93a7b4dc7');

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

INSERT INTO schema_migrations (number, name, checksum) VALUES (3, 'sums', '6325b68cf37757c7b82a1e8745efddfb478798355955801ca8cdb261b3af7d32');

-- Views for people and dashboards. Names, types and order of their columns are stable: what is added, is added by a new
-- migration, and what is there keeps its meaning. What is beneath (tables, sums) may change.
-- Give the tenant, and the day; they choose what is read. All views are right at every moment, whatever is late or corrected.

-- One row per billable call, as it is known now: the last version of each inference, without calls that failed and used
-- nothing. For lists of calls, for what is asked by trace, transaction, service or price, and for times finer than a day.
--
-- `day` and `hour` choose partitions and parts, and all versions of a call share them. `started_at` must not: two versions of
-- a call may start at two moments of one hour, and a part without a start in the interval asked for would be passed over with
-- the newer version in it, and the older one shown. So it is an expression that no index knows: give the day or the hour too.
CREATE OR REPLACE VIEW usage AS
SELECT
    tenant, account_id, toDate(stored.started_at) AS day, toStartOfHour(stored.started_at) AS hour,
    greatest(stored.started_at, toDateTime64(0, 9, 'UTC')) AS started_at, duration_ns,
    lower(hex(stored.call_id)) AS call_id,
    if(stored.trace_id = toFixedString('', 16), '', lower(hex(stored.trace_id))) AS trace_id,
    if(stored.span_id = toFixedString('', 8), '', lower(hex(stored.span_id))) AS span_id,
    context, transaction_id, attribution, service_name, provider, model_id, request_model, response_model,
    usage_type, operation, service_tier, region,
    error_type, usage_status,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens,
    reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens,
    output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches,
    output_images,
    list_cost, billed_cost, currency, unpriced_reason, unpriced_units,
    price_book, price_source, price_key, match_rule, price_context, price_tier, effective_from,
    unapplied_context, unit_prices, billed_unit_prices, price_rule, price_run,
    signal, scope_name, scope_version, usage_convention, convention_source, other_usage, response_id,
    version, inserted_at
FROM usage_rows AS stored FINAL
WHERE role = 'inference' AND unpriced_reason != 'call_failed'
SETTINGS do_not_merge_across_partitions_select_final = 1;

ALTER TABLE usage
    MODIFY COMMENT 'Billable calls as they are known now, a row each. Give tenant and day, or hour: started_at alone reads everything',
    COMMENT COLUMN tenant 'Owner of the API key the telemetry came with',
    COMMENT COLUMN account_id 'Who is billed; empty: nobody (context system)',
    COMMENT COLUMN day 'UTC day of the start: asked for, it chooses what is read',
    COMMENT COLUMN hour 'UTC hour of the start: asked for, it chooses what is read',
    COMMENT COLUMN started_at 'Start of the call: give the day or hour too, this alone chooses nothing',
    COMMENT COLUMN duration_ns 'How long the call took, in nanoseconds',
    COMMENT COLUMN call_id 'Identity of the call, in hex, the same on every retry; with usage_ before it: its id in the API',
    COMMENT COLUMN trace_id 'In hex, as tracing backends show it; empty: none',
    COMMENT COLUMN span_id 'In hex, as tracing backends show it; empty: none',
    COMMENT COLUMN context 'customer or system',
    COMMENT COLUMN transaction_id 'The caller''s business id; empty: none',
    COMMENT COLUMN attribution 'Where the payer was found: span, ancestor, duplicate, trace, resource, record, unattributed, or erased',
    COMMENT COLUMN service_name 'The service that made the call',
    COMMENT COLUMN provider 'Who served the call, as the emitter names it',
    COMMENT COLUMN model_id 'The price book''s id of the model that answered; its raw name if unknown',
    COMMENT COLUMN request_model 'The model asked for',
    COMMENT COLUMN response_model 'The model that answered, as the provider names it',
    COMMENT COLUMN usage_type 'text, embedding, audio_stt, audio_tts',
    COMMENT COLUMN operation 'gen_ai.operation.name',
    COMMENT COLUMN service_tier 'The tier the provider says it served; empty: not told',
    COMMENT COLUMN region 'Where the provider served the call; empty: not told',
    COMMENT COLUMN error_type 'Empty: the call did not fail',
    COMMENT COLUMN usage_status 'reported, estimated (by the emitter, not billed) or missing',
    COMMENT COLUMN input_tokens 'Contains cache_read and cache_write; NULL: not known',
    COMMENT COLUMN output_tokens 'Contains reasoning; NULL: not known',
    COMMENT COLUMN cache_read_tokens 'Part of input_tokens',
    COMMENT COLUMN cache_write_tokens 'Part of input_tokens; contains cache_write_1h',
    COMMENT COLUMN cache_write_1h_tokens 'Part of cache_write_tokens',
    COMMENT COLUMN reasoning_tokens 'Part of output_tokens',
    COMMENT COLUMN input_audio_tokens 'Part of input_tokens',
    COMMENT COLUMN cache_read_audio_tokens 'Part of cache_read_tokens',
    COMMENT COLUMN output_audio_tokens 'Part of output_tokens',
    COMMENT COLUMN input_image_tokens 'Part of input_tokens',
    COMMENT COLUMN output_image_tokens 'Part of output_tokens',
    COMMENT COLUMN input_audio_ns 'Audio heard, in nanoseconds',
    COMMENT COLUMN output_audio_ns 'Audio made, in nanoseconds',
    COMMENT COLUMN input_characters 'Characters read',
    COMMENT COLUMN web_searches 'Searches of the web',
    COMMENT COLUMN rerank_searches 'Searches that were reranked',
    COMMENT COLUMN output_images 'Images made',
    COMMENT COLUMN list_cost 'At the price book''s unit prices; NULL: not known, or only a price rule has a price',
    COMMENT COLUMN billed_cost 'After price rules; NULL: not known, see unpriced_reason',
    COMMENT COLUMN currency 'Of both costs',
    COMMENT COLUMN unpriced_reason 'Why billed_cost is not known; empty if and only if it is',
    COMMENT COLUMN unpriced_units 'What was used and has no price, with commas',
    COMMENT COLUMN price_book 'Version of the prices used',
    COMMENT COLUMN price_source 'The source in that book',
    COMMENT COLUMN price_key 'provider/model in that source',
    COMMENT COLUMN match_rule 'How the model was found there',
    COMMENT COLUMN price_context 'Service tier and the like, as applied',
    COMMENT COLUMN price_tier 'Input tokens above which the applied prices hold; 0: base',
    COMMENT COLUMN effective_from 'Since when the applied prices hold; empty: not told',
    COMMENT COLUMN unapplied_context 'Service tier and the like that there is no price for',
    COMMENT COLUMN unit_prices 'JSON: unit prices of list_cost',
    COMMENT COLUMN billed_unit_prices 'JSON: unit prices of billed_cost',
    COMMENT COLUMN price_rule 'The price rule applied: id@revision',
    COMMENT COLUMN price_run 'The repricing run that wrote this version; empty: priced as it came',
    COMMENT COLUMN signal 'span, log or record (REST)',
    COMMENT COLUMN scope_name 'The emitter: instrumentation scope',
    COMMENT COLUMN scope_version 'Version of the emitter',
    COMMENT COLUMN usage_convention 'What the emitter''s input count contains',
    COMMENT COLUMN convention_source 'How that was decided',
    COMMENT COLUMN other_usage 'JSON: usage attributes that are not read, and their values',
    COMMENT COLUMN response_id 'The provider''s id of its answer',
    COMMENT COLUMN version 'Which observation of the call won',
    COMMENT COLUMN inserted_at 'When this version was written';

-- One row per observation, as it is known now: billable calls, and what is not billed, by `role` and `unpriced_reason`.
-- Never add up costs over roles: a duplicate has the cost that it would have had. As with `usage`: give the day or the hour.
CREATE OR REPLACE VIEW usage_observations AS
SELECT
    tenant, account_id, toDate(stored.started_at) AS day, toStartOfHour(stored.started_at) AS hour,
    greatest(stored.started_at, toDateTime64(0, 9, 'UTC')) AS started_at, duration_ns,
    lower(hex(stored.call_id)) AS call_id,
    if(stored.trace_id = toFixedString('', 16), '', lower(hex(stored.trace_id))) AS trace_id,
    if(stored.span_id = toFixedString('', 8), '', lower(hex(stored.span_id))) AS span_id,
    if(stored.parent_span_id = toFixedString('', 8), '', lower(hex(stored.parent_span_id))) AS parent_span_id,
    role, ifNull(lower(hex(stored.duplicate_of)), '') AS duplicate_of,
    context, transaction_id, attribution, service_name, provider, model_id, request_model, response_model,
    usage_type, operation, service_tier, region,
    error_type, usage_status,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens,
    reasoning_tokens, input_audio_tokens, cache_read_audio_tokens, output_audio_tokens, input_image_tokens,
    output_image_tokens, input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches,
    output_images,
    list_cost, billed_cost, currency, unpriced_reason, unpriced_units,
    price_book, price_source, price_key, match_rule, price_context, price_tier, effective_from,
    unapplied_context, unit_prices, billed_unit_prices, price_rule, price_run,
    signal, scope_name, scope_version, usage_convention, convention_source, other_usage, response_id,
    version, inserted_at
FROM usage_rows AS stored FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

ALTER TABLE usage_observations
    MODIFY COMMENT 'Billable calls, roll-ups, duplicates and failed calls, a row each. Never add up costs over roles',
    COMMENT COLUMN tenant 'Owner of the API key the telemetry came with',
    COMMENT COLUMN account_id 'Who is billed; empty: nobody (context system)',
    COMMENT COLUMN day 'UTC day of the start: asked for, it chooses what is read',
    COMMENT COLUMN hour 'UTC hour of the start: asked for, it chooses what is read',
    COMMENT COLUMN started_at 'Start of the call: give the day or hour too, this alone chooses nothing',
    COMMENT COLUMN duration_ns 'How long the call took, in nanoseconds',
    COMMENT COLUMN call_id 'Identity of the call, in hex, the same on every retry; with usage_ before it: its id in the API',
    COMMENT COLUMN trace_id 'In hex, as tracing backends show it; empty: none',
    COMMENT COLUMN span_id 'In hex, as tracing backends show it; empty: none',
    COMMENT COLUMN parent_span_id 'In hex; empty: none, or forgotten (after 7 days)',
    COMMENT COLUMN role 'inference, rollup (sums up other calls) or duplicate (another row is billed for the call)',
    COMMENT COLUMN duplicate_of 'call_id of the call that is billed for this one, in hex; empty: none',
    COMMENT COLUMN context 'customer or system',
    COMMENT COLUMN transaction_id 'The caller''s business id; empty: none',
    COMMENT COLUMN attribution 'Where the payer was found: span, ancestor, duplicate, trace, resource, record, unattributed, or erased',
    COMMENT COLUMN service_name 'The service that made the call',
    COMMENT COLUMN provider 'Who served the call, as the emitter names it',
    COMMENT COLUMN model_id 'The price book''s id of the model that answered; its raw name if unknown',
    COMMENT COLUMN request_model 'The model asked for',
    COMMENT COLUMN response_model 'The model that answered, as the provider names it',
    COMMENT COLUMN usage_type 'text, embedding, audio_stt, audio_tts',
    COMMENT COLUMN operation 'gen_ai.operation.name',
    COMMENT COLUMN service_tier 'The tier the provider says it served; empty: not told',
    COMMENT COLUMN region 'Where the provider served the call; empty: not told',
    COMMENT COLUMN error_type 'Empty: the call did not fail',
    COMMENT COLUMN usage_status 'reported, estimated (by the emitter, not billed) or missing',
    COMMENT COLUMN input_tokens 'Contains cache_read and cache_write; NULL: not known',
    COMMENT COLUMN output_tokens 'Contains reasoning; NULL: not known',
    COMMENT COLUMN cache_read_tokens 'Part of input_tokens',
    COMMENT COLUMN cache_write_tokens 'Part of input_tokens; contains cache_write_1h',
    COMMENT COLUMN cache_write_1h_tokens 'Part of cache_write_tokens',
    COMMENT COLUMN reasoning_tokens 'Part of output_tokens',
    COMMENT COLUMN input_audio_tokens 'Part of input_tokens',
    COMMENT COLUMN cache_read_audio_tokens 'Part of cache_read_tokens',
    COMMENT COLUMN output_audio_tokens 'Part of output_tokens',
    COMMENT COLUMN input_image_tokens 'Part of input_tokens',
    COMMENT COLUMN output_image_tokens 'Part of output_tokens',
    COMMENT COLUMN input_audio_ns 'Audio heard, in nanoseconds',
    COMMENT COLUMN output_audio_ns 'Audio made, in nanoseconds',
    COMMENT COLUMN input_characters 'Characters read',
    COMMENT COLUMN web_searches 'Searches of the web',
    COMMENT COLUMN rerank_searches 'Searches that were reranked',
    COMMENT COLUMN output_images 'Images made',
    COMMENT COLUMN list_cost 'At the price book''s unit prices; NULL: not known, or only a price rule has a price',
    COMMENT COLUMN billed_cost 'After price rules; NULL: not known, see unpriced_reason',
    COMMENT COLUMN currency 'Of both costs',
    COMMENT COLUMN unpriced_reason 'Why billed_cost is not known; empty if and only if it is',
    COMMENT COLUMN unpriced_units 'What was used and has no price, with commas',
    COMMENT COLUMN price_book 'Version of the prices used',
    COMMENT COLUMN price_source 'The source in that book',
    COMMENT COLUMN price_key 'provider/model in that source',
    COMMENT COLUMN match_rule 'How the model was found there',
    COMMENT COLUMN price_context 'Service tier and the like, as applied',
    COMMENT COLUMN price_tier 'Input tokens above which the applied prices hold; 0: base',
    COMMENT COLUMN effective_from 'Since when the applied prices hold; empty: not told',
    COMMENT COLUMN unapplied_context 'Service tier and the like that there is no price for',
    COMMENT COLUMN unit_prices 'JSON: unit prices of list_cost',
    COMMENT COLUMN billed_unit_prices 'JSON: unit prices of billed_cost',
    COMMENT COLUMN price_rule 'The price rule applied: id@revision',
    COMMENT COLUMN price_run 'The repricing run that wrote this version; empty: priced as it came',
    COMMENT COLUMN signal 'span, log or record (REST)',
    COMMENT COLUMN scope_name 'The emitter: instrumentation scope',
    COMMENT COLUMN scope_version 'Version of the emitter',
    COMMENT COLUMN usage_convention 'What the emitter''s input count contains',
    COMMENT COLUMN convention_source 'How that was decided',
    COMMENT COLUMN other_usage 'JSON: usage attributes that are not read, and their values',
    COMMENT COLUMN response_id 'The provider''s id of its answer',
    COMMENT COLUMN version 'Which observation of the call won',
    COMMENT COLUMN inserted_at 'When this version was written';

-- Sums of billable calls by UTC day, context, model, provider and what is known of them. For charts of months, in milliseconds.
--
-- A cost that is not known is NULL, in a row of its own with its reason; so add up `unpriced_calls`, `missing_calls` and
-- `estimated_calls` beside `billed_cost`: where they are not 0, the sum lacks something.
CREATE OR REPLACE VIEW usage_daily AS
SELECT
    tenant, day, context, usage_type, provider, model_id, usage_status, attribution, unpriced_reason,
    currency,
    sum(sums.calls) AS calls,
    sumIf(sums.calls, unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')) AS unpriced_calls,
    sumIf(sums.calls, usage_status = 'missing') AS missing_calls,
    sumIf(sums.calls, usage_status = 'estimated') AS estimated_calls,
    toUInt8(unpriced_reason = '' AND usage_status = 'reported') AS complete,
    sum(sums.duration_ns) AS duration_ns,
    sum(sums.input_tokens) AS input_tokens,
    sum(sums.output_tokens) AS output_tokens,
    sum(sums.cache_read_tokens) AS cache_read_tokens,
    sum(sums.cache_write_tokens) AS cache_write_tokens,
    sum(sums.cache_write_1h_tokens) AS cache_write_1h_tokens,
    sum(sums.reasoning_tokens) AS reasoning_tokens,
    sum(sums.input_audio_tokens) AS input_audio_tokens,
    sum(sums.cache_read_audio_tokens) AS cache_read_audio_tokens,
    sum(sums.output_audio_tokens) AS output_audio_tokens,
    sum(sums.input_image_tokens) AS input_image_tokens,
    sum(sums.output_image_tokens) AS output_image_tokens,
    sum(sums.input_audio_ns) AS input_audio_ns,
    sum(sums.output_audio_ns) AS output_audio_ns,
    sum(sums.input_characters) AS input_characters,
    sum(sums.web_searches) AS web_searches,
    sum(sums.rerank_searches) AS rerank_searches,
    sum(sums.output_images) AS output_images,
    sum(sums.list_cost) AS list_cost,
    sum(sums.billed_cost) AS billed_cost
FROM day_sums AS sums
WHERE role = 'inference' AND unpriced_reason != 'call_failed'
GROUP BY
    tenant, day, context, usage_type, provider, model_id, usage_status, attribution, unpriced_reason,
    currency;

ALTER TABLE usage_daily
    MODIFY COMMENT 'Sums of billable calls by UTC day, context, model and provider. Of all calls only where sum(unpriced_calls + missing_calls + estimated_calls) = 0',
    COMMENT COLUMN tenant 'Owner of the API key the telemetry came with',
    COMMENT COLUMN day 'UTC day on which the calls started',
    COMMENT COLUMN context 'customer or system',
    COMMENT COLUMN usage_type 'text, embedding, audio_stt, audio_tts',
    COMMENT COLUMN provider 'Who served the call, as the emitter names it',
    COMMENT COLUMN model_id 'The price book''s id of the model that answered; its raw name if unknown',
    COMMENT COLUMN usage_status 'reported, estimated (by the emitter, not billed) or missing',
    COMMENT COLUMN attribution 'Where the payer was found: span, ancestor, duplicate, trace, resource, record, unattributed, or erased',
    COMMENT COLUMN unpriced_reason 'Why billed_cost is not known; empty if and only if it is',
    COMMENT COLUMN currency 'Of both costs',
    COMMENT COLUMN calls 'How many calls the row sums up',
    COMMENT COLUMN unpriced_calls 'Those whose usage is known and whose cost is not: billed_cost lacks them',
    COMMENT COLUMN missing_calls 'Those whose usage is not known: tokens and billed_cost lack them',
    COMMENT COLUMN estimated_calls 'Those whose usage their emitter made up: no cost is worked out from that',
    COMMENT COLUMN complete '1: usage and cost of the calls of the row are known; 0: something is not',
    COMMENT COLUMN duration_ns 'How long the calls took, added up, in nanoseconds',
    COMMENT COLUMN input_tokens 'Contains cache_read and cache_write; NULL: not known',
    COMMENT COLUMN output_tokens 'Contains reasoning; NULL: not known',
    COMMENT COLUMN cache_read_tokens 'Part of input_tokens',
    COMMENT COLUMN cache_write_tokens 'Part of input_tokens; contains cache_write_1h',
    COMMENT COLUMN cache_write_1h_tokens 'Part of cache_write_tokens',
    COMMENT COLUMN reasoning_tokens 'Part of output_tokens',
    COMMENT COLUMN input_audio_tokens 'Part of input_tokens',
    COMMENT COLUMN cache_read_audio_tokens 'Part of cache_read_tokens',
    COMMENT COLUMN output_audio_tokens 'Part of output_tokens',
    COMMENT COLUMN input_image_tokens 'Part of input_tokens',
    COMMENT COLUMN output_image_tokens 'Part of output_tokens',
    COMMENT COLUMN input_audio_ns 'Audio heard, in nanoseconds',
    COMMENT COLUMN output_audio_ns 'Audio made, in nanoseconds',
    COMMENT COLUMN input_characters 'Characters read',
    COMMENT COLUMN web_searches 'Searches of the web',
    COMMENT COLUMN rerank_searches 'Searches that were reranked',
    COMMENT COLUMN output_images 'Images made',
    COMMENT COLUMN list_cost 'Of the calls that have one; NULL: none has',
    COMMENT COLUMN billed_cost 'NULL: not known, see unpriced_reason';

-- The same by account as well. For bills, budgets and shares of accounts.
CREATE OR REPLACE VIEW usage_by_account_daily AS
SELECT
    tenant, account_id, day, context, usage_type, provider, model_id, usage_status, attribution,
    unpriced_reason, currency,
    sum(sums.calls) AS calls,
    sumIf(sums.calls, unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')) AS unpriced_calls,
    sumIf(sums.calls, usage_status = 'missing') AS missing_calls,
    sumIf(sums.calls, usage_status = 'estimated') AS estimated_calls,
    toUInt8(unpriced_reason = '' AND usage_status = 'reported') AS complete,
    sum(sums.duration_ns) AS duration_ns,
    sum(sums.input_tokens) AS input_tokens,
    sum(sums.output_tokens) AS output_tokens,
    sum(sums.cache_read_tokens) AS cache_read_tokens,
    sum(sums.cache_write_tokens) AS cache_write_tokens,
    sum(sums.cache_write_1h_tokens) AS cache_write_1h_tokens,
    sum(sums.reasoning_tokens) AS reasoning_tokens,
    sum(sums.input_audio_tokens) AS input_audio_tokens,
    sum(sums.cache_read_audio_tokens) AS cache_read_audio_tokens,
    sum(sums.output_audio_tokens) AS output_audio_tokens,
    sum(sums.input_image_tokens) AS input_image_tokens,
    sum(sums.output_image_tokens) AS output_image_tokens,
    sum(sums.input_audio_ns) AS input_audio_ns,
    sum(sums.output_audio_ns) AS output_audio_ns,
    sum(sums.input_characters) AS input_characters,
    sum(sums.web_searches) AS web_searches,
    sum(sums.rerank_searches) AS rerank_searches,
    sum(sums.output_images) AS output_images,
    sum(sums.list_cost) AS list_cost,
    sum(sums.billed_cost) AS billed_cost
FROM account_model_sums AS sums
WHERE role = 'inference' AND unpriced_reason != 'call_failed'
GROUP BY
    tenant, account_id, day, context, usage_type, provider, model_id, usage_status, attribution,
    unpriced_reason, currency;

ALTER TABLE usage_by_account_daily
    MODIFY COMMENT 'Sums of billable calls by account, UTC day, context, model and provider. Of all calls only where sum(unpriced_calls + missing_calls + estimated_calls) = 0',
    COMMENT COLUMN tenant 'Owner of the API key the telemetry came with',
    COMMENT COLUMN account_id 'Who is billed; empty: nobody (context system)',
    COMMENT COLUMN day 'UTC day on which the calls started',
    COMMENT COLUMN context 'customer or system',
    COMMENT COLUMN usage_type 'text, embedding, audio_stt, audio_tts',
    COMMENT COLUMN provider 'Who served the call, as the emitter names it',
    COMMENT COLUMN model_id 'The price book''s id of the model that answered; its raw name if unknown',
    COMMENT COLUMN usage_status 'reported, estimated (by the emitter, not billed) or missing',
    COMMENT COLUMN attribution 'Where the payer was found: span, ancestor, duplicate, trace, resource, record, unattributed, or erased',
    COMMENT COLUMN unpriced_reason 'Why billed_cost is not known; empty if and only if it is',
    COMMENT COLUMN currency 'Of both costs',
    COMMENT COLUMN calls 'How many calls the row sums up',
    COMMENT COLUMN unpriced_calls 'Those whose usage is known and whose cost is not: billed_cost lacks them',
    COMMENT COLUMN missing_calls 'Those whose usage is not known: tokens and billed_cost lack them',
    COMMENT COLUMN estimated_calls 'Those whose usage their emitter made up: no cost is worked out from that',
    COMMENT COLUMN complete '1: usage and cost of the calls of the row are known; 0: something is not',
    COMMENT COLUMN duration_ns 'How long the calls took, added up, in nanoseconds',
    COMMENT COLUMN input_tokens 'Contains cache_read and cache_write; NULL: not known',
    COMMENT COLUMN output_tokens 'Contains reasoning; NULL: not known',
    COMMENT COLUMN cache_read_tokens 'Part of input_tokens',
    COMMENT COLUMN cache_write_tokens 'Part of input_tokens; contains cache_write_1h',
    COMMENT COLUMN cache_write_1h_tokens 'Part of cache_write_tokens',
    COMMENT COLUMN reasoning_tokens 'Part of output_tokens',
    COMMENT COLUMN input_audio_tokens 'Part of input_tokens',
    COMMENT COLUMN cache_read_audio_tokens 'Part of cache_read_tokens',
    COMMENT COLUMN output_audio_tokens 'Part of output_tokens',
    COMMENT COLUMN input_image_tokens 'Part of input_tokens',
    COMMENT COLUMN output_image_tokens 'Part of output_tokens',
    COMMENT COLUMN input_audio_ns 'Audio heard, in nanoseconds',
    COMMENT COLUMN output_audio_ns 'Audio made, in nanoseconds',
    COMMENT COLUMN input_characters 'Characters read',
    COMMENT COLUMN web_searches 'Searches of the web',
    COMMENT COLUMN rerank_searches 'Searches that were reranked',
    COMMENT COLUMN output_images 'Images made',
    COMMENT COLUMN list_cost 'Of the calls that have one; NULL: none has',
    COMMENT COLUMN billed_cost 'NULL: not known, see unpriced_reason';

-- Cost and usage in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification): a row per UTC day, account, provider,
-- model, usage type and context. For FinOps tools, which read it as they read the bill of a cloud.
--
-- FOCUS knows no unknown cost. Calls without one are not in here; recipe 10 lists those to work on, `usage_daily` counts all. The
-- sum of BilledCost is that of `usage` and of `usage_daily`, to the last digit.
-- There are no unit prices and no SkuPriceId: the tokens of a row have several prices. They are in `usage.unit_prices`.
CREATE OR REPLACE VIEW focus_usage AS
SELECT
    tenant AS BillingAccountId,
    tenant AS BillingAccountName,
    'Tenant' AS BillingAccountType,
    nullIf(CAST(account_id, 'String'), '') AS SubAccountId,
    SubAccountId AS SubAccountName,
    if(account_id = '', NULL, 'Account') AS SubAccountType,
    CAST(toStartOfMonth(day), 'DateTime(\'UTC\')') AS BillingPeriodStart,
    CAST(toStartOfMonth(day) + INTERVAL 1 MONTH, 'DateTime(\'UTC\')') AS BillingPeriodEnd,
    CAST(day, 'DateTime(\'UTC\')') AS ChargePeriodStart,
    CAST(day + 1, 'DateTime(\'UTC\')') AS ChargePeriodEnd,
    'Usage' AS ChargeCategory,
    CAST(NULL, 'Nullable(String)') AS ChargeClass,
    'Usage-Based' AS ChargeFrequency,
    concat(ProviderName, ' ', model_id, ' (', usage_type, '), context ', context) AS ChargeDescription,
    if(provider = '', 'Unknown', CAST(provider, 'String')) AS ProviderName,
    ProviderName AS PublisherName,
    ProviderName AS InvoiceIssuerName,
    'AI and Machine Learning' AS ServiceCategory,
    'Generative AI' AS ServiceSubcategory,
    ProviderName AS ServiceName,
    CAST(NULL, 'Nullable(String)') AS ResourceId,
    concat(ProviderName, '/', model_id, '/', usage_type) AS SkuId,
    CAST(usage_type, 'String') AS SkuMeter,
    'Standard' AS PricingCategory,
    ConsumedQuantity AS PricingQuantity,
    ConsumedUnit AS PricingUnit,
    multiIf(
        tokens > 0, toDecimal128(tokens, 9),
        characters > 0, toDecimal128(characters, 9),
        audio_ns > 0, toDecimal128(audio_ns, 9) / 1000000000,
        images > 0, toDecimal128(images, 9),
        searches > 0, toDecimal128(searches, 9),
        toDecimal128(calls, 9)) AS ConsumedQuantity,
    multiIf(
        tokens > 0, 'Tokens', characters > 0, 'Characters', audio_ns > 0, 'Seconds',
        images > 0, 'Images', searches > 0, 'Searches', 'Requests') AS ConsumedUnit,
    CAST(currency, 'String') AS BillingCurrency,
    assumeNotNull(billed_cost) AS BilledCost,
    BilledCost AS EffectiveCost,
    BilledCost AS ContractedCost,
    ifNull(list_cost, 0) + ifNull(unlisted_cost, 0) AS ListCost,
    toJSONString(map('context', context, 'model_id', model_id, 'usage_type', usage_type)) AS Tags,
    context AS x_Context,
    model_id AS x_ModelId,
    usage_type AS x_UsageType,
    calls AS x_Calls,
    input_tokens AS x_InputTokens,
    output_tokens AS x_OutputTokens,
    cache_read_tokens AS x_CacheReadTokens,
    cache_write_tokens AS x_CacheWriteTokens,
    reasoning_tokens AS x_ReasoningTokens
FROM
(
    SELECT
        tenant, account_id, day, provider, model_id, usage_type, context, currency,
        sum(sums.calls) AS calls,
        sum(sums.input_tokens) AS input_tokens,
        sum(sums.output_tokens) AS output_tokens,
        sum(sums.cache_read_tokens) AS cache_read_tokens,
        sum(sums.cache_write_tokens) AS cache_write_tokens,
        sum(sums.reasoning_tokens) AS reasoning_tokens,
        ifNull(input_tokens, 0) + ifNull(output_tokens, 0) AS tokens,
        ifNull(sum(sums.input_characters), 0) AS characters,
        ifNull(sum(sums.input_audio_ns), 0) + ifNull(sum(sums.output_audio_ns), 0) AS audio_ns,
        ifNull(sum(sums.output_images), 0) AS images,
        ifNull(sum(sums.web_searches), 0) + ifNull(sum(sums.rerank_searches), 0) AS searches,
        sum(sums.list_cost) AS list_cost,
        sum(sums.billed_cost) AS billed_cost,
        sum(sums.unlisted_cost) AS unlisted_cost
    FROM account_model_sums AS sums
    WHERE role = 'inference' AND unpriced_reason = ''
    GROUP BY tenant, account_id, day, provider, model_id, usage_type, context, currency
);

ALTER TABLE focus_usage
    MODIFY COMMENT 'Cost and usage by UTC day, account and SKU in the columns of FOCUS 1.2. Calls without a cost are not in it',
    COMMENT COLUMN BillingAccountId 'The tenant',
    COMMENT COLUMN BillingAccountName 'The tenant',
    COMMENT COLUMN BillingAccountType 'Always Tenant',
    COMMENT COLUMN SubAccountId 'The account that is billed; NULL: nobody (context system)',
    COMMENT COLUMN SubAccountName 'The same',
    COMMENT COLUMN SubAccountType 'Account; NULL where there is none',
    COMMENT COLUMN BillingPeriodStart 'Start of the calendar month, in UTC',
    COMMENT COLUMN BillingPeriodEnd 'Its end, which is not in it',
    COMMENT COLUMN ChargePeriodStart 'Start of the UTC day of the calls',
    COMMENT COLUMN ChargePeriodEnd 'Its end, which is not in it',
    COMMENT COLUMN ChargeCategory 'Always Usage',
    COMMENT COLUMN ChargeClass 'Always NULL: a correction is in the day of its calls',
    COMMENT COLUMN ChargeFrequency 'Always Usage-Based',
    COMMENT COLUMN ChargeDescription 'Provider, model, usage type and context',
    COMMENT COLUMN ProviderName 'Who served the calls; Unknown: the emitter does not tell',
    COMMENT COLUMN PublisherName 'The same',
    COMMENT COLUMN InvoiceIssuerName 'The same: the one whose list prices ListCost is of',
    COMMENT COLUMN ServiceCategory 'Always AI and Machine Learning',
    COMMENT COLUMN ServiceSubcategory 'Always Generative AI',
    COMMENT COLUMN ServiceName 'The provider: its API is the service',
    COMMENT COLUMN ResourceId 'Always NULL: a call is of no resource',
    COMMENT COLUMN SkuId 'provider/model/usage type',
    COMMENT COLUMN SkuMeter 'The usage type: text, embedding, audio_stt, audio_tts',
    COMMENT COLUMN PricingCategory 'Always Standard',
    COMMENT COLUMN PricingQuantity 'The same as ConsumedQuantity',
    COMMENT COLUMN PricingUnit 'The same as ConsumedUnit',
    COMMENT COLUMN ConsumedQuantity 'How much was used, in ConsumedUnit',
    COMMENT COLUMN ConsumedUnit 'Tokens (input and output); of calls that tell none: Characters, Seconds (of audio), Images, Searches, else Requests',
    COMMENT COLUMN BillingCurrency 'Of all costs',
    COMMENT COLUMN BilledCost 'billed_cost: after price rules',
    COMMENT COLUMN EffectiveCost 'The same: nothing is amortized',
    COMMENT COLUMN ContractedCost 'The same: price rules are what was agreed on',
    COMMENT COLUMN ListCost 'list_cost of the calls that have one, and billed_cost of the others: only a price rule has a price for them',
    COMMENT COLUMN Tags 'JSON: context, model_id, usage_type',
    COMMENT COLUMN x_Context 'customer or system',
    COMMENT COLUMN x_ModelId 'The price book''s id of the model that answered',
    COMMENT COLUMN x_UsageType 'text, embedding, audio_stt, audio_tts',
    COMMENT COLUMN x_Calls 'How many calls the row sums up',
    COMMENT COLUMN x_InputTokens 'Contains those of the cache; NULL: not known',
    COMMENT COLUMN x_OutputTokens 'Contains reasoning; NULL: not known',
    COMMENT COLUMN x_CacheReadTokens 'Part of x_InputTokens',
    COMMENT COLUMN x_CacheWriteTokens 'Part of x_InputTokens',
    COMMENT COLUMN x_ReasoningTokens 'Part of x_OutputTokens';

INSERT INTO schema_migrations (number, name, checksum) VALUES (4, 'views', '407d89cb0909cef1ef709d92d39bfc0222e4edfc2cd512a2181b50184554c763');

-- How long usage rows are kept, as it was decided: the last row holds. `otel-usage schema apply --ttl` writes it.
-- It is no TTL of ClickHouse: rows go only when their day is sealed, and its sums stay.
CREATE TABLE IF NOT EXISTS retention
(
    days Nullable(UInt32) COMMENT 'Whole UTC days that rows are kept after their own; NULL: for good',
    author String,
    at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

INSERT INTO schema_migrations (number, name, checksum) VALUES (5, 'retention', '9c07b53ee4ff5baaa016339a774786db31f7ca7ffe8227c7560875704fd6a1ec');

-- Accounts that were erased: what stands for them since then, and who did it, and why. What happened is appended.
-- No account is named: whoever knows one, and the salt, can tell its pseudonym. Without the salt nobody can.
CREATE TABLE IF NOT EXISTS erasures
(
    tenant String,
    pseudonym String COMMENT 'What stands for the account: erased- and 16 hex digits of SHA-256 of salt, tenant and account',
    salt String COMMENT 'The tenant''s: 32 random hex digits',
    event LowCardinality(String) COMMENT 'begun: servers know of it. done: nothing names the account any more',
    started_before DateTime64(9, 'UTC') COMMENT 'Calls that start before it are erased, also those that come later',
    erased UInt64 COMMENT 'With done: rows that this run has erased',
    author String,
    reason String,
    at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY (tenant, pseudonym, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

INSERT INTO schema_migrations (number, name, checksum) VALUES (6, 'erasures', 'f68525c5e5ec1098d4daf04e62fd8a5f81e8bffb23317600bfa5619cab0446b9');
