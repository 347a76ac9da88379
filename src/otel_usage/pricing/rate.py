"""What one unit of each kind costs, as numbers to multiply counts with; and the lines of a receipt."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

from genai_prices.data_units import unit_data
from genai_prices.decompose import is_descendant_or_self
from genai_prices.types import ModelPrice, TieredPrices
from genai_prices.units import UnitRegistry

Prices = Mapping[str, Decimal]
"""US dollars by price key: of a million tokens `input_mtok`, of an hour `audio_hours`, and so on. With the
terms they hold at: see MINIMUMS."""

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
    "input_characters": "input_characters",
    "web_searches": "web_searches",
    "rerank_searches": "rerank_searches",
    "output_images": "output_images",
}
"""Our counts, and their names in genai-prices, or among OWN_UNITS."""

OWN_UNITS: Final[Mapping[str, Mapping[str, Any]]] = {
    "output_images": {
        "per": 1_000,
        "price_key": "output_images_kcount",
        "dimensions": {"family": "images", "direction": "output"},
    },
}
"""Units that genai-prices does not have, in its form."""

DURATIONS: Final[Mapping[str, Sequence[str]]] = {
    "input_audio_ns": ("input_audio_hours", "audio_hours"),
    "output_audio_ns": ("output_audio_hours", "audio_hours"),
}
"""Our durations, and the price keys that they are paid by: the first there is."""

MINIMUMS: Final[Mapping[str, str]] = {"input_audio_ns": "input_audio_minimum_seconds"}
"""By duration the key of a term, which is no price: as how many seconds any shorter audio is billed."""

DEAREST: Final = Decimal(1)
"""Dollars per unit, or per call, above which a price is a fault of the data: a thousand times the dearest
model. It also keeps the sums of `price` within their words, for any counts that are taken."""

QUANTUM: Final = Decimal("1e-18")
"""Dollars: what a price of one unit is rounded to, so that price times count is exact in MONEY."""

HOUR_NS: Final = 3_600 * 10**9

_SECOND_NS: Final = 10**9
_PER_CALL: Final = "requests"
_TOKENS: Final = "tokens"


@dataclass(frozen=True, slots=True)
class Weights:
    """Dollars per unit of each count (in the order of UNITS), and per call.

    Counts contain one another, so a weight is a difference: with input at 2.5 and cache_read at 1.25 per
    million, a cached token adds 2.5 as input and -1.25 as cache_read.
    """

    per_unit: tuple[Decimal, ...]
    per_call: Decimal
    per_hour: tuple[Decimal | None, ...]
    """Of each of DURATIONS, dollars an hour; None: not priced by time."""
    least_ns: tuple[int, ...]
    """Of each of DURATIONS, the nanoseconds that any audio is billed as at the least."""
    text: str
    """The prices as JSON: price key to decimal text."""

    @property
    def dearest(self) -> Decimal:
        """The largest of them, whatever its sign. An hour counts as its second."""
        hours = (each / 3_600 for each in self.per_hour if each is not None)
        return max(abs(weight) for weight in (*self.per_unit, self.per_call, *hours))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a receipt: `quantity` of a unit that is priced at `price` for each `per` of it.

    `unit` is genai-prices' word (`cache_read_tokens`); of audio the quantity is the nanoseconds that are
    billed, and `per` an hour of them. `quantity` is what no other line has: input without its cached tokens.
    """

    unit: str
    quantity: int
    price: Decimal
    per: int

    @property
    def unit_price(self) -> Decimal:
        """Dollars for one unit; of audio for an hour."""
        return self.price if self.per == HOUR_NS else _one(self.price, self.per)

    @property
    def amount(self) -> Decimal:
        """Dollars. The amounts of a receipt add up to its cost exactly."""
        if self.per == HOUR_NS:
            return for_hours(self.price, self.quantity)
        return self.quantity * _one(self.price, self.per)


def price_keys() -> Mapping[str, str]:
    """The price keys that a call can be priced by, and the counts or durations they are for."""
    registry = _registry()
    keys = {registry.units[unit].price_key: count for count, unit in UNITS.items()}
    hours = {key: duration for duration, keys in DURATIONS.items() for key in keys}
    return keys | hours | {registry.units[_PER_CALL].price_key: _PER_CALL}


def book_keys() -> frozenset[str]:
    """The keys that the prices of a book can have: of all units there are, and of terms."""
    return frozenset(unit.price_key for unit in _registry().units.values()) | {*MINIMUMS.values()}


def starts(price: ModelPrice) -> Sequence[int]:
    """The input tokens above which each tier of prices holds: 0, and those of the dearer ones."""
    tiered = (value for value in price.__dict__.values() if isinstance(value, TieredPrices))
    return (0, *sorted({tier.start for value in tiered for tier in value.tiers}))


def resolved(price: ModelPrice, start: int) -> Prices:
    """The prices of the tier that begins at `start`. Tiers are cliffs: a call has the prices of one tier."""
    known = book_keys()
    return {
        key: _in_tier(value, start)
        for key, value in price.__dict__.items()
        if value is not None and key in known
    }


