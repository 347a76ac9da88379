-- before_ns = 1789999200000000000
-- pseudonym = "erased-0123456789abcdef"
-- salt = "salt"
-- tenant = "acme"
ALTER TABLE sealed_sums DELETE IN PARTITION (0, 202609) WHERE tenant = {tenant:String} AND concat('erased-', lower(left(hex(SHA256(concat({salt:String}, '\0', tenant, '\0', account_id))), 16))) = {pseudonym:String} AND bucket < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC') SETTINGS mutations_sync = 2
