-- before_ns = 1789999200000000000
-- pseudonym = "erased-0123456789abcdef"
-- salt = "salt"
-- tenant = "acme"
ALTER TABLE usage_history DELETE IN PARTITION ID '202609' WHERE tenant = {tenant:String} AND concat('erased-', lower(left(hex(SHA256(concat({salt:String}, '\0', tenant, '\0', account_id))), 16))) = {pseudonym:String} AND started_at < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC') AND attribution = 'erased' SETTINGS mutations_sync = 2
