-- day = 20260921
-- kept = 13
-- old = 11
INSERT INTO expired_days (day, kept, stored_versions) SELECT day, {kept:UInt64}, stored_versions FROM expired_days FINAL WHERE toYYYYMMDD(day) = {day:UInt32} AND kept = {old:UInt64}
