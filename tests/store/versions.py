"""Rows with the moment at which they were stored, as the table has them once time has passed."""

import pyarrow as pa

from otel_usage.store import Store


def written(store: Store, rows: pa.Table, at_ns: int, table: str = "usage_rows") -> None:
    """Write USAGE rows as if it had been at `at_ns`, in whole milliseconds."""
    stored = pa.array([at_ns // 10**6] * len(rows), pa.timestamp("ms", "UTC"))
    store.append(table, rows.append_column("inserted_at", stored))
