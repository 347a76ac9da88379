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
