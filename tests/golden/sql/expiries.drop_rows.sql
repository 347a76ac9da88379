ALTER TABLE usage_rows DROP PARTITION ID '20260921' SETTINGS max_partition_size_to_drop = 0
