"""POINTS to TOKEN_POINTS: the metrics that count tokens, kept to check the bill with.

They are never billed: the same tokens are in the spans or log records of the same calls, and a metric cannot
say which call it counts. What is metered and not billed is a call that did not come.

The rules, in words:

- A point **counts tokens** if its metric is one of `dialects.metrics`, says which tokens, is a counter or a
  histogram (whose sum is meant), has a value, and is not about an operation that repeats others (an agent's).
  Any other is *ignored*.
- One that does is *rejected*, with the reason, if its value is no count of tokens, it has no temporality, or
  its time is missing, before 2020 or after the clock.
- A start that is missing, or after the point, is unknown: 0.
- `model` is as the metric names it: the model that answered, else the one asked for; empty if it names none.
- `series` tells the points of one counter from those of others (`series.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage import columns, series
from otel_usage.columns import Fields, Wanted
from otel_usage.dialects import metrics
from otel_usage.dialects.dialect import INFERENCES
from otel_usage.ledger import EmitterOutcome
from otel_usage.model import (
    EARLIEST_NS,
    NAME,
    TIMESTAMP,
    Resource,
    Signal,
)
from otel_usage.names import Mask, Names, Rows, choose, constant, groups
from otel_usage.otlp.signals import CUMULATIVE, DELTA, EXPONENTIAL_HISTOGRAM, HISTOGRAM, SUM, Points
from otel_usage.otlp.values import spelled

TOKEN_POINTS: Final = pa.schema(
    [
        pa.field("tenant", NAME, nullable=False),
        pa.field("service_name", NAME, nullable=False),
        pa.field("scope_name", NAME, nullable=False),
        pa.field("metric", NAME, nullable=False),
        pa.field("model", NAME, nullable=False),
        pa.field("token_type", NAME, nullable=False),
        pa.field("temporality", NAME, nullable=False),
        pa.field("series", pa.uint64(), nullable=False),
        pa.field("start_at", TIMESTAMP, nullable=False),
        pa.field("at", TIMESTAMP, nullable=False),
        pa.field("value", pa.uint64(), nullable=False),
    ]
)
"""One row per data point that counts tokens: the columns of the ClickHouse table `token_points`, in its
order. `token_type` is one of `dialects.metrics.TOKEN_TYPES`. `value` was counted between `start_at` and `at`:
anew in each point (`temporality` is `delta`), or on top of the points before (`cumulative`)."""

MAX_VALUE: Final = 10**15
"""Tokens that one counter may have counted: a million of the largest calls, and exact in a double."""

_FIELDS: Final[Fields] = {
    "token_type": metrics.TYPE,
    "model": metrics.MODEL,
    "provider": metrics.PROVIDER,
    "operation": metrics.OPERATION,
}
_SERVICE_NAME: Final = "service.name"
_TEMPORALITIES: Final = (DELTA, CUMULATIVE)
_HISTOGRAMS: Final = (HISTOGRAM, EXPONENTIAL_HISTOGRAM)
_REASONS_TOLD: Final = 5  # per request; the other rejected points are counted

_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Metered:
    """TOKEN_POINTS, and what became of the points: per request, and by emitter."""

    table: pa.Table
    received: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.int64]
    rejected: npt.NDArray[np.int64]
    messages: Sequence[str]
    """Per request, why points were rejected; empty where none were."""
    emitters: Sequence[EmitterOutcome]


def token_points(points: Points, tenants: Sequence[str], *, now_ns: int, max_clock_skew_ns: int) -> Metered:
    """The points that count tokens. `tenants` has the owner of each request.

    A point later than `now_ns + max_clock_skew_ns` is rejected.
    """
    counted = _counted(points)
    problems = _problems(counted, now_ns + max_clock_skew_ns)
    wrong = np.any([failed for failed, _ in problems], axis=0)
    table = _table(points, counted, tenants)
    request = points.rows["request"].to_numpy()
    received, taken, rejected = (
        np.bincount(request[rows], minlength=len(tenants))
        for rows in (slice(None), counted.rows, counted.rows[wrong])
    )
    return Metered(
        table.filter(pa.array(~wrong)),
        received,
        received - taken,
        rejected,
        _messages(counted, problems, request, rejected),
        _emitters(points, counted.rows, counted.rows[wrong]),
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """The points that count tokens: which they are (`rows`), and per point what it says."""

    rows: Rows
    batch: pa.RecordBatch
    metric: Names
    model: Names
    token_type: Names


def _counted(points: Points) -> _Counted:
    kind, metric = Names.of(points.rows["kind"]), Names.of(points.rows["name"])
    counter = kind.is_one_of(_HISTOGRAMS) | (
        kind.is_one_of((SUM,)) & points.rows["is_monotonic"].to_numpy(zero_copy_only=False)
    )
    valued = points.rows["value"].is_valid().to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(counter & valued & metric.is_one_of(_meters()))
    found = columns.pivot(points.attributes, points.rows.num_rows, _wanted()).take(rows)
    said = dict.fromkeys(_FIELDS, constant("", 0))
    if len(rows):
        said = {name: column.names for name, column in columns.names(found, _FIELDS).items()}
    metric = metric.take(rows)
    token_type = _token_types(metric, _scope_names(points).take(rows), said)
    told = np.flatnonzero(token_type.non_empty())
    rows = rows[told]
    batch = points.rows.take(pa.array(rows))
    return _Counted(rows, batch, metric.take(told), said["model"].take(told), token_type.take(told))


def _token_types(metric: Names, scope: Names, said: dict[str, Names]) -> Names:
    """Per point, what it counts; empty if that is nothing to compare. Decided once for each kind of point."""
    columns_ = (metric, scope, said["provider"], said["token_type"], said["operation"])
    first, group = groups([column.index for column in columns_])
    kinds = zip(*(column.take(first).array().to_pylist() for column in columns_), strict=True)
    return choose(group, [_token_type(*kind) for kind in kinds] or [""])


def _token_type(metric: str, scope: str, provider: str, said: str, operation: str) -> str:
    if operation not in ("", *INFERENCES):
        return ""
    counts = _meters()[metric]
    token_type = counts.get(metrics.ANY) or counts.get(said, "")
    for reading in metrics.READINGS:
        if (reading.scope, reading.said) == (scope, token_type) and (
            not reading.providers or provider in reading.providers
        ):
            return reading.meant
    return token_type


def _table(points: Points, counted: _Counted, tenants: Sequence[str]) -> pa.Table:
    batch, resource = counted.batch, counted.batch["resource"].to_numpy()
    at, start_at = _times(batch)
    value = batch["value"].to_numpy()
    fields = {
        "tenant": choose(batch["request"].to_numpy(), tenants or [""]).array(),
        "service_name": choose(resource, _services(points.resources)).array(),
        "scope_name": _scope_names(points).take(counted.rows).array(),
        "metric": counted.metric.array(),
        "model": counted.model.array(),
        "token_type": counted.token_type.array(),
        "temporality": batch["temporality"],
        "series": pa.array(series.of(points, counted.rows)),
        "start_at": pa.array(start_at).cast(TIMESTAMP),
        "at": pa.array(at).cast(TIMESTAMP),
        "value": pa.array(np.where(_is_count(value), value, 0).astype(np.uint64)),
    }
    return pa.Table.from_arrays([fields[name] for name in TOKEN_POINTS.names], schema=TOKEN_POINTS)


def _times(batch: pa.RecordBatch) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """When each point was, and since when it counts."""
    at, start = batch["time_unix_nano"].to_numpy(), batch["start_time_unix_nano"].to_numpy()
    at = np.minimum(at, np.uint64(np.iinfo(np.int64).max))  # the later ones are rejected
    return at.astype(np.int64), np.where(start > at, np.uint64(0), start).astype(np.int64)


def _is_count(value: npt.NDArray[np.float64]) -> Mask:
    return (value >= 0) & (value <= MAX_VALUE) & (value == np.floor(value))


def _problems(counted: _Counted, latest_ns: int) -> Sequence[tuple[Mask, str]]:
    """The checks: which points fail each, and what it says of them."""
    at, _ = _times(counted.batch)
    return (
        (~_is_count(counted.batch["value"].to_numpy()), "its value is no count of tokens"),
        (~Names.of(counted.batch["temporality"]).is_one_of(_TEMPORALITIES), "it has no temporality"),
        (
            (at < EARLIEST_NS) | (at > latest_ns),
            "time_unix_nano is missing, in the future, or before 2020 (nanoseconds are expected)",
        ),
    )


def _messages(
    counted: _Counted, problems: Sequence[tuple[Mask, str]], request: Rows, rejected: npt.NDArray[np.int64]
) -> Sequence[str]:
    told: list[list[str]] = [[] for _ in rejected]
    wrong = np.any([failed for failed, _ in problems], axis=0)
    for row in np.flatnonzero(wrong).tolist():  # row by row: only the rejected, of each request the first few
        reasons = told[request[counted.rows[row]]]
        if len(reasons) < _REASONS_TOLD:
            metric = counted.metric.dictionary[int(counted.metric.index[row])]
            reasons.append(f"metric {metric}: {next(problem for failed, problem in problems if failed[row])}")
    return [
        "; ".join(reasons) + (f"; and {count - len(reasons)} more" if count > len(reasons) else "")
        for reasons, count in zip(told, rejected.tolist(), strict=True)
    ]


def _emitters(points: Points, taken: Rows, wrong: Rows) -> Sequence[EmitterOutcome]:
    scope = _scope_names(points)
    received, counted, rejected = (
        np.bincount(scope.index[rows], minlength=len(scope.dictionary)).tolist()
        for rows in (slice(None), taken, wrong)
    )
    return [
        EmitterOutcome(
            Signal.METRICS,
            name,
            received=received[i],
            stored=counted[i] - rejected[i],
            ignored=received[i] - counted[i],
            rejected=rejected[i],
        )
        for i, name in enumerate(scope.dictionary.to_pylist())
        if received[i]
    ]


def _scope_names(points: Points) -> Names:
    scope = points.rows["scope"].to_numpy()
    return choose(scope, [columns.short(each.name) for each in points.scopes] or [""])


def _services(resources: Sequence[Resource]) -> Sequence[str]:
    names = [spelled(each.attributes.get(_SERVICE_NAME)) or "" for each in resources]
    return [columns.short(name) for name in names] or [""]


@cache
def _wanted() -> Wanted:
    return Wanted.of(name for names in _FIELDS.values() for name in names)


@cache
def _meters() -> dict[str, dict[str, str]]:
    return {meter.metric: dict(meter.counts) for meter in metrics.METERS}
