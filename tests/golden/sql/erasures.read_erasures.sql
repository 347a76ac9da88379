SELECT tenant, pseudonym, salt, toUnixTimestamp64Nano(max(started_before)) FROM erasures
GROUP BY tenant, pseudonym, salt ORDER BY tenant, pseudonym
