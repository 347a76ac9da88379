SELECT count(), max(toUnixTimestamp64Milli(created_at)), sum(cityHash64(account_id))
FROM price_rules
