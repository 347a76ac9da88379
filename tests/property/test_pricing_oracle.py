"""What a call costs is what `genai_prices.calc_price` says, for every model there is.

Equal means equal as Decimals, to the last digit. Two things have more digits than MONEY and are rounded to
1e-18 dollars: the price of a token, of the few models with more than 12 decimals per million, and what a
duration comes to at the price of an hour. There ours may differ by half of 1e-18 per token and per duration.

Where genai-prices gives a price that is none, ours is unknown, with a reason. `_verdict` says where.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from genai_prices.data_snapshot import get_snapshot
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceCalculation,
    PriceContext,
    Provider,
    TieredPrices,
)
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.model import OBSERVATIONS
from otel_usage.pricing import PriceBook, Pricer, price
from otel_usage.pricing.sources import corrections, genai
from otel_usage.pricing.sources.form import SCHEMA, canonical
from tests import model_calls, strategies

_CASES: Final = 1_000
"""Calls per example."""
_POSSIBLE: Final = 0.97
"""The share of calls whose counts can be."""
_TIERED: Final = 0.3
"""The share of calls that name a service tier."""
_SECOND: Final = 10**9
_DIGITS: Final = 12
"""Decimals of a price of a million tokens of which one of a token has 18."""
_ENDS: Final = ("-x", "-20260101", "-2026-01-01", ":free")
_STANDARD: Final = ("", "default")
_UNPRICED: Final = frozenset({"no_price", "unpriced_units"})

_TOKENS: Final = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "cache_read_audio_tokens": "cache_audio_read_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "input_image_tokens": "input_image_tokens",
    "output_image_tokens": "output_image_tokens",
}
"""Column of ours: unit of theirs."""
_COUNTS: Final = {each: each for each in ("input_characters", "web_searches", "rerank_searches")}
_DURATIONS: Final = {"input_audio_ns": "input_audio_seconds", "output_audio_ns": "output_audio_seconds"}
_NAMES: Final = _TOKENS | _COUNTS | _DURATIONS
_SIDES: Final = ("input", "output")
_SHARES: Final = {
    "cache_read_tokens": 3,
    "cache_write_tokens": 5,
    "cache_write_1h_tokens": 11,
    "input_audio_tokens": 13,
    "cache_read_audio_tokens": 17,
    "input_image_tokens": 19,
}
"""Of all tokens, one in how many is of the kind."""
_OTHERS: Final = (
    {"input_audio_ns": 61_234_567_890},
    {"output_audio_ns": 61_234_567_890},
    {"input_audio_ns": 5 * _SECOND},
    {"input_characters": 997},
    {"rerank_searches": 7},
    {"web_searches": 7},
)
"""What is used in place of tokens."""


@dataclass(frozen=True, slots=True)
class Case:
    """A call."""

    provider: str
    name: str
    at: datetime
    tier: str
    counts: Mapping[str, int]
    """By our columns; what is not told is not there."""
    possible: bool = True
    """Whether no part exceeds its whole."""

    @property
    def row(self) -> Mapping[str, Any]:
        """The observation that tells it."""
        told = {"started_at": self.at, "provider": self.provider, "response_model": self.name}
        return {**model_calls.CALL, **told, "service_tier": self.tier, **self.counts}

    @property
    def usage(self) -> Usage:
        """The same in genai-prices' words. What is not told is none of it."""
        told: dict[str, int | Decimal] = {unit: 0 for unit in unit_data if unit != "requests"}
        told |= {unit: self.counts.get(name, 0) for name, unit in (_TOKENS | _COUNTS).items()}
        seconds = {unit: Decimal(self.counts.get(name, 0)) / _SECOND for name, unit in _DURATIONS.items()}
        return Usage(**told | seconds | {"audio_seconds": sum(seconds.values(), Decimal(0))})

    def context(self, provider: Provider, model: ModelInfo) -> PriceContext | None:
        """The service tier as it is called where it has a price at that time; None if it has none."""
        tier = self.tier.lower()
        if tier in _STANDARD:
            return {"service_tier": tier}
        if not any(model is each for each in provider.models):
            return None
        told = [{"processing": tier}] if tier == "batch" else [{"service_tier": tier}, {"speed": tier}]
        held = [
            variant.when
            for variant in model.price_variants or ()
            if variant.constraint is None or variant.constraint.active(self.at)
        ]
        return next((each for each in told if each in held), None)

    def theirs(self, context: PriceContext | None) -> PriceCalculation:
        """What genai-prices says."""
        return calc_price(
            self.usage,
            self.name,
            provider_id=self.provider or None,
            genai_request_timestamp=self.at,
            price_context=context,
        )


