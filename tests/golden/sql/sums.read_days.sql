SELECT day, is_sealed, is_expired, stored_versions, current_block, current_blocks, dateDiff('second', modified_at, now()) FROM usage_days ORDER BY day
