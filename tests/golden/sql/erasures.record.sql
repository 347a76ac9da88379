-- author = "eva"
-- before_ns = 1789999200000000000
-- erased = 5
-- event = "done"
-- pseudonym = "erased-0123456789abcdef"
-- reason = "she asked"
-- salt = "salt"
-- tenant = "acme"
INSERT INTO erasures (tenant, pseudonym, salt, event, started_before, erased, author, reason)
SELECT {tenant:String}, {pseudonym:String}, {salt:String}, {event:String},
    fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC'), {erased:UInt64}, {author:String}, {reason:String}
