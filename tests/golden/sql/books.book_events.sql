-- limit = 20
SELECT book_id, event, author, reason, toUnixTimestamp64Milli(at) AS at_ms
FROM price_book_events
ORDER BY at_ms DESC, book_id DESC
LIMIT {limit:UInt32}
