-- account = "jane"
-- tenant = "acme"
SELECT DISTINCT toYYYYMMDD(bucket), kept
FROM sealed_sums
WHERE kept > 0 AND tenant = {tenant:String} AND account_id = {account:String}
    AND kept IN (SELECT kept FROM expired_days FINAL)
ORDER BY ALL
