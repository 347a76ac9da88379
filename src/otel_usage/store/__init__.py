"""Where usage rows are kept, and read from: ClickHouse, as a server or embedded."""

from otel_usage.store.store import Store

__all__ = ["Store"]
