"""Wire and Arrow: the only place where protobuf is known."""