def times(prices: Prices, multiplier: Decimal) -> Prices:
    """The prices times a number, that of one unit (or of an hour) rounded to QUANTUM; terms as they are."""
    terms, hours = {*MINIMUMS.values()}, {key for keys in DURATIONS.values() for key in keys}
    per = {key: 1 if key in hours else _per(key) for key in prices.keys() - terms}
    return {
        key: _one(value * multiplier, per[key]) * per[key] if key in per else value
        for key, value in prices.items()
    }


def weigh(prices: Prices) -> Weights:
    """What counts and durations are to be multiplied with."""
    weight = dict.fromkeys(_registry().units, Decimal(0))
    units = _by_unit(prices)
    for key, leaf in _leaves(units.keys() - {_PER_CALL}).items():
        for part, sign in leaf.items():
            weight[part] += sign * _one(units[key], _registry().units[key].per)
    per_call = _one(units[_PER_CALL], _registry().units[_PER_CALL].per) if _PER_CALL in units else Decimal(0)
    return Weights(
        tuple(weight[name] for name in UNITS.values()),
        per_call,
        _per_hour(prices),
        tuple(_least_ns(prices, duration) for duration in DURATIONS),
        to_text(prices),
    )


def covered(prices: Prices) -> tuple[bool, ...]:
    """Per count of UNITS, whether its cost is known: it, or a count that contains it, is priced."""
    units = _registry().units
    priced = _by_unit(prices).keys()
    return tuple(
        any(is_descendant_or_self(units[key], units[name]) for key in priced) for name in UNITS.values()
    )


def lines(quantities: Mapping[str, int], prices: Prices) -> Sequence[Line]:
    """The lines of a call's receipt. `quantities`: its counts and durations by column name."""
    units = _by_unit(prices)
    counts = dict.fromkeys(_registry().units, 0)
    counts |= {unit: quantities.get(count, 0) for count, unit in UNITS.items()}
    result = [
        Line(key, quantity, units[key], _registry().units[key].per)
        for key, leaf in _leaves(units.keys() - {_PER_CALL}).items()
        if (quantity := sum(sign * counts[part] for part, sign in leaf.items()))
    ]
    for duration, keys in DURATIONS.items():
        if quantity := billed_ns(quantities.get(duration, 0), _least_ns(prices, duration)):
            result += [Line(duration, quantity, prices[key], HOUR_NS) for key in keys if key in prices][:1]
    if _PER_CALL in units:
        result.append(Line(_PER_CALL, 1, units[_PER_CALL], _registry().units[_PER_CALL].per))
    order = list(_registry().units)
    return sorted(result, key=lambda line: order.index(line.unit) if line.unit in order else len(order))


def billed_ns(duration_ns: int, least_ns: int) -> int:
    """The nanoseconds that are billed: of no audio none, of any other `least_ns` at the least."""
    return max(duration_ns, least_ns) if duration_ns else 0


def for_hours(price: Decimal, duration_ns: int) -> Decimal:
    """Dollars for a duration at a price per hour, rounded to QUANTUM: a second's price need not be finite."""
    return (price * duration_ns / HOUR_NS).quantize(QUANTUM)


def to_text(prices: Prices) -> str:
    """The prices as JSON."""
    return json.dumps({key: plain(prices[key]) for key in sorted(prices)}, separators=(",", ":"))


def from_text(text: str) -> Prices:
    """The prices of a row, from its JSON; none of an empty text."""
    return {key: Decimal(value) for key, value in json.loads(text).items()} if text else {}


def plain(value: Decimal) -> str:
    """A decimal as people write it: 2.5 for 2.500, 10 for 1E+1."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _in_tier(price: Decimal | TieredPrices, start: int) -> Decimal:
    if not isinstance(price, TieredPrices):
        return price
    reached = [tier.price for tier in price.tiers if 0 < start >= tier.start]
    return reached[-1] if reached else price.base


def _by_unit(prices: Prices) -> Mapping[str, Decimal]:
    """The prices of what is counted, by unit. Durations are priced apart: they are no whole units."""
    units = {unit.price_key: unit for unit in _registry().units.values()}
    apart = {key for keys in DURATIONS.values() for key in keys} | {*MINIMUMS.values()}
    return {units[key].usage_key: value for key, value in prices.items() if key not in apart}


def _per_hour(prices: Prices) -> tuple[Decimal | None, ...]:
    return tuple(next((prices[key] for key in keys if key in prices), None) for keys in DURATIONS.values())


def _least_ns(prices: Prices, duration: str) -> int:
    return int(prices.get(MINIMUMS.get(duration, ""), 0) * _SECOND_NS)


def _leaves(priced: Iterable[str]) -> dict[str, dict[str, int]]:
    """Per priced unit, the counts to add and subtract to get what of it has no price more specific."""
    units = _registry().units
    leaves: dict[str, dict[str, int]] = {}
    for key in sorted(priced, key=lambda key: (-len(units[key].dimensions), key)):
        leaf = {key: 1}
        for inner, parts in leaves.items():
            if is_descendant_or_self(units[key], units[inner]):
                for part, sign in parts.items():
                    leaf[part] = leaf.get(part, 0) - sign
        leaves[key] = leaf
    return leaves


def _one(price: Decimal, per: int) -> Decimal:
    return (price / per).quantize(QUANTUM)


def _per(price_key: str) -> int:
    return _registry().unit_for_price_key(price_key).per


@cache
def _registry() -> UnitRegistry:
    return UnitRegistry({**unit_data, **OWN_UNITS})
