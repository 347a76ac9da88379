-- pseudonym = "erased-0123456789abcdef"
-- salt = "salt"
-- tenant = "acme"
ALTER TABLE price_rules UPDATE account_id = {pseudonym:String} WHERE tenant = {tenant:String} AND concat('erased-', lower(left(hex(SHA256(concat({salt:String}, '\0', tenant, '\0', account_id))), 16))) = {pseudonym:String} SETTINGS mutations_sync = 2
