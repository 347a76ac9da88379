-- month = 202609
SELECT DISTINCT kept
FROM sealed_sums
WHERE kept > 0 AND toYYYYMM(bucket) = {month:UInt32}
    AND kept NOT IN (SELECT kept FROM expired_days FINAL)
ORDER BY kept
