-- account = "jane"
-- before_ns = 1789999200000000000
-- tenant = "acme"
SELECT day, max(current)
FROM
(
    SELECT toYYYYMMDD(started_at) AS day, toUInt64(0) AS current FROM usage_rows WHERE tenant = {tenant:String} AND account_id = {account:String} AND started_at < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC') GROUP BY day
    UNION ALL
    SELECT toYYYYMMDD(started_at) AS day, count() FROM usage_rows FINAL WHERE tenant = {tenant:String} AND account_id = {account:String} AND started_at < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC') GROUP BY day
    UNION ALL
    SELECT toYYYYMMDD(started_at) AS day, toUInt64(0) FROM usage_history WHERE tenant = {tenant:String} AND account_id = {account:String} AND started_at < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC') GROUP BY day
    UNION ALL
    SELECT toYYYYMMDD(bucket) AS day, toUInt64(0) FROM sealed_sums
    WHERE tenant = {tenant:String} AND account_id = {account:String}
        AND bucket < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC')
    GROUP BY day
)
GROUP BY day
ORDER BY day
