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
