ALTER TABLE sealed_sums DROP PARTITION (0, 202609) SETTINGS max_partition_size_to_drop = 0
