-- staging = "sealed_next_1"
OPTIMIZE TABLE {staging:Identifier} FINAL
