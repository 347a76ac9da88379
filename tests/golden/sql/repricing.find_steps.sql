-- run_id = "run_1"
-- tenant = "acme"
SELECT step, state, request, cursor, seen, changed, differences, author, reason FROM reprice_runs FINAL
WHERE tenant = {tenant:String} AND run_id = {run_id:String}
ORDER BY step
