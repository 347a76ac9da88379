"""The OTLP requests of one commit, decoded and read, all signals together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage import columns, coverage, events, extract
from otel_usage.chains import Keys
from otel_usage.extract import EmitterCount
from otel_usage.ledger import EmitterOutcome
from otel_usage.lineage import span_keys, trace_keys
from otel_usage.model import CLAIMS, EARLIEST_NS, OBSERVATIONS, Outcome, Signal, Spans
from otel_usage.names import Names, Rows, choose
from otel_usage.otlp.decode import decode, decode_logs, decode_metrics
from otel_usage.resolve import DUPLICATE, INFERENCE, ROLLUP

_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Export:
    """An encoded OTLP request of a tenant."""

    body: bytes
    tenant: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of a commit, how much later a call may claim to be, and the earliest time; in nanoseconds."""

    now_ns: int
    max_skew_ns: int
    earliest_ns: int = EARLIEST_NS


@dataclass(frozen=True, slots=True)
class Paths:
    """Of all spans that came: their keys, those of their parents, and those of their traces."""

    spans: Keys
    parents: Keys
    traces: Keys


@dataclass(frozen=True, slots=True)
class Batch:
    """What came. `request` in `observations` is the index of the export."""

    observations: pa.Table
    claims: pa.Table
    points: pa.Table
    paths: Paths
    _parts: Sequence["_Part"]

    def outcomes(self, roles: Rows) -> Sequence[Outcome]:
        """What became of each export. `roles`: per observation what it is, as in `resolve.ROLES`."""
        result: dict[int, Outcome] = {}
        start = 0
        for part in self._parts:
            mine = roles[start : start + part.observations.num_rows]
            start += part.observations.num_rows
            result |= zip(part.exports.tolist(), part.outcomes(mine), strict=True)
        return [result[number] for number in sorted(result)]

    def emitters(self, roles: Rows) -> Sequence[EmitterOutcome]:
        """What became of the items of each emitter."""
        result: list[EmitterOutcome] = []
        start = 0
        for part in self._parts:
            end = start + part.observations.num_rows
            result += part.emitter_outcomes(roles[start:end])
            start = end
        return result


def read(exports: Sequence[Export], clock: Clock, max_rows: int) -> Batch:
    """Decode and read exports. Raises Permanent if one cannot be decoded, TooMany if they have more rows."""
    signals = {each.signal for each in exports}
    mine = {signal: [i for i, each in enumerate(exports) if each.signal is signal] for signal in signals}
    parts: list[_Part] = []
    paths = _no_paths()
    if chosen := mine.get(Signal.TRACES):
        spans = decode([exports[i].body for i in chosen])
        _bound(spans.rows.num_rows, exports, max_rows)
        tenants = [exports[i].tenant for i in chosen]
        paths = _paths(spans, tenants)
        found = extract.observations(
            spans,
            tenants,
            now_ns=clock.now_ns,
            max_clock_skew_ns=clock.max_skew_ns,
            earliest_ns=clock.earliest_ns,
        )
        parts.append(_part(Signal.TRACES, chosen, found))
    if chosen := mine.get(Signal.LOGS):
        records = decode_logs([exports[i].body for i in chosen])
        _bound(records.rows.num_rows, exports, max_rows)
        tenants = [exports[i].tenant for i in chosen]
        found = events.observations(
            records,
            tenants,
            now_ns=clock.now_ns,
            max_clock_skew_ns=clock.max_skew_ns,
            earliest_ns=clock.earliest_ns,
        )
        parts.append(_part(Signal.LOGS, chosen, found))
    points = coverage.TOKEN_POINTS.empty_table()
    if chosen := mine.get(Signal.METRICS):
        tenants = [exports[i].tenant for i in chosen]
        metered = coverage.token_points(
            decode_metrics([exports[i].body for i in chosen]),
            tenants,
            now_ns=clock.now_ns,
            max_clock_skew_ns=clock.max_skew_ns,
        )
        points = metered.table
        parts.append(_metered(chosen, metered))
    claims = [part.claims for part in parts if part.claims is not None]
    return Batch(
        observations=_joined([part.observations for part in parts]),
        claims=pa.concat_tables(claims) if claims else CLAIMS.empty_table(),
        points=points,
        paths=paths,
        _parts=parts,
    )


