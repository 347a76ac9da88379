"""What a span or log record must satisfy to be billed, and what its sender is told when it does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage.columns import Pivot
from otel_usage.names import Mask
from otel_usage.otlp.values import scalar

_REASONS_TOLD: Final = 5  # per request; the other rejected spans are counted
_VALUE_SHOWN: Final = 40  # characters of a bad value

EXPIRED: Final = "is of a day whose rows are no longer kept"
"""Why a call is rejected that may have been charged before: whether it was is not known any more."""


@dataclass(frozen=True, slots=True)
class Check:
    """A rule, and the rows that fail it. `aliases` are the attributes at fault, if attributes are."""

    field: str
    failed: Mask
    problem: str
    aliases: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """The rows that fail a check; per request how many, and why."""

    rows: Mask
    counts: npt.NDArray[np.int64]
    messages: Sequence[str]


def reject(  # noqa: PLR0913 (what to judge by, and what to call it)
    checks: Sequence[Check],
    found: Pivot,
    request: npt.NDArray[np.int64],
    *,
    span_ids: pa.Array,
    signal: str,
    requests: int,
) -> Rejection:
    """Judge the rows; `request` says which request each is from, `signal` and `span_ids` what it is."""
    rows = np.zeros(len(request), dtype=np.bool_)
    for check in checks:
        rows |= check.failed
    counts = np.bincount(request[rows], minlength=requests)
    reasons: list[list[str]] = [[] for _ in range(requests)]
    for row in np.flatnonzero(
        rows
    ).tolist():  # row by row: only the rejected, and of each request the first few
        told = reasons[request[row]]
        if len(told) < _REASONS_TOLD:
            told.append(f"{signal} {span_ids[row].as_py().hex()}: {_reason(checks, found, row)}")
    return Rejection(
        rows, counts, [_message(told, int(count)) for told, count in zip(reasons, counts, strict=True)]
    )


def _reason(checks: Sequence[Check], found: Pivot, row: int) -> str:
    check = next(check for check in checks if check.failed[row])
    for alias in check.aliases:
        position = int(found.first([alias])[row])
        if position >= 0:
            return f"{alias} = {_shown(found, position)} {check.problem}"
    return f"{check.field} {check.problem}"


def _shown(found: Pivot, position: int) -> str:
    value = scalar(found.values[position].as_py())
    text = "(bytes, an array or a map)" if isinstance(value, bytes) else repr(value)
    return text if len(text) <= _VALUE_SHOWN else text[:_VALUE_SHOWN] + "..."


def _message(told: Sequence[str], count: int) -> str:
    more = f"; and {count - len(told)} more" if count > len(told) else ""
    return "; ".join(told) + more
