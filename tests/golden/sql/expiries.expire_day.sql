-- day = "2026-09-21"
-- kept = 11
-- rows = 100
INSERT INTO expired_days (day, kept, stored_versions)
SELECT {day:Date}, {kept:UInt64}, {rows:UInt64}
