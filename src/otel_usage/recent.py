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
from otel_usage.index import Index
from otel_usage.lineage import Lineage
from otel_usage.model import OBSERVATIONS
from otel_usage.names import Mask, Rows

ROWS: Final = 1 << 18
"""Observations remembered: those of the last half to whole of this number (about 90 MB)."""

KEYS: Final = 1 << 20
"""Keys of a kind that are remembered when the observations are forgotten (8 MB a kind). A key takes the place
that it names."""
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
        self._forgotten = _Forgotten()
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
        mask[self.lineage.claims_in(keys.trace)[0]] = True
        met = [half.meet(keys) for half in self._halves]
        for mine, _ in met:
            mask[mine] = True
        others = [half.of_traces(touched) for half in self._halves]
        found = [np.append(rows, other) for (_, rows), other in zip(met, others, strict=True)]
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
                self._forgotten.add(self._older)
                self._older, self._newer = self._newer, _Half(self._half)
            keys = Index.of(table)
            if known:
                self._older.forget(keys)
                self._newer.forget(keys)
            self._newer.add(table, keys)


class _Forgotten:
    """The keys of observations that were remembered once: of a key that is in here it may be true."""

    def __init__(self, slots: int = KEYS) -> None:
        self._mask = np.uint64(slots - 1)
        self._traces, self._calls, self._numbers, self._unidentified = (
            np.zeros(slots, np.uint64) for _ in range(4)
        )
        self._any = self._any_unidentified = False

    def add(self, half: "_Half") -> None:
        """Take note of all that a half remembers."""
        if not len(half):
            return
        keys = half.keys()
        self._any = True
        self._any_unidentified |= not keys.identified.all()
        for table, each in (
            (self._traces, keys.trace),
            (self._calls, keys.call),
            (self._numbers, keys.numbers),
            (self._unidentified, keys.numbers[~keys.identified]),
        ):
            table[(each & self._mask).astype(np.int64)] = each

    def hold(self, keys: "Index") -> tuple[Mask, Mask, Mask]:
        """Which of the traces, calls and numbers of these are here."""
        if not self._any:
            none = np.zeros(len(keys.call), np.bool_)
            return none, none, none
        traces, calls = self._in(self._traces, keys.trace), self._in(self._calls, keys.call)
        if keys.identified.all() and not self._any_unidentified:
            return traces, calls, np.zeros(len(keys.call), np.bool_)
        numbers = keys.numbers[0]
        equal = np.where(
            keys.identified, self._in(self._unidentified, numbers), self._in(self._numbers, numbers)
        )
        return traces, calls, equal & (numbers != 0)

    def _in(self, table: Keys, keys: Keys) -> Mask:
        held: Mask = table[(keys & self._mask).astype(np.int64)] == keys
        return held


@dataclass(frozen=True, slots=True)
class _Held:
    """The keys of the rows of a half."""

    trace: Keys
    call: Keys
    numbers: Keys
    identified: Mask


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
        self._target = np.zeros(capacity, np.uint64)
        self._by_trace, self._by_call, self._by_numbers = (Chains(capacity) for _ in range(3))
        self._by_plain = Chains(capacity)
        self._all_identified = True

    def __len__(self) -> int:
        return len(self._by_trace)

    def add(self, table: pa.Table, keys: Index) -> None:
        start, end = len(self), len(self) + len(table)
        self._tables.append(table)
        self._starts.append(start)
        self._alive[start:end] = True
        self._own[start:end] = keys.own
        self._identified[start:end] = keys.identified
        self._target[start:end] = keys.target
        self._all_identified &= bool(keys.identified.all())
        self._by_trace.add(keys.trace)
        self._by_call.add(keys.call)
        numbers, plain = keys.numbers
        self._by_numbers.add(numbers)
        # Those without reasoning under a key that is asked for by no one.
        self._by_plain.add(np.where(plain != 0, plain, keys.own))
        if len(self._tables) > _TABLES:
            self._tables = [pa.concat_tables(self._tables).unify_dictionaries().combine_chunks()]
            self._starts = [0]

    def keys(self) -> _Held:
        """The keys of its rows."""
        rows = np.flatnonzero(self._alive)
        return _Held(
            self._by_trace.keys_of(rows),
            self._by_call.keys_of(rows),
            self._by_numbers.keys_of(rows),
            self._identified[rows],
        )

    def meet(self, keys: Index) -> tuple[Rows, Rows]:
        """Which of the keys' rows meet rows here, and which rows those are."""
        pairs = [self._by_trace.find(keys.trace), self._by_call.find(keys.call)]
        if not (self._all_identified and keys.identified.all()):
            numbers, plain = keys.numbers
            for index, asked in (
                (self._by_numbers, numbers),
                (self._by_plain, numbers),
                (self._by_numbers, plain),
            ):
                usable = np.flatnonzero(asked != 0)
                mine, rows = index.find(asked[usable])
                mine = usable[mine]
                may = ~(keys.identified[mine] & self._identified[rows])
                pairs.append((mine[may], rows[may]))
        met = np.concatenate([mine[self._alive[rows]] for mine, rows in pairs])
        return met, self._living(np.concatenate([rows for _, rows in pairs]))

    def of_traces(self, traces: Keys) -> Rows:
        """The rows of these traces."""
        return self._living(self._by_trace.find(traces)[1])

    def of_calls(self, calls: Keys) -> Rows:
        """The rows of these calls."""
        return self._living(self._by_call.find(calls)[1])

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
        _, rows = self._by_trace.find(keys.trace)
        rows = rows[self._alive[rows]]
        if len(rows):
            self._alive[rows[np.isin(self._own[rows], keys.own)]] = False


@cache
def _nothing() -> pa.Table:
    return OBSERVATIONS.empty_table()
