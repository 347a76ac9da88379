-- name = "sealed_next_1"
CREATE TABLE {name:Identifier} AS sealed_sums
