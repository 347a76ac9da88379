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
