"""What a token of each kind costs, as numbers to multiply counts with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

from genai_prices.data_units import unit_data
from genai_prices.decompose import is_descendant_or_self
from genai_prices.types import ModelPrice, TieredPrices
from genai_prices.units import UnitRegistry

UNITS: Final[Mapping[str, str]] = {
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
"""Our counts, and their names in genai-prices."""

DEAREST: Final = Decimal(1)
"""Dollars per token, or per call, above which a price is a fault of the data: a thousand times the dearest
model. It also keeps the sums of `price` within their words, for any counts that are taken."""

_PER_CALL: Final = "requests"

QUANTUM: Final = Decimal("1e-18")
"""Dollars: what a price of one token is rounded to, so that price times tokens is exact in MONEY."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Dollars per token of each count (in the order of UNITS), and per call, above `start` input tokens.

    Counts contain one another, so a weight is a difference: with input at 2.5 and cache_read at 1.25 per
    million, a cached token adds 2.5 as input and -1.25 as cache_read.
    """

    start: int
    per_token: tuple[Decimal, ...]
    per_call: Decimal

    @property
    def dearest(self) -> Decimal:
        """The largest of them, whatever its sign."""
        return max(abs(weight) for weight in (*self.per_token, self.per_call))


def weigh(price: ModelPrice) -> tuple[Weights, ...]:
    """The weights of each tier, the base first. Tiers are cliffs: a call has the prices of one tier."""
    prices = _prices(price)
    starts = {
        tier.start for value in prices.values() if isinstance(value, TieredPrices) for tier in value.tiers
    }
    leaves = _leaves(prices.keys() - {_PER_CALL})
    return tuple(_tier(prices, leaves, start) for start in (0, *sorted(starts)))


def covered(price: ModelPrice) -> tuple[bool, ...]:
    """Per count of UNITS, whether its cost is known: it, or a count that contains it, is priced."""
    units = _registry().units
    priced = _prices(price).keys()
    return tuple(
        any(is_descendant_or_self(units[key], units[name]) for key in priced) for name in UNITS.values()
    )


def _prices(price: ModelPrice) -> dict[str, Decimal | TieredPrices]:
    """The prices there are, by the unit they are for."""
    units = {unit.price_key: unit.usage_key for unit in _registry().units.values()}
    return {units[key]: value for key, value in price.__dict__.items() if value is not None and key in units}


def _leaves(priced: Iterable[str]) -> dict[str, dict[str, int]]:
    """Per priced unit, the counts to add and subtract to get what of it has no price more specific."""
    units = _registry().units
    leaves: dict[str, dict[str, int]] = {}
    for key in sorted(priced, key=lambda key: -len(units[key].dimensions)):
        leaf = {key: 1}
        for inner, parts in leaves.items():
            if is_descendant_or_self(units[key], units[inner]):
                for part, times in parts.items():
                    leaf[part] = leaf.get(part, 0) - times
        leaves[key] = leaf
    return leaves


def _tier(
    prices: Mapping[str, Decimal | TieredPrices], leaves: Mapping[str, Mapping[str, int]], start: int
) -> Weights:
    weight = dict.fromkeys(_registry().units, Decimal(0))
    for key, leaf in leaves.items():
        for part, times in leaf.items():
            weight[part] += times * _each(key, prices[key], start)
    per_call = _each(_PER_CALL, prices[_PER_CALL], start) if _PER_CALL in prices else Decimal(0)
    return Weights(start, tuple(weight[name] for name in UNITS.values()), per_call)


def _each(key: str, price: Decimal | TieredPrices, start: int) -> Decimal:
    """The price of one unit in the tier that begins at `start`."""
    if isinstance(price, TieredPrices):
        reached = [tier.price for tier in price.tiers if 0 < start >= tier.start]
        price = reached[-1] if reached else price.base
    return (price / _registry().units[key].per).quantize(QUANTUM)


@cache
def _registry() -> UnitRegistry:
    return UnitRegistry(unit_data)
