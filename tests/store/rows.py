"""USAGE rows, made by saying only what matters."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from otel_usage.model import USAGE

NOON: Final = int(datetime(2025, 11, 23, 12, tzinfo=UTC).timestamp()) * 10**9
"""In nanoseconds."""

_USUAL: Final[Mapping[str, Any]] = {
    "tenant": "default",
    "account_id": "acme",
    "started_at": NOON,
    "version": 1,
    "role": "inference",
    "signal": "span",
    "trace_id": bytes(16),
    "span_id": bytes(8),
    "parent_span_id": bytes(8),
    "context": "customer",
    "attribution": "span",
    "usage_type": "text",
    "operation": "chat",
    "provider": "openai",
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "usage_status": "reported",
    "input_tokens": 1500,
    "output_tokens": 500,
    "model_id": "gpt-4o",
    "list_cost": Decimal("0.0085"),
    "billed_cost": Decimal("0.0085"),
    "currency": "USD",
}


def usage(*rows: Mapping[str, Any]) -> pa.Table:
    """A USAGE table. A row that names no call is a call of its own; `call` numbers one shortly."""
    return pa.Table.from_pylist([_row(index, row) for index, row in enumerate(rows)], schema=USAGE)


def _row(index: int, told: Mapping[str, Any]) -> Mapping[str, Any]:
    nothing = {
        field.name: None if field.nullable else 0 if pa.types.is_integer(field.type) else ""
        for field in USAGE
    }
    row = {**nothing, **_USUAL, "call_id": told.get("call", index).to_bytes(16, "big"), **told}
    row.pop("call", None)
    return row
