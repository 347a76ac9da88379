"""The cost of a call by its emitter's own account: kept beside the row, and compared with ours."""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_ATTRIBUTES: Final = (
    "gen_ai.usage.cost",  # OpenLIT, OpenRouter
    "gen_ai.cost.total_cost",  # LiteLLM
    "llm.cost.total",  # OpenInference
    "operation.cost",  # pydantic-ai, Logfire
    "cost_usd",  # Claude Code
)
"""Attributes that tell the cost of a whole call in US dollars, the first that is there counts."""
_DETAILS: Final = "langfuse.observation.cost_details"
_TOTAL: Final = "total"
_HIGHEST: Final = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class ReportedCost:
    """US dollars, and the attribute that tells them."""

    amount: Decimal
    attribute: str


def read(other_usage: str) -> ReportedCost | None:
    """What the column `other_usage` tells of the cost; None if nothing, or nothing that is an amount."""
    if not other_usage:
        return None
    told = _object(other_usage)
    for name in _ATTRIBUTES:
        if (amount := _amount(told.get(name))) is not None:
            return ReportedCost(amount, name)
    details = told.get(_DETAILS)
    if isinstance(details, str):
        details = _object(details)
    if isinstance(details, dict) and (amount := _amount(details.get(_TOTAL))) is not None:
        return ReportedCost(amount, _DETAILS)
    return None


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text, parse_float=Decimal)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= _HIGHEST else None
