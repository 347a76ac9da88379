"""The observations that were written lately, by the calls, traces and numbers under which others meet them.

A call is told of in several spans, which come in several requests. What has come lately is remembered here,
so that each commit is resolved together with what it completes. What is forgotten is left to `sweep`.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from otel_usage.chains import Chains, Keys, repeated
from otel_usage.forgotten import Forgotten, Held
from otel_usage.index import Index, Witnesses
from otel_usage.lineage import Lineage
from otel_usage.model import OBSERVATIONS
from otel_usage.names import Mask, Rows

ROWS: Final = 1 << 18
"""Observations remembered: those of the last half to whole of this number (about 90 MB)."""

STORED: Final = -1
"""The `request` of observations that did not come in one, but were written before."""

_STEPS: Final = 4  # from a call to its trace, to the calls there, and to their traces
_TABLES: Final = 64  # kept apart: joining many small ones is cheaper than looking into each


@dataclass(frozen=True, slots=True)
class Involved:
    """What has to do with observations that came."""

    rows: Mask
    """Which of them have anything to do with each other, or with what is known."""
    known: pa.Table
    """The earlier observations that have to do with them. Their `request` is STORED."""
    by_trace: Mask
    by_call: Mask
    by_numbers: Mask
    """Which of them may have to do with observations that were forgotten: of their trace, of their call, or
    with equal numbers."""


class Recent:
    """The observations written lately, and the lineage of all spans. For one thread."""

    def __init__(self, rows: int = ROWS, lineage: Lineage | None = None) -> None:
        self.lineage = lineage or Lineage()
        self._half = rows // 2
        self.writer = uuid.uuid4().hex[:12]
        """The name of this memory. Observations of one writer have been resolved together."""
        self._forgotten = Forgotten()
        self._older, self._newer = _Half(self._half), _Half(self._half)

    def involved(self, observations: pa.Table, touched: Keys) -> "Involved":
        """What has to do with observations that came.

        `touched`: the traces of all spans that came, LLM calls or not.
        """
        if not len(observations):
            none = np.zeros(0, np.bool_)
            known = self._found([half.of_traces(touched) for half in self._halves])
            return Involved(none, known, none, none, none)
        keys = Index.of(observations)
        mask = repeated(keys.trace) | repeated(keys.call) | keys.meet_within()
        mask |= self.lineage.claimed(keys.trace)
        for half in self._halves:
            mask |= half.meets(keys)
        alike, numbered = _of_numbers(self._halves, keys)
        mask[alike] = True
        found = [
            np.concatenate([half.of_traces(np.append(keys.trace, touched)), half.of_calls(keys.call), rows])
            for half, rows in zip(self._halves, numbered, strict=True)
        ]
        return Involved(mask, self._found(found), *self._forgotten.hold(keys))

    @property
    def _halves(self) -> Sequence["_Half"]:
        return [half for half in (self._older, self._newer) if len(half)]

    def _found(self, rows: Sequence[Rows]) -> pa.Table:
        """The observations of these numbers, by half, and all that hangs together with them."""
        if not any(len(mine) for mine in rows):
            return _nothing()
        tables = [
            half.take(mine)
            for half, mine in zip(self._halves, _closure(self._halves, rows), strict=True)
            if len(mine)
        ]
        return pa.concat_tables(tables)

    def remember(self, observations: pa.Table, *, known: bool) -> None:
        """Take note of observations as they are written: once they are durable.

        `known`: whether any of them may be remembered already, and is then replaced.
        """
        first = max(len(observations) - 2 * self._half, 0)  # what is before is forgotten at once
        for start in range(first, len(observations), self._half):
            table = observations.slice(start, self._half)
            if len(self._newer) + len(table) > self._half:
                self._forgotten.add(self._older.keys())
                self._older, self._newer = self._newer, _Half(self._half)
            keys = Index.of(table)
            if known:
                self._older.forget(keys)
                self._newer.forget(keys)
            self._newer.add(table, keys)


def _of_numbers(halves: Sequence["_Half"], keys: Index) -> tuple[Rows, Sequence[Rows]]:
    """The keys' rows that may be kin of rows here by their numbers, and those rows, by half.

    If some of a number may be, all of it are told: which is of one call with which is a matter of all.
    """
    none = [np.zeros(0, np.int64) for _ in halves]
    if keys.identified.all() and all(half.all_identified for half in halves):
        return np.zeros(0, np.int64), none
    mine, asked = keys.numbered
    held = np.zeros(len(asked), np.bool_)
    for half in halves:
        held |= half.hold_numbers(asked)
    if not held.any():
        return np.zeros(0, np.int64), none
    mine = mine[held]
    distinct, group = np.unique(asked[held], return_inverse=True)
    found = [half.of_numbers(distinct) for half in halves]
    witnesses = Witnesses.of(len(distinct), group, keys.emitter[mine], keys.identified[mine])
    for half, (key, rows) in zip(halves, found, strict=True):
        witnesses |= Witnesses.of(len(distinct), key, *half.witnesses(rows))
    kin = witnesses.kin
    return mine[kin[group]], [rows[kin[key]] for key, rows in found]


def _closure(halves: Sequence["_Half"], rows: Sequence[Rows]) -> Sequence[Rows]:
    """The rows that are in the traces and calls of rows, and of those again."""
    rows = [np.unique(mine) for mine in rows]
    for _ in range(_STEPS):
        links = [half.links(mine) for half, mine in zip(halves, rows, strict=True)]
        traces = np.unique(np.concatenate([traces for traces, _ in links]))
        calls = np.unique(np.concatenate([calls for _, calls in links]))
        grown = [
            np.unique(np.concatenate([half.of_traces(traces), half.of_calls(calls), mine]))
            for half, mine in zip(halves, rows, strict=True)
        ]
        if all(len(new) == len(old) for new, old in zip(grown, rows, strict=True)):
            break
        rows = grown
    return rows


class _Half:
    """A bounded number of observations, which are forgotten together."""

    def __init__(self, capacity: int) -> None:
        self._tables: list[pa.Table] = []
        self._starts: list[int] = []
        self._alive = np.zeros(capacity, np.bool_)
        self._own = np.zeros(capacity, np.uint64)
        self._identified = np.zeros(capacity, np.bool_)
        self._emitter = np.zeros(capacity, np.uint64)
        self._target = np.zeros(capacity, np.uint64)
        self._by_trace, self._by_call, self._by_numbers = (Chains(capacity) for _ in range(3))
        self._by_plain, self._by_target = (Chains(capacity) for _ in range(2))
        self.all_identified = True

    def __len__(self) -> int:
        return len(self._by_trace)

    def add(self, table: pa.Table, keys: Index) -> None:
        start, end = len(self), len(self) + len(table)
        self._tables.append(table)
        self._starts.append(start)
        self._alive[start:end] = True
        self._own[start:end] = keys.own
        self._identified[start:end] = keys.identified
        self._emitter[start:end] = keys.emitter
        self._target[start:end] = keys.target
        self.all_identified &= bool(keys.identified.all())
        self._by_trace.add(keys.trace)
        self._by_call.add(keys.call)
        numbers, plain = keys.numbers
        self._by_numbers.add(numbers)
        # Those without reasoning, or a call that they repeat, under a key that is asked for by no one.
        self._by_plain.add(np.where(plain != 0, plain, keys.own))
        self._by_target.add(np.where(keys.target != 0, keys.target, keys.own))
        if len(self._tables) > _TABLES:
            self._tables = [pa.concat_tables(self._tables).unify_dictionaries().combine_chunks()]
            self._starts = [0]

    def keys(self) -> Held:
        """The keys of its rows."""
        rows = np.flatnonzero(self._alive)
        return Held(
            self._by_trace.keys_of(rows),
            self._by_call.keys_of(rows),
            self._by_numbers.keys_of(rows),
            self._identified[rows],
            self._emitter[rows],
        )

    def meets(self, keys: Index) -> Mask:
        """Which of the keys' rows are of a trace or a call here."""
        return self._by_trace.holds(keys.trace) | self._by_call.holds(keys.call)

    def hold_numbers(self, numbers: Keys) -> Mask:
        """Which of the numbers have rows here."""
        return self._by_numbers.holds(numbers) | self._by_plain.holds(numbers)

    def of_numbers(self, numbers: Keys) -> tuple[Rows, Rows]:
        """The rows of these numbers, which are distinct: pairs of the index of the number, and the row."""
        pairs = [self._by_numbers.find(numbers), self._by_plain.find(numbers)]
        key, rows = (np.concatenate(side) for side in zip(*pairs, strict=True))
        return key[self._alive[rows]], rows[self._alive[rows]]

    def witnesses(self, rows: Rows) -> tuple[Keys, Mask]:
        """The emitters of rows, and which rows have a response id."""
        return self._emitter[rows], self._identified[rows]

    def of_traces(self, traces: Keys) -> Rows:
        """The rows of these traces."""
        return self._living(self._by_trace.rows_of(traces))

    def of_calls(self, calls: Keys) -> Rows:
        """The rows of these calls, and their duplicates."""
        return self._living(np.append(self._by_call.rows_of(calls), self._by_target.rows_of(calls)))

    def links(self, rows: Rows) -> tuple[Keys, Keys]:
        """The traces of rows, and the calls that they are of or duplicates of."""
        calls = np.concatenate([self._by_call.keys_of(rows), self._target[rows]])
        return self._by_trace.keys_of(rows), calls[calls != 0]

    def take(self, rows: Rows) -> pa.Table:
        """The observations of these numbers, in their order."""
        starts = np.array([*self._starts, len(self)])
        which = np.searchsorted(starts, rows, side="right") - 1
        parts = [
            self._tables[number].take(pa.array(rows[which == number] - starts[number]))
            for number in np.unique(which).tolist()
        ]
        found = pa.concat_tables(parts) if parts else _nothing()
        return found.set_column(0, OBSERVATIONS.field(0), pa.array(np.full(len(found), STORED)))

    def _living(self, rows: Rows) -> Rows:
        return np.unique(rows[self._alive[rows]]) if len(rows) else rows

    def forget(self, keys: Index) -> None:
        """Forget what is known of the observations with these keys."""
        rows = self.of_traces(keys.trace)
        if len(rows):
            self._alive[rows[np.isin(self._own[rows], keys.own)]] = False


@cache
def _nothing() -> pa.Table:
    return OBSERVATIONS.empty_table()
