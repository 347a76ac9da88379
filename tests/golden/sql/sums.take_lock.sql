-- name = "sealing_202609"
CREATE TABLE {name:Identifier} (holder UInt64) ENGINE = Memory COMMENT '7'
