"""OBSERVATIONS to USAGE, in columns: each kind of call is quoted once, counts times weights make the cost."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.model import MONEY, TOKEN_COLUMNS, USAGE
from otel_usage.names import Mask, Names, Rows, choose, constant, groups, sizes
from otel_usage.pricing.book import BUCKET_NS, PriceBook, Quote
from otel_usage.pricing.rate import UNITS, Weights

CURRENCY: Final = "USD"

_KIND: Final = ("provider", "response_model", "request_model", "service_tier")
_SCALE: Final = MONEY.scale
_LOW: Final = np.uint64(0xFFFF_FFFF)
_UNPRICED: Final = Weights(0, (Decimal(0),) * len(UNITS), Decimal(0))


def price(observations: pa.Table, book: PriceBook) -> pa.Table:
    """USAGE: the observations with their model, their cost, and where it comes from.

    A cost is NULL, with a reason, if the call is no inference (`rollup`), failed without an answer
    (`call_failed`), has no usage (`usage_missing`), one that its emitter made up (`estimated_usage`) or an
    impossible one (`impossible_usage`: parts larger than their whole), if the model or its price is unknown
    (`unknown_model`, `no_price`, `no_price_for_service_tier`), or if a count of it has no price
    (`unpriced_tokens`).
    """
    if not observations.num_rows:
        return _nothing()
    quotes, kind = _quotes(observations, book)
    tokens = {name: observations[name].combine_chunks() for name in TOKEN_COLUMNS if _any(observations[name])}
    counts = {name: column.fill_null(0).to_numpy().astype(np.int64) for name, column in tokens.items()}
    tier, row = _tiers(quotes, kind, counts.get("input_tokens"))
    reason = _reasons(observations, quotes, kind, counts)
    cost = _cost(quotes, row, counts)
    cost = pc.if_else(pa.array(reason.non_empty()), pa.scalar(None, MONEY), cost)
    about = {
        name: choose(kind, [getattr(quote, name) for quote in quotes]).array()
        for name in ("model_id", "price_source", "price_key", "match_rule", "price_context")
    }
    fields = about | {
        "list_cost": cost,
        "billed_cost": cost,
        "currency": constant(CURRENCY, len(kind)).array(),
        "unpriced_reason": reason.array(),
        "price_book": constant(book.name, len(kind)).array(),
        "price_tier": pa.array(tier.astype(np.uint32)),
    }
    return pa.Table.from_arrays(
        [fields[name] if name in fields else observations[name] for name in USAGE.names], schema=USAGE
    )


def _any(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count < len(column))


def _quotes(observations: pa.Table, book: PriceBook) -> tuple[Sequence[Quote], Rows]:
    """The quotes of the kinds of calls there are, and per row which is its."""
    names = [Names.of(observations[name]) for name in _KIND]
    first, kind = groups([name.index for name in names])
    kinds = list(zip(*(name.take(first).texts() for name in names), strict=True))
    dated = np.array([book.dated(*each) for each in kinds], dtype=np.bool_)
    bucket = observations["started_at"].to_numpy().astype(np.int64) // BUCKET_NS
    if dated.any():
        bucket = np.where(dated[kind], bucket, bucket.min())
        first, finer = groups([kind, bucket - bucket.min()])
        return [book.quote(*kinds[kind[row]], int(bucket[row])) for row in first.tolist()], finer
    return [book.quote(*each, 0) for each in kinds], kind


def _tiers(
    quotes: Sequence[Quote], kind: Rows, inputs: npt.NDArray[np.int64] | None
) -> tuple[npt.NDArray[np.int64], Rows]:
    """Per row, where its tier starts, and the number of its weights among those of all quotes."""
    sizes = np.array([max(len(quote.tiers), 1) for quote in quotes])
    base = np.cumsum(sizes) - sizes
    starts = [[weights.start for weights in quote.tiers[1:]] for quote in quotes]
    deepest = max((len(each) for each in starts), default=0)
    if deepest == 0 or inputs is None:
        return np.zeros(len(kind), np.int64), base[kind]
    never = np.iinfo(np.int64).max
    table = np.array([[*each, *[never] * (deepest - len(each))] for each in starts])
    reached = (inputs[:, None] > table[kind]).sum(axis=1)
    bounds = np.concatenate([np.zeros((len(quotes), 1), np.int64), table], axis=1)
    return bounds[kind, reached], base[kind] + reached


def _cost(quotes: Sequence[Quote], row: Rows, counts: dict[str, npt.NDArray[np.int64]]) -> pa.Decimal128Array:
    """Per row, the dollars: counts times the weights of number `row`, exactly."""
    used = [i for i, name in enumerate(UNITS) if name in counts]
    weights = [
        [weights.per_call, *(weights.per_token[i] for i in used)]
        for quote in quotes
        for weights in quote.tiers or (_UNPRICED,)
    ]
    scaled = np.array([[int(weight.scaleb(_SCALE)) for weight in each] for each in weights], dtype=np.int64)
    calls = np.ones(len(row), dtype=np.int64)
    quantities = np.stack([calls, *(counts[name] for i, name in enumerate(UNITS) if i in used)])
    return _money(quantities, scaled[row].T)


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


def _reasons(
    observations: pa.Table, quotes: Sequence[Quote], kind: Rows, counts: dict[str, npt.NDArray[np.int64]]
) -> Names:
    """Per row, why its cost is unknown: the last of these that holds."""
    own = sorted({quote.reason for quote in quotes} | {""})
    told = (
        "unpriced_tokens",
        "impossible_usage",
        "estimated_usage",
        "usage_missing",
        "call_failed",
        "rollup",
    )
    names = [*own, *told]
    reason = np.array([own.index(quote.reason) for quote in quotes])[kind]
    status = Names.of(observations["usage_status"])
    missing = status.is_one_of(("missing",))
    answered = Names.of(observations["response_model"]).non_empty()
    answered |= sizes(observations["response_id"].combine_chunks()) > 0
    failed = Names.of(observations["error_type"]).non_empty()
    rollup = Names.of(observations["role"]).is_one_of(("rollup",))
    for name, holds in {
        "unpriced_tokens": _uncovered(quotes, kind, counts) & (reason == own.index("")),
        "impossible_usage": _impossible(counts, len(kind)),
        "estimated_usage": status.is_one_of(("estimated",)),
        "usage_missing": missing,
        "call_failed": missing & failed & ~answered,
        "rollup": rollup,
    }.items():
        reason[holds] = names.index(name)
    return choose(reason, names)


def _uncovered(quotes: Sequence[Quote], kind: Rows, counts: dict[str, npt.NDArray[np.int64]]) -> Mask:
    """Per row, whether it has tokens of a kind that its price doesn't speak of."""
    result = np.zeros(len(kind), dtype=np.bool_)
    for i, name in enumerate(UNITS):
        lacking = np.array([bool(quote.covered) and not quote.covered[i] for quote in quotes])
        if name in counts and lacking.any():
            result |= lacking[kind] & (counts[name] > 0)
    return result


def _impossible(counts: dict[str, npt.NDArray[np.int64]], rows: int) -> Mask:
    """Per row, whether parts exceed their whole."""
    zero = np.zeros(rows, np.int64)
    of = {name: counts.get(name, zero) for name in TOKEN_COLUMNS}
    cached_audio = of["cache_read_audio_tokens"]
    plain_input = (
        of["input_tokens"]
        - of["cache_read_tokens"]
        - of["cache_write_tokens"]
        - of["input_audio_tokens"]
        - of["input_image_tokens"]
        + cached_audio
    )
    plain_output = of["output_tokens"] - of["output_audio_tokens"] - of["output_image_tokens"]
    return (
        (plain_input < 0)
        | (plain_output < 0)
        | (of["reasoning_tokens"] > of["output_tokens"])
        | (of["cache_write_1h_tokens"] > of["cache_write_tokens"])
        | (cached_audio > np.minimum(of["cache_read_tokens"], of["input_audio_tokens"]))
    )


@cache
def _nothing() -> pa.Table:
    return USAGE.empty_table()
