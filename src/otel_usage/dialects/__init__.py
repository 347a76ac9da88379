"""The attribute languages of LLM telemetry, as data: no code here reads a span."""