class TooMany(Exception):
    """The exports have more rows than one commit takes: read fewer of them together."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What came in one signal. `exports`: the number of each of its requests."""

    signal: Signal
    exports: Rows
    observations: pa.Table
    received: _Counts
    ignored: _Counts
    rejected: _Counts
    messages: Sequence[str]
    counts: Sequence[EmitterCount] = ()
    claims: pa.Table | None = None
    metered: Sequence[EmitterOutcome] = ()

    def outcomes(self, roles: Rows) -> Sequence[Outcome]:
        requests = len(self.exports)
        request = self.observations["request"].to_numpy()
        stored, rollup, duplicate = (
            np.bincount(request[roles == role], minlength=requests) for role in (INFERENCE, ROLLUP, DUPLICATE)
        )
        if self.signal is Signal.METRICS:
            stored = self.received - self.ignored - self.rejected
        counted = (self.received, stored, duplicate, rollup, self.ignored, self.rejected)
        return [
            Outcome(received, stored, duplicate, rollup, ignored, rejected, message)
            for received, stored, duplicate, rollup, ignored, rejected, message in zip(
                *(each.tolist() for each in counted), self.messages, strict=True
            )
        ]

    def emitter_outcomes(self, roles: Rows) -> Sequence[EmitterOutcome]:
        scope = Names.of(self.observations["scope_name"])
        names = scope.dictionary.to_pylist()
        number = {name: i for i, name in enumerate(names)}
        stored, rollup, duplicate = (
            np.bincount(scope.index[roles == role], minlength=len(names)).tolist()
            for role in (INFERENCE, ROLLUP, DUPLICATE)
        )
        result = [*self.metered]
        for each in self.counts:
            i = number.get(each.name)
            result.append(
                EmitterOutcome(
                    self.signal,
                    each.name,
                    received=each.received,
                    stored=stored[i] if i is not None else 0,
                    duplicate=duplicate[i] if i is not None else 0,
                    rollup=rollup[i] if i is not None else 0,
                    ignored=each.ignored,
                    rejected=each.rejected,
                )
            )
        return result


def _part(signal: Signal, chosen: Sequence[int], found: extract.Extraction) -> _Part:
    return _Part(
        signal,
        np.array(chosen),
        found.observations,
        found.received,
        found.ignored,
        found.rejected,
        found.messages,
        found.emitters,
        found.claims,
    )


def _metered(chosen: Sequence[int], metered: coverage.Metered) -> _Part:
    return _Part(
        Signal.METRICS,
        np.array(chosen),
        _nothing(),
        metered.received,
        metered.ignored,
        metered.rejected,
        metered.messages,
        metered=metered.emitters,
    )


def _bound(rows: int, exports: Sequence[Export], limit: int) -> None:
    if rows > limit and len(exports) > 1:
        raise TooMany


def _paths(spans: Spans, tenants: Sequence[str]) -> Paths:
    """The keys of spans whose ids are sound."""
    rows = spans.rows
    trace_id, no_trace = columns.fixed(rows["trace_id"], 16)
    span_id, no_span = columns.fixed(rows["span_id"], 8)
    parent_id, _ = columns.fixed(rows["parent_span_id"], 8)
    traces = trace_keys(choose(rows["request"].to_numpy(), tenants), trace_id)
    keys, parents = span_keys(traces, span_id), span_keys(traces, parent_id)
    unsound = no_trace | no_span
    if unsound.any():
        sound = ~unsound
        return Paths(keys[sound], parents[sound], traces[sound])
    return Paths(keys, parents, traces)


@cache
def _no_paths() -> Paths:
    none = np.zeros(0, np.uint64)
    return Paths(none, none, none)


def _joined(tables: Iterable[pa.Table]) -> pa.Table:
    some = [table for table in tables if table.num_rows]
    if len(some) == 1:
        return some[0]
    return pa.concat_tables(some).unify_dictionaries().combine_chunks() if some else _nothing()


@cache
def _nothing() -> pa.Table:
    return OBSERVATIONS.empty_table()
