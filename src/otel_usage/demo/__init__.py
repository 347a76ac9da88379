"""`otel-usage demo`: the whole line on one machine, with no network, no key and nothing left behind."""

from otel_usage.demo.stage import run

__all__ = ["run"]
