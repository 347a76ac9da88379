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
