"""Where prices come from: each source as one canonical document, with what was left out of it and why."""

from otel_usage.pricing.sources.form import Dropped, Json, Source, canonical

__all__ = ["Dropped", "Json", "Source", "canonical"]
