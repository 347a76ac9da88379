-- since_ms = 1
-- writer = "writer"
SELECT count() FROM
(
    SELECT writer FROM usage_rows WHERE inserted_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    UNION ALL
    SELECT writer FROM claims WHERE inserted_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
)
WHERE writer NOT IN ('', {writer:String})
