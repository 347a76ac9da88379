ALTER TABLE usage_history DELETE WHERE toYYYYMMDD(started_at) = 20260921 SETTINGS mutations_sync = 2
