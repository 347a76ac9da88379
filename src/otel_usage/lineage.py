"""Which span is the child of which, and what each says of who pays: of all spans seen lately, LLM or not.

A call finds its payer, and its double, along the path to the root of its trace. Spans of a trace come in
any order, in several requests; what is remembered here is bounded, and what is forgotten is a path that ends
before its root.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from otel_usage.chains import Chains, Keys
from otel_usage.identity import text_key
from otel_usage.model import NAME
from otel_usage.names import Mask, Names, Rows, groups

SPANS_REMEMBERED: Final = 1 << 20
"""Spans whose parent is known (20 MB). A span takes the place that its key names."""
CLAIMS_REMEMBERED: Final = 1 << 17
"""Distinct claims of traces: those of the last half to whole of this number."""

ROOT: Final = np.uint64(0)
"""The key of no span: the parent of a root."""

_NONE: Final = -1
_SAID: Final = ("account_id", "context", "transaction_id")
_FACTORS: Final = tuple(
    np.uint64(number)
    for number in (0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0xD6E8_FEB8_6659_FD93)
)
_Claim = tuple[str, str, str]


def trace_keys(tenant: Names, trace_id: pa.Array) -> Keys:
    """One number for each trace of a tenant. `trace_id` is binary(16)."""
    halves = np.frombuffer(trace_id.buffers()[1], "<u8", 2 * len(trace_id), 16 * trace_id.offset)
    owners = np.array([text_key(name) for name in tenant.dictionary.to_pylist()] or [0], np.uint64)
    return _mix(
        np.multiply(halves[::2], _FACTORS[0]) + np.multiply(halves[1::2], _FACTORS[1]) + owners[tenant.index]
    )


def span_keys(traces: Keys, span_id: pa.Array) -> Keys:
    """One number for each span of the traces; ROOT where `span_id`, binary(8), is all zero."""
    ids = np.frombuffer(span_id.buffers()[1], "<u8", len(span_id), 8 * span_id.offset)
    return np.where(ids == 0, ROOT, _mix(traces + np.multiply(ids, _FACTORS[2])))


class Lineage:
    """The parents and the claims of spans seen lately. For one thread."""

    def __init__(self, spans: int = SPANS_REMEMBERED, claims: int = CLAIMS_REMEMBERED) -> None:
        self._mask = np.uint64(spans - 1)
        self._keys = np.zeros(spans, np.uint64)
        self._parents = np.zeros(spans, np.uint64)
        self._claim_of = np.full(spans, _NONE, np.int64)
        self._half = claims // 2
        self._older, self._newer = _Claims(self._half, 0), _Claims(self._half, 0)

    def note(self, spans: Keys, parents: Keys) -> None:
        """Take note of spans and their parents."""
        slot = (spans & self._mask).astype(np.int64)
        same = self._keys[slot] == spans
        self._keys[slot] = spans
        self._parents[slot] = parents
        self._claim_of[slot] = np.where(same, self._claim_of[slot], _NONE)

    def claim(self, spans: Keys, traces: Keys, claims: pa.Table) -> Rows:
        """Take note of CLAIMS of spans that are noted, or, where the span is ROOT, of traces alone.

        Returns the rows of those that their traces have not made before.
        """
        texts = [Names.of(claims[name].combine_chunks().cast(NAME)) for name in _SAID]
        trace = np.unique(traces, return_inverse=True)[1]
        first, group = groups([trace, *(each.index for each in texts)])
        said = zip(*(each.take(first).array().to_pylist() for each in texts), strict=True)
        known = self._known(traces)
        number = np.zeros(len(first), np.int64)
        fresh = []
        # One by one: what all spans of a trace claim is most often one claim.
        for at, key in enumerate(zip(traces[first].tolist(), said, strict=True)):
            if key not in known:
                known[key] = self._add(key)
                fresh.append(int(first[at]))
            number[at] = known[key]
        slot = (spans & self._mask).astype(np.int64)
        mine = (self._keys[slot] == spans) & (spans != ROOT)
        self._claim_of[slot[mine]] = number[group[mine]]
        return np.sort(np.array(fresh, np.int64))

    def parents(self, spans: Keys) -> tuple[Keys, Mask]:
        """The parents of spans (ROOT: none), and which of the spans are known at all."""
        slot = (spans & self._mask).astype(np.int64)
        known = (self._keys[slot] == spans) & (spans != ROOT)
        return np.where(known, self._parents[slot], ROOT), known

    def claims_of(self, spans: Keys) -> Rows:
        """The number of the claim that each span makes, or -1."""
        slot = (spans & self._mask).astype(np.int64)
        number = np.where((self._keys[slot] == spans) & (spans != ROOT), self._claim_of[slot], _NONE)
        return np.where(number >= self._older.start, number, _NONE)

    def claimed(self, traces: Keys) -> Mask:
        """In which of the traces a claim is made."""
        return self._older.holds(traces) | self._newer.holds(traces)

    def claims_in(self, traces: Keys) -> tuple[Rows, Rows]:
        """The claims made in distinct traces: pairs of the index of the trace, the number of the claim."""
        pairs = [half.find(traces) for half in (self._older, self._newer) if half.said]
        if not pairs:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate([index for index, _ in pairs]), np.concatenate([number for _, number in pairs])

    def say(self, numbers: Rows) -> Sequence[_Claim]:
        """The claims of these numbers: account, context, transaction."""
        return [
            self._newer.say(n) if n >= self._newer.start else self._older.say(n) for n in numbers.tolist()
        ]

    def _known(self, traces: Keys) -> dict[tuple[int, _Claim], int]:
        distinct = np.unique(traces)
        index, numbers = self.claims_in(distinct)
        return dict(
            zip(zip(distinct[index].tolist(), self.say(numbers), strict=True), numbers.tolist(), strict=True)
        )

    def _add(self, key: tuple[int, _Claim]) -> int:
        if len(self._newer.said) == self._half:
            self._older, self._newer = self._newer, _Claims(self._half, self._newer.start + self._half)
        return self._newer.add(*key)


class _Claims:
    """Claims numbered from `start`, by trace."""

    def __init__(self, capacity: int, start: int) -> None:
        self.start = start
        self.said: list[_Claim] = []
        self._by_trace = Chains(capacity)

    def add(self, trace: int, claim: _Claim) -> int:
        self._by_trace.add(np.array([trace], np.uint64))
        self.said.append(claim)
        return self.start + len(self.said) - 1

    def holds(self, traces: Keys) -> Mask:
        return self._by_trace.holds(traces)

    def find(self, traces: Keys) -> tuple[Rows, Rows]:
        index, row = self._by_trace.find(traces)
        return index, row + self.start

    def say(self, number: int) -> _Claim:
        return self.said[number - self.start]


def _mix(keys: Keys) -> Keys:
    keys = (keys ^ (keys >> np.uint64(32))) * _FACTORS[3]
    mixed: Keys = keys ^ (keys >> np.uint64(29))
    return mixed
