-- instead = "\"erased-0123456789abcdef\""
-- quoted = "\"jane\""
-- tenant = "acme"
INSERT INTO reprice_runs
SELECT * REPLACE
(
    replaceAll(request, {quoted:String}, {instead:String}) AS request,
    replaceAll(cursor, {quoted:String}, {instead:String}) AS cursor,
    replaceAll(differences, {quoted:String}, {instead:String}) AS differences,
    now64(3) AS at
)
FROM
(
    SELECT * FROM reprice_runs FINAL
    WHERE tenant = {tenant:String}
        AND position(concat(request, cursor, differences), {quoted:String}) > 0
)
