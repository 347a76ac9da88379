SELECT
    toYYYYMMDD(expired_days.day), expired_days.kept, dateDiff('second', expired_days.expired_at, now64()),
    usage_days.current_block = marks.block AND usage_days.current_blocks = marks.blocks
FROM expired_days FINAL
INNER JOIN usage_days ON usage_days.day = toYYYYMMDD(expired_days.day)
LEFT JOIN
(
    SELECT kept, max(block) AS block, max(blocks) AS blocks
    FROM sealed_sums
    WHERE tenant = '' AND level = 'mark' AND kept > 0
    GROUP BY kept
) AS marks ON marks.kept = expired_days.kept
WHERE expired_days.kept > 0 AND usage_days.stored_versions > 0
ORDER BY expired_days.day
