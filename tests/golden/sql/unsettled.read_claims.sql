-- tenant = "acme"
-- traces = ["00000000000000000000000000000000"]
SELECT DISTINCT trace_id, account_id, context, transaction_id FROM claims
WHERE tenant = {tenant:String}
    AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({traces:Array(String)})), 16))
