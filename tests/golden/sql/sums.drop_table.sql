-- name = "sealing_202609"
DROP TABLE IF EXISTS {name:Identifier}
