"""The canonical form of price data: how it is written, and what every price in it must be."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from otel_usage.pricing.rate import plain

Json = Mapping[str, Any]
"""A JSON object. In the canonical form decimals are texts, and nothing is null."""

SCHEMA: Final = 1
"""The form of a price book's document."""

DEAREST: Final = Decimal(500)
"""Dollars per price key (a million tokens, an hour, a thousand searches) above which a price is taken for a
fault of its unit. Those that are dearer in truth are listed in corrections.toml."""

_TOLERATED: Final = Decimal("1e-9")  # of two prices that differ by less, one was rounded


@dataclass(frozen=True, slots=True)
class Dropped:
    """A model, or a price of one, that a source has and the book has not."""

    source: str
    provider: str
    model: str
    reason: str
    is_fault: bool = False
    """Whether a price of it is none: no number, negative, or dearer than any."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source in canonical form, and what was left out of it."""

    document: Json
    dropped: Sequence[Dropped] = ()

    def __str__(self) -> str:
        """Its name and version."""
        return f"{self.document['name']}@{self.document['version']}"

    @property
    def models(self) -> int:
        """How many there are."""
        return sum(len(provider["models"]) for provider in self.document["providers"])


def canonical(document: object) -> bytes:
    """The one way to write a document: sorted keys, no spaces, ASCII."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def one_of(names: Iterable[str]) -> Json:
    """The clause that a text is one of these names, in any case."""
    return {"or": [{"equals": name} for name in names]}


def decimal(value: Decimal) -> str:
    """A price as text: plain, without trailing zeros. It may be negative or no number; `faults` says so."""
    return plain(value) if value.is_finite() else str(value)


def schedules(model: Json) -> Iterator[tuple[str, Json]]:
    """The sets of prices that a model has, and when each holds.

    That is always (empty), from a date, at hours of the day, in a context: as it stands after a price key.
    """
    prices = model["prices"]
    entries = prices if isinstance(prices, list) else [{"prices": prices}]
    for entry in entries:
        yield _constraint(entry), entry["prices"]
    for variant in model.get("price_variants", ()):
        context = ",".join(f"{key}={value}" for key, value in sorted(variant["when"].items()))
        yield f"{_constraint(variant)} [{context}]", variant["prices"]


def stated(model: Json) -> Mapping[str, str]:
    """Every price that a model states, by where it stands.

    So `input_mtok`, `input_mtok > 200000`, `input_mtok from 2025-06-10`, `input_mtok [processing=batch]`.
    """
    result: dict[str, str] = {}
    for when, prices in schedules(model):
        for key, price in prices.items():
            if isinstance(price, str):
                result[f"{key}{when}"] = price
                continue
            result[f"{key}{when}"] = price["base"]
            result |= {f"{key} > {tier['start']}{when}": tier["price"] for tier in price["tiers"]}
    return result


def faults(model: Json, dearest: Decimal = DEAREST) -> Sequence[str]:
    """What is wrong with the prices that a model states; nothing if each is a price."""
    result = []
    for where, text in stated(model).items():
        try:
            value = Decimal(text)
        except InvalidOperation:
            result.append(f"{where}: {text!r} is not a number")
            continue
        if not value.is_finite():
            result.append(f"{where}: {text} is not finite")
        elif value < 0:
            result.append(f"{where}: {text} is negative")
        elif value > dearest:
            result.append(f"{where}: {text} dollars is over {dearest}: a fault of its unit, or to be allowed")
    return result


def differs(one: str, other: str) -> bool:
    """Whether two prices are not the same but for rounding."""
    a, b = Decimal(one), Decimal(other)
    return abs(a - b) > _TOLERATED * max(abs(a), abs(b))


def _constraint(entry: Json) -> str:
    constraint = entry.get("constraint")
    if constraint is None:
        return ""
    if "start_date" in constraint:
        return f" from {constraint['start_date']}"
    return f" at {constraint['start_time']}-{constraint['end_time']}"
