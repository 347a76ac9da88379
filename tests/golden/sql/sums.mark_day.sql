-- block = 7
-- blocks = 1
-- day = "2026-09-21"
-- staging = "sealed_next_1"
INSERT INTO {staging:Identifier} (level, bucket, block, blocks, kept)
SELECT 'mark', toDateTime({day:Date}, 'UTC'), {block:Int64}, {blocks:Int64}, 0
