"""What the sources of a price book have different prices for: what a call would cost by each is compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final

from otel_usage.pricing import rate
from otel_usage.pricing.match import Match
from otel_usage.pricing.rate import HOUR_NS, Prices
from otel_usage.pricing.sources.form import differs

_MILLION: Final = 1_000_000
_WHOLES: Final[Mapping[str, Sequence[str]]] = {
    "input_tokens": (),
    "output_tokens": (),
    "cache_read_tokens": ("input_tokens",),
    "cache_write_tokens": ("input_tokens",),
    "cache_write_1h_tokens": ("input_tokens", "cache_write_tokens"),
    "reasoning_tokens": ("output_tokens",),
    "input_audio_tokens": ("input_tokens",),
    "cache_read_audio_tokens": ("input_tokens", "cache_read_tokens", "input_audio_tokens"),
    "output_audio_tokens": ("output_tokens",),
    "input_image_tokens": ("input_tokens",),
    "output_image_tokens": ("output_tokens",),
}
"""The counts of tokens, and those that contain them."""
_OTHERS: Final = {
    "input_audio_ns": HOUR_NS,
    "output_audio_ns": HOUR_NS,
    "input_characters": _MILLION,
    "web_searches": 1_000,
    "rerank_searches": 1_000,
    "output_images": 1_000,
}
"""What else is used, and how many of it a price is for."""
_PER_CALL: Final = "requests"
_COUNTS: Final = rate.price_keys()


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A count that sources have different prices for. `prices` are dollars by source; None: it has none."""

    count: str
    start: int
    """The input tokens above which they differ."""
    prices: Mapping[str, Decimal | None]

    def __str__(self) -> str:
        """In a line."""
        told = ", ".join(
            f"{source} {'none' if each is None else rate.plain(each)}" for source, each in self.prices.items()
        )
        return f"{self.count}{f' above {self.start}' if self.start else ''}: {told}"


def disagreements(matches: Sequence[Match], at: datetime) -> Iterator[Disagreement]:
    """What the sources that have a price of a model have different prices for at a time."""
    prices = {
        str(match.source): each
        for match in matches
        if not match.free and rate.resolved(each := match.model.get_prices(at), 0)
    }
    seen: dict[str, Mapping[str, Decimal | None]] = {}
    for start in sorted({start for each in prices.values() for start in rate.starts(each)}):
        resolved = {source: rate.resolved(each, start) for source, each in prices.items()}
        costs = {source: _costs(each) for source, each in resolved.items()}
        # What no source has a price of its own for is priced as what contains it: that is told there.
        stated = {_COUNTS[key] for each in resolved.values() for key in each.keys() & _COUNTS.keys()}
        for count in (each for each in (*_WHOLES, *_OTHERS, _PER_CALL) if each in stated):
            told = {source: each.get(count) for source, each in costs.items()}
            known = [each for each in told.values() if each is not None]
            # What one source has no price of is a gap, unless it is of what all calls have.
            gap = len(known) < len(told) and count in {"input_tokens", "output_tokens"}
            if seen.get(count) != told and (gap or any(_differ(*pair) for pair in pairwise(sorted(known)))):
                seen[count] = told
                yield Disagreement(count, start, told)


def _costs(prices: Prices) -> Mapping[str, Decimal]:
    """By count what it costs where that is known: by its own price, or that of a count that contains it."""
    call = _cost({}, prices)
    known = dict(zip(rate.UNITS, rate.covered(prices), strict=True))
    known |= {name: any(key in prices for key in keys) for name, keys in rate.DURATIONS.items()}
    tokens = {
        count: dict.fromkeys((count, *wholes), _MILLION) for count, wholes in _WHOLES.items() if known[count]
    }
    others = {count: {count: number} for count, number in _OTHERS.items() if known[count]}
    found = {count: _cost(told, prices) - call for count, told in (tokens | others).items()}
    return found | {_PER_CALL: call}


def _cost(told: Mapping[str, int], prices: Prices) -> Decimal:
    return sum((line.amount for line in rate.lines(told, prices)), Decimal(0))


def _differ(one: Decimal, other: Decimal) -> bool:
    return differs(rate.plain(one), rate.plain(other))
