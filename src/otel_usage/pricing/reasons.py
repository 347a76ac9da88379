"""Why the cost of a call is unknown, if it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage.model import TOKEN_COLUMNS
from otel_usage.names import Mask, Names, Rows, choose, sizes
from otel_usage.pricing.quote import Quote, Rate
from otel_usage.pricing.rate import UNITS

_ALL: Final = (True,) * len(UNITS)
_UNPRICED: Final = "unpriced_units"
_BY_ROW: Final = (
    _UNPRICED,
    "impossible_usage",
    "estimated_usage",
    "usage_missing",
    "call_failed",
    "rollup",
)

Counts = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Reasons:
    """Per row: why nothing is billed (empty: something is), and what of it has no price.

    `unlisted`: whether its list cost is unknown for a reason of its own.
    """

    names: Names
    units: Names
    unlisted: Mask


def read(observations: pa.Table, quotes: Sequence[Quote], kind: Rows, counts: Counts) -> Reasons:
    """The reasons: of several that hold the last one counts."""
    own = sorted({quote.reason for quote in quotes} | {""})
    names = [*own, *_BY_ROW]
    reason = np.array([own.index(quote.reason) for quote in quotes])[kind]
    unbilled = _uncovered([quote.tiers[0].billed for quote in quotes], kind, counts)
    unbilled &= reason == own.index("")
    status = Names.of(observations["usage_status"])
    missing = status.is_one_of(("missing",))
    answered = Names.of(observations["response_model"]).non_empty()
    answered |= sizes(observations["response_id"].combine_chunks()) > 0
    failed = Names.of(observations["error_type"]).non_empty()
    holds = (
        unbilled,
        _impossible(counts, len(kind)),
        status.is_one_of(("estimated",)),
        missing,
        missing & failed & ~answered,
        Names.of(observations["role"]).is_one_of(("rollup",)),
    )
    for name, mask in zip(_BY_ROW, holds, strict=True):
        reason[mask] = names.index(name)
    return Reasons(
        choose(reason, names), _units(quotes, kind, counts, unbilled), _unlisted(quotes, kind, counts)
    )


def _unlisted(quotes: Sequence[Quote], kind: Rows, counts: Counts) -> Mask:
    listed = [quote.tiers[0].listed for quote in quotes]
    lacking = np.array([rate is None for rate in listed])[kind]
    if all(quote.tiers[0].billed is rate for quote, rate in zip(quotes, listed, strict=True)):
        return lacking  # what is not covered is not billed either
    return lacking | _uncovered(listed, kind, counts)


def _uncovered(rates: Sequence[Rate | None], kind: Rows, counts: Counts) -> Mask:
    """Per row, whether it has a count that its price doesn't speak of."""
    result = np.zeros(len(kind), dtype=np.bool_)
    covered = np.array([rate.covered if rate is not None else _ALL for rate in rates])
    for i, name in enumerate(UNITS):
        if name in counts and not covered[:, i].all():
            result |= ~covered[kind, i] & (counts[name] > 0)
    return result


def _units(quotes: Sequence[Quote], kind: Rows, counts: Counts, unbilled: Mask) -> Names:
    """What each row used and has no price for. Row by row where there is any: it is rare."""
    texts = [quote.unpriced_units for quote in quotes]
    number = kind.copy()
    for row in np.flatnonzero(unbilled).tolist():
        rate = quotes[kind[row]].tiers[0].billed
        lacking = [
            name
            for i, name in enumerate(UNITS)
            if rate is not None and not rate.covered[i] and name in counts and counts[name][row] > 0
        ]
        number[row] = len(texts)
        texts.append(",".join(lacking))
    return choose(number, texts)


def _impossible(counts: Counts, rows: int) -> Mask:
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
    plain_output = (
        of["output_tokens"] - of["output_audio_tokens"] - of["output_image_tokens"] - of["reasoning_tokens"]
    )
    return (
        (plain_input < 0)
        | (plain_output < 0)
        | (of["cache_write_1h_tokens"] > of["cache_write_tokens"])
        | (cached_audio > np.minimum(of["cache_read_tokens"], of["input_audio_tokens"]))
    )
