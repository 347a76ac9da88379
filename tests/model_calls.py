"""Calls of every model that genai-prices knows, with any usage that can be, made up from a seed."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from genai_prices.data import providers
from genai_prices.types import (
    ClauseAnd,
    ClauseOr,
    ModelInfo,
    ModelPrice,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from otel_usage.model import MAX_TOKENS, OBSERVATIONS

TIERS: Final = ("default", "flex", "Priority", "fast", "batch", "galactic")
"""Service tiers as providers name them, and one that no provider has."""
_FIRST: Final = datetime(2024, 1, 1, tzinfo=UTC)
NOW: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
_LAST: Final = datetime(2027, 3, 1, tzinfo=UTC)
_DAYS: Final = (_FIRST.date(), NOW.date())
_WHOLES: Final = frozenset({"cache_read_tokens", "cache_write_tokens", "input_audio_tokens"})
_PARTS: Final = (
    ("cache_read_tokens", "input_tokens"),
    ("cache_write_tokens", "input_tokens"),
    ("cache_write_1h_tokens", "cache_write_tokens"),
    ("input_audio_tokens", "input_tokens"),
    ("cache_read_audio_tokens", "input_audio_tokens"),
    ("cache_read_audio_tokens", "cache_read_tokens"),
    ("input_image_tokens", "input_tokens"),
    ("reasoning_tokens", "output_tokens"),
    ("output_audio_tokens", "output_tokens"),
    ("output_image_tokens", "output_tokens"),
)
"""Parts and their wholes."""

_SECOND: Final = 10**9

CALL: Final[Mapping[str, Any]] = {
    **{field.name: "" for field in OBSERVATIONS if not field.nullable},
    "request": 0,
    "call_id": bytes(16),
    "version": 1,
    "is_deleted": 0,
    "trace_id": bytes(16),
    "span_id": bytes(8),
    "parent_span_id": bytes(8),
    "duration_ns": 1,
    "role": "inference",
    "usage_status": "reported",
}
"""An observation of which only some fields matter: texts are empty, counts NULL."""


@dataclass(frozen=True, slots=True)
class Named:
    """A model, and what a provider calls it. It may be another provider's, that this one falls back to."""

    provider: str
    name: str
    model: ModelInfo


@cache
def models() -> Sequence[Named]:
    """Each model there is, by a name that genai-prices finds it by; and those that providers fall back to."""
    found = []
    every = list(providers)
    for provider in every:
        others = [each for each in every if each.id in (provider.fallback_model_providers or ())]
        for one in (provider, *others):
            for model in one.models:
                names = (
                    name
                    for name in (model.id, *_said(model.match))
                    if provider.find_model(name, all_providers=every) is model
                )
                found += [Named(provider.id, name, model) for name in [*names][:1]]
    return found


def _said(clause: object) -> Iterator[str]:
    """The texts that a clause is about."""
    match clause:
        case ClauseOr(or_=clauses) | ClauseAnd(and_=clauses):
            for each in clauses:
                yield from _said(each)
        case _:
            yield from (text for text in vars(clause).values() if isinstance(text, str))


def moments(model: ModelInfo) -> Sequence[datetime]:
    """The microseconds at which a price of the model begins or ends to hold, and the ones before."""
    dated = () if isinstance(model.prices, ModelPrice) else model.prices
    found = {NOW}
    for each in (*dated, *(model.price_variants or ())):
        match each.constraint:
            case StartDateConstraint(start_date=start):
                changes = [datetime(start.year, start.month, start.day, tzinfo=UTC)]
            case TimeOfDateConstraint(start_time=start, end_time=end):
                changes = [datetime.combine(day, at, UTC) for day in _DAYS for at in (start, end)]
            case None:
                changes = []
        found |= {at - before for at in changes for before in (timedelta(0), timedelta(microseconds=1))}
    return sorted(found)


def tiers(model: ModelInfo) -> Sequence[str]:
    """The service tiers that the model has prices of, and none."""
    words = {word for each in model.price_variants or () for word in each.when.values()}
    return ["", *sorted(words & {tier.lower() for tier in TIERS})]


def starts(model: ModelInfo) -> Sequence[int]:
    """The input tokens above which its tiers begin."""
    values = (value for each in prices(model) for value in vars(each).values())
    return sorted({tier.start for value in values if isinstance(value, TieredPrices) for tier in value.tiers})


def prices(model: ModelInfo) -> Sequence[ModelPrice]:
    """All of its prices, of any time and tier."""
    standard = (
        [model.prices] if isinstance(model.prices, ModelPrice) else [each.prices for each in model.prices]
    )
    return [*standard, *(each.prices for each in model.price_variants or ())]


def moment(rng: random.Random, model: ModelInfo) -> datetime:
    if rng.random() < 0.5:
        return rng.choice(moments(model))
    return _FIRST + timedelta(microseconds=rng.randrange((_LAST - _FIRST) // timedelta(microseconds=1)))


def counts(rng: random.Random, model: ModelInfo) -> dict[str, int]:
    """Counts that can be: each whole is the sum of its parts, and what is left."""
    made = _tokens(rng, model) if rng.random() < 0.9 else _others(rng)
    return made | (_others(rng) if rng.random() < 0.1 else {})


def _tokens(rng: random.Random, model: ModelInfo) -> dict[str, int]:
    reached = rng.choice([start + more for start in (0, *starts(model)) for more in (0, 1)])
    total = rng.choice([reached, rng.randrange(2_000), rng.randrange(1_000_000), MAX_TOKENS])
    read, written, audio, image = _parts(rng, total, 4)
    made = rng.choice([0, 1, rng.randrange(2_000), rng.randrange(200_000)])
    thought, spoken, drawn = _parts(rng, made, 3)
    told = {"input_tokens": total, "output_tokens": made}
    parts = {
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": rng.randint(0, written),
        "reasoning_tokens": thought,
        "input_image_tokens": image,
        "output_audio_tokens": spoken,
        "output_image_tokens": drawn,
    }
    if rng.random() < 0.5:
        both = rng.randint(0, min(read, audio))
        # Some of what is read from the cache is audio, so that much more is neither.
        parts |= {"input_audio_tokens": audio, "cache_read_audio_tokens": both}
    return told | {name: count for name, count in parts.items() if rng.random() < 0.5 or name in _WHOLES}


def _parts(rng: random.Random, total: int, number: int) -> Sequence[int]:
    """That many parts of a total, most of them none."""
    parts = []
    for _ in range(number):
        parts.append(rng.choice([0, 0, rng.randint(0, total), total]))
        total -= parts[-1]
    return rng.sample(parts, number)


def _others(rng: random.Random) -> dict[str, int]:
    """What is used beside tokens, or in place of them."""
    made = {
        "input_audio_ns": rng.choice([1, 5 * _SECOND, rng.randrange(10**13)]),
        "output_audio_ns": rng.randrange(10**13),
        "input_characters": rng.randrange(100_000),
        "web_searches": rng.randrange(5),
        "rerank_searches": rng.randrange(5),
    }
    return {name: made[name] for name in rng.sample(sorted(made), rng.choice([1, 1, 2]))}


def impossible(rng: random.Random, model: ModelInfo) -> dict[str, int]:
    """Counts of which one part exceeds its whole."""
    told = _tokens(rng, model)
    part, whole = rng.choice(_PARTS)
    return told | {part: told.get(whole, 0) + rng.randint(1, 1_000)}
