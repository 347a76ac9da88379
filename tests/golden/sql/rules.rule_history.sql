-- rule_id = "rule_1"
-- tenant = "acme"
SELECT
    rule_id, revision, is_revoked, tenant, account_id, provider, model, service_tier,
    toUnixTimestamp64Nano(valid_from), toUnixTimestamp64Nano(valid_to), kind, effect, author, reason,
    toUnixTimestamp64Milli(created_at)
FROM price_rules FINAL
WHERE tenant = {tenant:String} AND rule_id = {rule_id:String}
ORDER BY tenant, rule_id, revision, created_at
