"""Where usage rows are kept, and read from: ClickHouse, as a server or embedded."""

from otel_usage.store.store import Exists, Store

__all__ = ["Exists", "Store"]
