-- How much do we store for each day, and which days are sealed or expired?
-- Asked by: whoever runs ClickHouse, for disks and retention.
--
-- Of all tenants together. stored_versions: rows, before versions of one call are merged; 0 where rows have expired: their
-- sums are kept. is_sealed: answers about the day come from its sums. Bytes are compressed, and of one replica.
-- from, to: the UTC days that this time touches.
SELECT
    YYYYMMDDToDate(day) AS date,
    sum(days.stored_versions) AS stored_versions,
    sum(days.stored_bytes) AS stored_bytes,
    stored_bytes / nullIf(stored_versions, 0) AS bytes_per_version,
    min(days.is_sealed) AS is_sealed,
    min(days.is_expired) AS is_expired
FROM usage_days AS days
WHERE day >= toYYYYMMDD({from:DateTime64(9, 'UTC')})
    AND day <= toYYYYMMDD({to:DateTime64(9, 'UTC')} - INTERVAL 1 NANOSECOND)
GROUP BY day
ORDER BY day
