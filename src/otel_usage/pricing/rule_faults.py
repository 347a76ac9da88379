"""What is wrong with a price rule, before it is written: every fault, with the field it is in."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Final

from otel_usage.attributes import MAX_ID
from otel_usage.model import MAX_NAME
from otel_usage.pricing import rate
from otel_usage.pricing.rules import OPEN_END_NS, Kind, Rule

MAX_REASON: Final = 1_000
"""Characters of a reason."""
MAX_MULTIPLIER: Final = Decimal(1_000)
MULTIPLIER_PLACES: Final = 6
"""Decimal places of a multiplier."""
PRICE_PLACES: Final = 12
"""Decimal places of a price: that of one token of a million is then exact in 1e-18 dollars."""

_HIGHEST: Final = Decimal(10**9)  # dollars; beyond it the price of one unit need not fit into a decimal
_PARTS: Final = frozenset({"cache_read_mtok", "input_audio_mtok"})
_COMMON: Final = "cache_audio_read_mtok"
_RULE_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")  # it stands in addresses, and before @ on priced rows
_LONGEST: Final = {
    "tenant": MAX_ID,
    "account_id": MAX_ID,
    "provider": MAX_NAME,
    "model": MAX_NAME,
    "service_tier": MAX_NAME,
    "to_provider": MAX_NAME,
    "to_model": MAX_NAME,
    "author": MAX_ID,
    "reason": MAX_REASON,
}
_REQUIRED: Final = ("tenant", "model", "reason")
_EFFECTS: Final = {
    "to_provider": Kind.ALIAS,
    "to_model": Kind.ALIAS,
    "prices": Kind.PRICES,
    "multiplier": Kind.MULTIPLIER,
}
"""The fields that say what a rule does, and the kind that they are of."""


@dataclass(frozen=True, slots=True)
class RuleFault:
    """One thing that is wrong with a rule: in which field (`prices.input_mtok` is one of them), and what."""

    field: str
    detail: str


def faults(rule: Rule) -> Sequence[RuleFault]:
    """All that is wrong with `rule`; nothing if it can be written."""
    return [*_text_faults(rule), *_validity_faults(rule), *_effect_faults(rule)]


def _text_faults(rule: Rule) -> Iterator[RuleFault]:
    if not _RULE_ID.fullmatch(rule.rule_id):
        yield RuleFault("rule_id", "must be 1 to 64 of A-Z, a-z, 0-9, _ . and -")
    for name, longest in _LONGEST.items():
        text: str = getattr(rule, name)
        if not text and name in _REQUIRED:
            yield RuleFault(name, "is required")
        if len(text) > longest:
            yield RuleFault(name, f"has more than {longest} characters")
        if text != text.strip():
            yield RuleFault(name, "has spaces around it")
        elif not text.isprintable():
            yield RuleFault(name, "has characters that do not print")
        if "*" in text and name not in {"model", "author", "reason"}:
            yield RuleFault(name, "has a *, which stands for any text in the model only")


def _validity_faults(rule: Rule) -> Iterator[RuleFault]:
    if rule.valid_from_ns < 0:
        yield RuleFault("valid_from_ns", "is before 1970")
    if rule.valid_to_ns > OPEN_END_NS:
        yield RuleFault("valid_to_ns", "is after 2200; leave it out for a rule without an end")
    if rule.valid_from_ns >= rule.valid_to_ns:
        yield RuleFault("valid_to_ns", "is not after the begin: the rule would hold for no call")


def _effect_faults(rule: Rule) -> Iterator[RuleFault]:
    usual = {each.name: each.default for each in fields(Rule)} | {"prices": {}}
    for name, kind in _EFFECTS.items():
        if kind is not rule.kind and getattr(rule, name) != usual[name]:
            yield RuleFault(name, f"is of rules of kind {kind}, and this one is of kind {rule.kind}")
    match rule.kind:
        case Kind.ALIAS if not rule.to_model:
            yield RuleFault("to_model", "is required: an alias stands for a model")
        case Kind.PRICES:
            yield from _price_faults(rule)
        case Kind.MULTIPLIER:
            yield from _multiplier_faults(rule.multiplier)
        case _:
            pass


def _price_faults(rule: Rule) -> Iterator[RuleFault]:
    known = rate.price_keys()
    if not rule.prices:
        yield RuleFault("prices", f"is required: at least one of {', '.join(known)}")
    elif not any(rule.prices.values()):
        yield RuleFault("prices", "are all zero: what costs nothing is a rule of kind free")
    if rule.prices.keys() >= _PARTS and _COMMON not in rule.prices:
        yield RuleFault(f"prices.{_COMMON}", "is required: audio from the cache would have two prices")
    for key, price in rule.prices.items():
        name = f"prices.{key}"
        if key not in known:
            yield RuleFault(name, f"is not a price key; these are: {', '.join(known)}")
        elif not price.is_finite():
            yield RuleFault(name, "is not a number")
        elif price < 0:
            yield RuleFault(name, "is negative")
        elif _places(price) > PRICE_PLACES:
            yield RuleFault(name, f"has more than {PRICE_PLACES} decimal places")
        elif price > _HIGHEST or rate.weigh({key: price}).dearest > rate.DEAREST:
            yield RuleFault(
                name, f"is over {rate.DEAREST} dollar for one token, second or piece: check its unit"
            )


def _multiplier_faults(multiplier: Decimal) -> Iterator[RuleFault]:
    if not multiplier.is_finite():
        yield RuleFault("multiplier", "is not a number")
    elif multiplier <= 0:
        yield RuleFault("multiplier", "is not over 0: what costs nothing is a rule of kind free")
    elif multiplier > MAX_MULTIPLIER:
        yield RuleFault("multiplier", f"is over {MAX_MULTIPLIER:,}")
    elif _places(multiplier) > MULTIPLIER_PLACES:
        yield RuleFault("multiplier", f"has more than {MULTIPLIER_PLACES} decimal places")


def _places(value: Decimal) -> int:
    """Decimal places that count: 1.500 has one."""
    sign, digits, exponent = value.as_tuple()
    del sign
    if not isinstance(exponent, int):
        return 0
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return -(exponent + zeros)
