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