@pytest.fixture(scope="module")
def pricer() -> Pricer:
    """genai-prices alone, in the form in which it goes into the book that is shipped."""
    source = genai.source(*genai.installed(), corrections.read(corrections.bundled()).limits)
    assert not source.dropped
    return Pricer(PriceBook.load(canonical({"schema": SCHEMA, "sources": [source.document]})))


def test_any_call_of_any_model_at_any_time_costs_what_genai_prices_says(pricer: Pricer) -> None:
    compared: Counter[str] = Counter()

    @strategies.examples(24)
    @given(seed=st.integers(0, 2**32))
    def compare(seed: int) -> None:
        rng = random.Random(seed)
        compared.update(_compared(pricer, [_case(rng) for _ in range(_CASES)]))

    compare()
    assert compared.total() >= 24_000, compared
    assert compared["equal"] >= 10_000, compared


def test_each_price_of_each_model_holds_when_that_of_genai_prices_does(pricer: Pricer) -> None:
    cases = [
        Case(each.provider, each.name, at, tier, counts)
        for each in model_calls.models()
        for at in model_calls.moments(each.model)
        for tier in model_calls.tiers(each.model)
        for counts in _in_each_tier(each.model)
    ]
    compared = _compared(pricer, [*cases, *_by_other_measures()])
    assert compared["equal"] >= 8_000, compared


def test_every_model_that_genai_prices_knows_is_compared() -> None:
    every = {(provider.id, model.id) for provider in providers for model in provider.models}
    reached = {(each.provider, each.model.id) for each in model_calls.models()}
    assert len(every) > 2_000
    assert every - reached == set()


def test_few_prices_of_a_token_are_finer_than_ours_can_be() -> None:
    fine = [each.provider for each in model_calls.models() if _finest(each.model) > _DIGITS]
    assert set(fine) == {"huggingface_together", "openrouter"}
    assert len(fine) < 30


def _compared(pricer: Pricer, cases: Sequence[Case]) -> Counter[str]:
    """Compares both answers for each call; how many were equal, and how many differed for each reason."""
    rows = price(pa.Table.from_pylist([case.row for case in cases], schema=OBSERVATIONS), pricer).to_pylist()
    return Counter(_verdict(case, row) for case, row in zip(cases, rows, strict=True))


def _verdict(case: Case, row: Mapping[str, Any]) -> str:
    """What the comparison comes to. Fails if ours is neither theirs nor meant to differ."""
    ours, reason = row["billed_cost"], row["unpriced_reason"]
    about = (case, ours, reason, row["match_rule"])
    assert (ours is None) == bool(reason), about
    if not case.possible:
        # Theirs fails, or charges what cannot be where the parts have no price of their own.
        assert reason == "impossible_usage", about
        return reason
    found = _found(case)
    if found is None:
        # We know more ways to spell a name than theirs does, and the row says which it was.
        assert reason == "unknown_model" or "prefix_removed" in row["match_rule"], about
        return reason or "spelled otherwise"
    context = case.context(*found)
    theirs = case.theirs(context)
    if context is None:
        # Theirs is the standard price, silently: of a tier without a price, or without one yet.
        assert reason == "no_price_for_service_tier", about
        assert row["unapplied_context"] == f"service_tier={case.tier.lower()}", about
        return reason
    if _has_no_price(theirs.model_price, case.counts):
        # Theirs is 0, silently: for what was used and has no price.
        assert reason in _UNPRICED, about
        return reason
    assert reason == "", (about, theirs)
    assert abs(ours - theirs.total_price) <= _slack(theirs, case.counts), (about, theirs)
    if ours != theirs.total_price:
        return "rounded"
    return "equal" if ours else "nothing for both"


def _found(case: Case) -> tuple[Provider, ModelInfo] | None:
    """The model by genai-prices."""
    try:
        return get_snapshot().find_provider_model(case.name, None, case.provider or None, None)
    except LookupError:
        return None


def _has_no_price(prices: ModelPrice, counts: Mapping[str, int]) -> bool:
    """Whether something was used that nothing is charged for: neither it, nor what measures the same."""
    priced = [
        unit["dimensions"].items() for unit in unit_data.values() if _is_priced(prices, unit["price_key"])
    ]

    def paid(unit: str) -> bool:
        return any(each <= unit_data[unit]["dimensions"].items() for each in priced)

    used = {_NAMES[name] for name, count in counts.items() if count}
    read, written = (any(paid(unit) for unit in _TOKENS.values() if _is_of(unit, side)) for side in _SIDES)
    told = {each for each in used if each != "web_searches" and each not in _TOKENS.values()}
    excused = set(_same_as_tokens(prices, counts, used, read=read, written=written))
    if any(paid(unit) for unit in told if unit.endswith("_seconds")):
        excused.add("input_characters")
    if "input_characters" in told and paid("input_characters"):
        excused.add("output_audio_seconds")
    by_token = (read and "input_tokens" in used) or (written and "output_tokens" in used)
    if any(map(paid, told)) and not by_token:
        excused |= {*_TOKENS.values()}
    if not used - {"web_searches"} and not read and not written:
        return not _is_priced(prices, "requests_kcount")
    return any(not paid(unit) for unit in used - excused)


