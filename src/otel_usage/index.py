"""The keys under which observations are found again: of their trace, their call, and their numbers.

Equal numbers alone make no kin: calls that one emitter saw, or that all have response ids, are several calls
(`kinship`). Where all of a number are so, none of them is looked for: most often equal numbers are a batch of
equal calls.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage import identity
from otel_usage.chains import Keys, repeated
from otel_usage.lineage import trace_keys
from otel_usage.names import Mask, Names, Rows

_SPREAD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
_NOBODY: Final = np.uint64(2**64 - 1)


@dataclass(frozen=True)
class Index:
    """The keys under which observations are found. Zero: under none."""

    table: pa.Table
    trace: Keys
    """Of the trace; of the call, where there is none."""
    call: Keys
    """Of the call, as the observation alone says it."""
    target: Keys
    """Of the call that it is a duplicate of."""
    identified: Mask
    """Whether there is a response id that is unique."""
    own: Keys
    """Of the observation."""
    emitter: Keys
    """Of the scope and signal; never zero."""

    @classmethod
    def of(cls, table: pa.Table) -> "Index":
        """The keys of OBSERVATIONS."""
        trace_id, call_id = _column(table, "trace_id"), _column(table, "call_id")
        span_id, response_id = _column(table, "span_id"), _column(table, "response_id")
        tenant = Names.of(table["tenant"])
        row = _words(call_id, 2)[:, 0]
        in_trace = _words(trace_id, 2).any(axis=1)
        trace = np.where(in_trace, trace_keys(tenant, trace_id), row)
        rollup = identity.ranks(table["version"].to_numpy()) == identity.ROLLUP_RANK
        identified = identity.is_unique(response_id) & ~rollup
        role, signal = Names.of(table["role"]), Names.of(table["signal"])
        lost, is_span = role.is_one_of(("duplicate",)), signal.is_one_of(("span",))
        call, target = row, np.zeros(len(row), np.uint64)
        own = trace ^ (_words(span_id, 1)[:, 0] * _SPREAD)
        if lost.any() or not is_span.all():
            by_response = _words(identity.call_ids(tenant.array(), "response", response_id), 2)
            call = np.where(identified, by_response[:, 0], row)
            own = np.where(is_span, own, np.where(identified, by_response[:, 1], row))
            target = _words(_column(table, "duplicate_of").fill_null(bytes(16)), 2)[:, 0]
        emitter = _place(Names.of(table["scope_name"]), signal) | np.uint64(1)
        return cls(table, trace, call, target, identified, own, emitter)

    @cached_property
    def numbers(self) -> tuple[Keys, Keys]:
        """Keys of place, input and output; and of output without reasoning, where that is reported."""
        return _numbers(self.table)

    @cached_property
    def numbered(self) -> tuple[Rows, Keys]:
        """The keys of both kinds that there are, and the row that each is of."""
        numbers, plain = self.numbers
        there, reasoned = np.flatnonzero(numbers != 0), np.flatnonzero(plain != 0)
        return np.append(there, reasoned), np.append(numbers[there], plain[reasoned])

    def meet_within(self) -> Mask:
        """Which of these may be kin by their numbers."""
        result = np.zeros(len(self.call), np.bool_)
        if self.identified.all():
            return result
        rows, asked = self.numbered
        several = repeated(asked)
        rows, asked = rows[several], asked[several]
        if len(rows):
            groups, group = np.unique(asked, return_inverse=True)
            kin = Witnesses.of(len(groups), group, self.emitter[rows], self.identified[rows]).kin
            result[rows[kin[group]]] = True
        return result


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who saw the observations of each group: the least and the greatest key of their emitters."""

    least: Keys
    greatest: Keys
    identified: Mask
    """Whether all have response ids."""

    @classmethod
    def of(cls, groups: int, group: Rows, emitter: Keys, identified: Mask) -> "Witnesses":
        """Of observations that are each of one of `groups` groups."""
        least, greatest = np.full(groups, _NOBODY), np.zeros(groups, np.uint64)
        np.minimum.at(least, group, emitter)
        np.maximum.at(greatest, group, emitter)
        all_identified = np.ones(groups, np.bool_)
        all_identified[group[~identified]] = False
        return cls(least, greatest, all_identified)

    def __or__(self, others: "Witnesses") -> "Witnesses":
        """Of both, group by group."""
        return Witnesses(
            np.minimum(self.least, others.least),
            np.maximum(self.greatest, others.greatest),
            self.identified & others.identified,
        )

    @property
    def kin(self) -> Mask:
        """In which groups some may be of one call: where two emitters saw some, not all with response ids."""
        kin: Mask = (self.least < self.greatest) & ~self.identified
        return kin


def _numbers(table: pa.Table) -> tuple[Keys, Keys]:
    """Keys of tenant, service, input and output; and of output without reasoning. Zero: there is none."""
    tenant, service = Names.of(table["tenant"]), Names.of(table["service_name"])
    where = _place(tenant, service)
    known = Names.of(table["usage_status"]).is_one_of(("reported",))
    known &= ~Names.of(table["role"]).is_one_of(("rollup",))
    inputs, outputs = (table[name].fill_null(0).to_numpy() for name in ("input_tokens", "output_tokens"))
    numbers = np.where(known, _key(where, inputs, outputs), np.uint64(0))
    reasoning = table["reasoning_tokens"]
    if reasoning.null_count == len(reasoning):
        return numbers, np.zeros(len(numbers), np.uint64)
    thought = reasoning.fill_null(0).to_numpy()
    told = known & (thought > 0) & (thought <= outputs)
    return numbers, np.where(told, _key(where, inputs, outputs - np.minimum(thought, outputs)), np.uint64(0))


def _place(first: Names, second: Names) -> Keys:
    """A number for each pair of texts, the same everywhere."""
    one, other = (
        np.array([identity.text_key(name) for name in each.dictionary.to_pylist()] or [0], np.uint64)
        for each in (first, second)
    )
    place: Keys = one[first.index] * _SPREAD + other[second.index]
    return place


def _key(where: Keys, inputs: Keys, outputs: Keys) -> Keys:
    counted = inputs * _SPREAD
    counted = (counted ^ (counted >> np.uint64(31)) ^ outputs) * _SPREAD
    key: Keys = ((counted ^ (counted >> np.uint64(29))) + where) | np.uint64(1)
    return key


def _words(column: pa.FixedSizeBinaryArray, words: int) -> npt.NDArray[np.uint64]:
    return np.frombuffer(column.buffers()[1], "<u8", words * len(column), 8 * words * column.offset).reshape(
        -1, words
    )


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
