"""Measures otel-usage against named baselines, in one run, on the same bytes."""