def _same_as_tokens(
    prices: ModelPrice, counts: Mapping[str, int], used: Collection[str], *, read: bool, written: bool
) -> Iterator[str]:
    """What is in tokens that are paid, at a price that is known."""
    if read and "input_tokens" in used:
        yield "input_characters"
        if counts.get("input_audio_tokens") or _cost_the_same(prices, "input_audio_mtok", "input_mtok"):
            yield "input_audio_seconds"
        if not written:
            yield "rerank_searches"
    if (
        written
        and "output_tokens" in used
        and (counts.get("output_audio_tokens") or _cost_the_same(prices, "output_audio_mtok", "output_mtok"))
    ):
        yield "output_audio_seconds"


def _cost_the_same(prices: ModelPrice, one: str, other: str) -> bool:
    return _is_priced(prices, one) and prices.__dict__[one] == prices.__dict__.get(other)


def _is_of(unit: str, side: str) -> bool:
    return bool(unit_data[unit]["dimensions"]["direction"] == side)


def _is_priced(prices: ModelPrice, key: str) -> bool:
    return prices.__dict__.get(key) is not None


def _slack(theirs: PriceCalculation, counts: Mapping[str, int]) -> Decimal:
    """Dollars by which ours may differ, from being rounded to 1e-18."""
    rounded = sum(bool(counts.get(name)) for name in _DURATIONS)
    if _digits(theirs.model_price) > _DIGITS:
        rounded += counts.get("input_tokens", 0) + counts.get("output_tokens", 0)
    return rounded * Decimal("0.5e-18")


def _digits(prices: ModelPrice) -> int:
    """The most decimals that one of the prices has."""
    found = [0]
    for value in prices.__dict__.values():
        each = (
            [value.base, *(tier.price for tier in value.tiers)]
            if isinstance(value, TieredPrices)
            else [value]
        )
        found += [-int(one.normalize().as_tuple().exponent) for one in each if one is not None]
    return max(found)


def _finest(model: ModelInfo) -> int:
    return max(map(_digits, model_calls.prices(model)))


def _in_each_tier(model: ModelInfo) -> Sequence[Mapping[str, int]]:
    """Calls just below and just above each tier, told in all kinds of tokens that have a price."""
    priced = {key for prices in model_calls.prices(model) for key in vars(prices)}
    return [
        {"input_tokens": total}
        | ({"output_tokens": 1_007, "reasoning_tokens": 503} if "output_mtok" in priced else {})
        | ({"web_searches": 3} if "web_searches_kcount" in priced else {})
        | {name: total // part for name, part in _SHARES.items()}
        for start in model_calls.starts(model) or [997]
        for total in (start, start + 1)
    ]


def _by_other_measures() -> Iterator[Case]:
    """Calls by what is no token: each one of each model with a price of it, of any other model one."""
    for number, each in enumerate(model_calls.models()):
        priced = {key for prices in model_calls.prices(each.model) for key in vars(prices)}
        spoken = priced & {"audio_hours", "input_audio_hours", "input_mchars"}
        for counts in _OTHERS if spoken else [_OTHERS[number % len(_OTHERS)]]:
            yield Case(each.provider, each.name, model_calls.NOW, "", counts)


def _case(rng: random.Random) -> Case:
    """A call of any model, as a seed makes it up."""
    named = rng.choice(model_calls.models())
    name = rng.choice([named.name] * 6 + [named.name.upper(), f"{named.name}{rng.choice(_ENDS)}"])
    own = model_calls.tiers(named.model)
    possible = rng.random() < _POSSIBLE
    counts = (model_calls.counts if possible else model_calls.impossible)(rng, named.model)
    if named.provider == "groq":
        # Its transcriptions are of ten seconds at least. Theirs takes what is made for what is heard there.
        counts.pop("output_audio_ns", None)
    return Case(
        provider=rng.choice([named.provider] * 9 + [""]),
        name=name,
        at=model_calls.moment(rng, named.model),
        tier=rng.choice([*own, *own, *model_calls.TIERS] if rng.random() < _TIERED else [""]),
        counts=counts,
        possible=possible,
    )
