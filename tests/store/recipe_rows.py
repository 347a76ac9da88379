"""A fortnight of calls of two accounts and of nobody, with all that a question about them could turn on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from tests.store.rows import NOON, usage

Row = Mapping[str, Any]

TO: Final = datetime(2025, 11, 24, tzinfo=UTC)
FROM: Final = TO - timedelta(14)
"""A Monday, and the Monday two weeks before."""

_SECOND: Final = 10**9
_DAY: Final = 86_400 * _SECOND
_MODELS: Final[Sequence[Row]] = (
    {"model_id": "gpt-4o", "response_model": "gpt-4o-2024-08-06"},
    {"model_id": "o3", "request_model": "o3", "response_model": "o3"},
    {"model_id": "our-chat", "request_model": "our-chat", "response_model": ""},
)
_PRICES: Final = '{"cache_read_mtok":"1.25","cache_write_mtok":"3.125","input_mtok":"2.5","output_mtok":"10"}'
_RAISED: Final = '{"cache_read_mtok":"1.5","cache_write_mtok":"3.75","input_mtok":"3","output_mtok":"12"}'
_NO_COST: Final[Row] = {"list_cost": None, "billed_cost": None, "unit_prices": "", "billed_unit_prices": ""}


def _call(number: int) -> dict[str, Any]:
    account, day = ("acme", "beta", "", "acme")[number % 4], number % 13
    list_cost = (1000 + number) * Decimal("0.000001")
    row = {
        "tenant": "default",
        "role": "inference",
        "request_model": "gpt-4o",
        "usage_status": "reported",
        "unpriced_reason": "",
        **_MODELS[number % 3],
        "call": number,
        "version": 2,
        "account_id": account,
        "context": "customer" if account else "system",
        "attribution": "span" if account else "unattributed",
        "transaction_id": f"t{number % 30}" if account else "",
        "started_at": NOON - day * _DAY + number * 411 * _SECOND,
        "duration_ns": (number + 1) * _SECOND // 10,
        "service_name": ("help-desk", "nightly")[number % 2],
        "scope_name": ("openai", "litellm")[number % 5 % 2],
        "trace_id": (number // 6 + 1).to_bytes(16, "big"),
        "error_type": "timeout" if number % 11 == 5 else "",
        "input_tokens": 1000 + number,
        "output_tokens": 100 + number,
        "cache_read_tokens": 200 + number,
        "cache_write_tokens": 10 + number,
        "reasoning_tokens": number if number % 3 == 1 else None,
        "list_cost": list_cost,
        "billed_cost": list_cost * Decimal("1.2") if account == "beta" else list_cost,
        "unit_prices": _PRICES if day > 6 else _RAISED,
        "billed_unit_prices": _PRICES if day > 6 else _RAISED,
        "effective_from": "" if day > 6 else "2025-11-17",
    }
    if number % 3 == 2:
        row |= {**_NO_COST, "unpriced_reason": "unknown_model"}
    elif number % 20 == 7:
        row |= {**_NO_COST, "unpriced_reason": "usage_missing", "usage_status": "missing"}
        row |= {name: None for name in row if name.endswith("_tokens")}
    elif number % 20 == 9:
        row |= {**_NO_COST, "unpriced_reason": "estimated_usage", "usage_status": "estimated"}
    return row


CALLS: Final[Sequence[Row]] = [_call(number) for number in range(78)]
"""The billable calls of the tenant that start in [FROM, TO), as they are known now."""
EARLIER: Final[Row] = {**CALLS[0], "call": 1005, "started_at": NOON - 20 * _DAY}
"""Another, of the same month, from before that."""
_TWIN: Final = {"role": "duplicate", "duplicate_of": (0).to_bytes(16, "big"), "scope_name": "agents"}
DUPLICATES: Final[Sequence[Row]] = (
    {**CALLS[0], **_TWIN, "call": 1000},
    {**CALLS[0], **_TWIN, "call": 1001, "service_name": "other"},
)
REFUSED: Final[Row] = {
    **CALLS[6],
    "call": 1002,
    "started_at": CALLS[6]["started_at"] - _SECOND,
    "error_type": "rate_limited",
    "unpriced_reason": "call_failed",
    "usage_status": "missing",
    **{name: None for name in CALLS[6] if name.endswith(("_tokens", "_cost"))},
}
"""It failed without an answer, a second before a call for the same model, in its trace."""
_OTHERS: Final[Sequence[Row]] = (
    {**CALLS[0], **_NO_COST, "call": 1003, "role": "rollup", "unpriced_reason": "rollup"},
    {**CALLS[0], "call": 1004, "tenant": "other"},
    EARLIER,
    {**CALLS[0], "call": 1006, "started_at": NOON + _DAY},
)


def before() -> pa.Table:
    """The same calls as they were known at first: otherwise."""
    return usage(*({**row, "version": 1, "billed_cost": Decimal(7), "unpriced_reason": ""} for row in CALLS))


def now() -> pa.Table:
    """All rows: those above, and others that no answer about the fortnight may count as a call."""
    return usage(*CALLS, *DUPLICATES, REFUSED, *_OTHERS)
