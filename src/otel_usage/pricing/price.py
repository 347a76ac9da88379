"""OBSERVATIONS to USAGE, in columns: each kind of call is quoted once, counts times weights make the cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import reported_cost
from otel_usage.model import MONEY, QUANTITY_COLUMNS, TOKEN_COLUMNS, USAGE
from otel_usage.names import Mask, Names, Rows, choose, constant
from otel_usage.pricing import kinds, reasons
from otel_usage.pricing.pricer import Pricer
from otel_usage.pricing.quote import Quote, Rate
from otel_usage.pricing.rate import DURATIONS, UNITS, billed_ns, for_hours

CURRENCY: Final = "USD"

_SCALE: Final = MONEY.scale
_LOW: Final = np.uint64(0xFFFF_FFFF)
_NO_WEIGHTS: Final = (Decimal(0),) * len(UNITS)
_NONE: Final = pa.scalar(None, MONEY)
_WIDE: Final = pa.decimal256(40, MONEY.scale)  # a sum of two has a digit more
_TOLD: Final = (
    *("model_id", "price_source", "price_key", "match_rule"),
    *("price_context", "effective_from", "unapplied_context", "price_rule"),
)

Counts = Mapping[str, npt.NDArray[np.int64]]
"""The counts and durations that some row has, by column; 0 where a row has none."""


@dataclass(frozen=True, slots=True)
class _Tiers:
    """Per row the start of its tier and the number of its rates, among those of all quotes."""

    start: npt.NDArray[np.int64]
    row: Rows
    listed: Sequence[Rate | None]
    billed: Sequence[Rate | None]


def price(observations: pa.Table, pricer: Pricer) -> pa.Table:
    """USAGE: the observations with their model, their cost, and where it comes from.

    The billed cost is NULL, with a reason, if the call is no inference (`rollup`), failed without an answer
    (`call_failed`), has no usage (`usage_missing`), one that its emitter made up (`estimated_usage`) or an
    impossible one (`impossible_usage`: parts larger than their whole), if the model or its price is unknown
    (`unknown_model`, `no_price`, `no_price_for_service_tier`), or if something that it used has no price
    (`unpriced_units`). The list cost is NULL too where only a rule has a price.
    """
    if not observations.num_rows:
        return _nothing()
    counts = _counts(observations)
    quotes, kind = kinds.quotes(observations, counts, pricer)
    tiers = _tiers(quotes, kind, counts.get("input_tokens"))
    reason = reasons.read(observations, quotes, kind, counts)
    unknown = reason.names.non_empty()
    listed = _cost(tiers.row, tiers.listed, counts, unknown | reason.unlisted)
    billed = listed
    if any(one is not other for one, other in zip(tiers.listed, tiers.billed, strict=True)):
        billed = _cost(tiers.row, tiers.billed, counts, unknown)
    rows = len(kind)
    fields = {name: choose(kind, [getattr(quote, name) for quote in quotes]).array() for name in _TOLD} | {
        "list_cost": listed,
        "billed_cost": billed,
        "currency": constant(CURRENCY, rows).array(),
        "unpriced_reason": reason.names.array(),
        "unpriced_units": reason.units.array(),
        "price_book": constant(pricer.book.name, rows).array(),
        "price_tier": pa.array(tiers.start.astype(np.uint32)),
        "unit_prices": _texts(tiers.row, tiers.listed, listed),
        "billed_unit_prices": _texts(tiers.row, tiers.billed, billed),
        "price_run": constant("", rows).array(),
    }
    if any(quote.reported for quote in quotes):
        _take_reported(observations, quotes, kind, fields)
    return pa.Table.from_arrays(
        [fields[name] if name in fields else observations[name] for name in USAGE.names], schema=USAGE
    )


def _counts(observations: pa.Table) -> Counts:
    return {
        name: column.combine_chunks().fill_null(0).to_numpy().astype(np.int64)
        for name in (*TOKEN_COLUMNS, *QUANTITY_COLUMNS)
        if (column := observations[name]).null_count < len(column)
    }


def _tiers(quotes: Sequence[Quote], kind: Rows, inputs: npt.NDArray[np.int64] | None) -> _Tiers:
    sizes = np.array([len(quote.tiers) for quote in quotes])
    base = np.cumsum(sizes) - sizes
    listed = [tier.listed for quote in quotes for tier in quote.tiers]
    billed = [tier.billed for quote in quotes for tier in quote.tiers]
    starts = [[tier.start for tier in quote.tiers[1:]] for quote in quotes]
    deepest = max(map(len, starts))
    if deepest == 0 or inputs is None:
        return _Tiers(np.zeros(len(kind), np.int64), base[kind], listed, billed)
    never = np.iinfo(np.int64).max
    table = np.array([[*each, *[never] * (deepest - len(each))] for each in starts])
    reached = (inputs[:, None] > table[kind]).sum(axis=1)
    bounds = np.concatenate([np.zeros((len(quotes), 1), np.int64), table], axis=1)
    return _Tiers(bounds[kind, reached], base[kind] + reached, listed, billed)


def _cost(row: Rows, rates: Sequence[Rate | None], counts: Counts, unknown: Mask) -> pa.Decimal128Array:
    """Per row, the dollars: counts times the weights of number `row`, exactly. NULL where unknown."""
    used = [i for i, name in enumerate(UNITS) if name in counts]
    weights = [
        [rate.weights.per_call, *(rate.weights.per_unit[i] for i in used)]
        if rate
        else [Decimal(0), *(_NO_WEIGHTS[i] for i in used)]
        for rate in rates
    ]
    scaled = np.array([[int(weight.scaleb(_SCALE)) for weight in each] for each in weights], dtype=np.int64)
    calls = np.ones(len(row), dtype=np.int64)
    quantities = np.stack([calls, *(counts[name] for i, name in enumerate(UNITS) if i in used)])
    cost = _money(quantities, scaled[row].T)
    if any(name in counts for name in DURATIONS):
        cost = _with_durations(cost, row, rates, counts)
    return pc.if_else(pa.array(unknown), _NONE, cost) if unknown.any() else cost


def _with_durations(
    cost: pa.Decimal128Array, row: Rows, rates: Sequence[Rate | None], counts: Counts
) -> pa.Decimal128Array:
    """The cost with that of audio by time.

    Row by row: it is rare, and a price by the hour is no whole number of anything by the nanosecond.
    """
    told = [counts.get(name) for name in DURATIONS]
    some = np.zeros(len(row), np.bool_)
    for durations in told:
        if durations is not None:
            some |= durations > 0
    added: list[Decimal] = [Decimal(0)] * len(row)
    for i in np.flatnonzero(some).tolist():
        rate = rates[row[i]]
        if rate is not None:
            terms = zip(told, rate.weights.per_hour, rate.weights.least_ns, strict=True)
            for each, hour, least in terms:
                if each is not None and hour is not None:
                    added[i] += for_hours(hour, billed_ns(int(each[i]), least))
    return pc.add(cost.cast(_WIDE), pa.array(added, _WIDE)).cast(MONEY)


def _money(quantities: npt.NDArray[np.int64], weights: npt.NDArray[np.int64]) -> pa.Decimal128Array:
    """The sums of quantities times weights, in 128 bits.

    A quantity is of 32 bits, a weight of 64; so a product is of 96, and is summed as its upper part and its
    lower 32 bits. The upper parts of a row, of each of UNITS and the call, have room in 64 bits as long as no
    weight is over DEAREST.
    """
    low = quantities.astype(np.uint64) * (weights.astype(np.uint64) & _LOW)
    lower = (low & _LOW).sum(axis=0)
    upper = (quantities * (weights >> 32)).sum(axis=0) + (low >> np.uint64(32)).sum(axis=0).astype(np.int64)
    upper += (lower >> np.uint64(32)).astype(np.int64)
    words = np.stack([(upper << 32) | (lower & _LOW).astype(np.int64), upper >> 32], axis=1)
    return pa.Array.from_buffers(MONEY, len(words), [None, pa.py_buffer(words)])


def _texts(row: Rows, rates: Sequence[Rate | None], cost: pa.Decimal128Array) -> pa.DictionaryArray:
    """The prices of each row as JSON; empty where the cost is unknown."""
    options = [rate.weights.text if rate else "" for rate in rates]
    if not cost.null_count:
        return choose(row, options).array()
    known = cost.is_valid().to_numpy(zero_copy_only=False)
    return choose(np.where(known, row, len(options)), [*options, ""]).array()


def _take_reported(
    observations: pa.Table, quotes: Sequence[Quote], kind: Rows, fields: dict[str, pa.Array]
) -> None:
    """Bill what emitters report, where a rule says so and they do. Row by row: it is JSON, and rare."""
    wanted = np.array([quote.reported for quote in quotes])[kind]
    wanted &= Names.of(observations["role"]).is_one_of(("inference",))
    billed, prices = fields["billed_cost"].to_pylist(), fields["billed_unit_prices"].to_pylist()
    reason, units = fields["unpriced_reason"].to_pylist(), fields["unpriced_units"].to_pylist()
    for i in np.flatnonzero(wanted).tolist():
        reported = reported_cost.read(observations["other_usage"][i].as_py())
        if reported is not None:
            billed[i], prices[i] = reported.amount.quantize(Decimal(1).scaleb(-_SCALE)), "{}"
            reason[i], units[i] = "", ""
    name = USAGE.field("unpriced_reason").type
    fields |= {
        "billed_cost": pa.array(billed, MONEY),
        "billed_unit_prices": pa.array(prices).dictionary_encode().cast(name),
        "unpriced_reason": pa.array(reason).dictionary_encode().cast(name),
        "unpriced_units": pa.array(units).dictionary_encode().cast(name),
    }


@cache
def _nothing() -> pa.Table:
    return USAGE.empty_table()
