-- name = "sealing_202609"
ALTER TABLE {name:Identifier} MODIFY COMMENT '7'
