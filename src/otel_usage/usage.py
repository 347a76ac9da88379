"""Counts of the candidates, in the canonical form: of tokens OTel's inclusive totals.

The rules, in words:

- Of the attributes for a count the first that is there counts; a document fills what no attribute tells.
- **Convention.** What input and output lack is told by a document that shows it, else by the table of
  emitters (`dialects.conventions`). An emitter that is not in it follows the specification: they lack
  nothing. Unless its numbers prove otherwise: cache reads and writes above input, reasoning above output, or
  a reported total that is input and output and just these. What is lacking is added.
- Where the emitter is known, parts above their whole stay as they are: the price says that it is impossible.
- **Status.** Usage is `reported` if both input and output are (of embeddings, input), or if what else it is
  paid by is (see `quantities`), else `missing`. It is `estimated` where the emitter is known to count text by
  itself, and this span shows that it did.
- Zeros only are no usage: no call takes no input, but emitters write 0 and 0 for calls whose usage they do
  not know. All counts are then NULL, and those of tokens if these alone are zeros. An embedding's zeros
  stay: some servers report no better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import columns, documents, leftovers, quantities
from otel_usage.checks import Check
from otel_usage.columns import Counts, Pivot
from otel_usage.dialects import conventions, emitters
from otel_usage.dialects.conventions import Convention, Lacks
from otel_usage.dialects.dialect import EMBEDDINGS
from otel_usage.dialects.language import Language
from otel_usage.documents import Documents
from otel_usage.model import QUANTITY_COLUMNS, TOKEN_COLUMNS, Scope
from otel_usage.names import Mask, Names, Rows, choose, groups
from otel_usage.quantities import Calls

Bits = npt.NDArray[np.int64]
"""What input and output lack: _READ, _WRITE and _REASONING."""

_READ, _WRITE, _REASONING = 1, 2, 4
_LACKS: Final = [Lacks(bool(n & _READ), bool(n & _WRITE), bool(n & _REASONING)).name for n in range(8)]
_BY_SPECIFICATION, _BY_EMITTER, _BY_ARITHMETIC = range(3)
_SOURCES: Final = (conventions.BY_SPECIFICATION, conventions.BY_EMITTER, conventions.BY_ARITHMETIC)
_STATUSES: Final = ("missing", "estimated", "reported")
_MISSING, _ESTIMATED, _REPORTED = range(3)
_FALSE: Final = pa.scalar(b"\x10\x00", pa.binary())  # AnyValue.bool_value: false, encoded


@dataclass(frozen=True, slots=True)
class Emission:
    """Who wrote the rows, and of which provider, in the emitter's own words."""

    scope: Rows
    scopes: Sequence[Scope]
    provider: Names


@dataclass(frozen=True, slots=True)
class Usage:
    """Columns of OBSERVATIONS, the checks on them, and what a version says of them: `identity.versions`."""

    columns: dict[str, pa.Array]
    checks: Sequence[Check]
    status: npt.NDArray[np.uint64]
    detail: npt.NDArray[np.uint64]
    documents: Documents | None
    """The documents the counts were completed from, which tell more than counts."""


@dataclass(frozen=True, slots=True)
class _Conventions:
    """Per row what input and output, as told, lack; the number of the source that says so; what to add."""

    lacks: Bits
    by: Rows
    added: Bits


def read(found: Pivot, language: Language, emission: Emission, calls: Calls) -> Usage:
    """The counts of each row."""
    inference, embedding = calls.inference, calls.operation.is_one_of((EMBEDDINGS,))
    flat = quantities.read(found, language, calls)
    told = documents.read(found, flat.counts, inference)
    counts = flat.counts if told is None else told.counts
    convention = _conventions(found, language, emission, counts, told)
    counts = _without_zeros(_completed(counts, convention.added), embedding)
    has = _Columns(counts)
    missing = ~has.reported("input_tokens") | ~(has.reported("output_tokens") | embedding)
    status = np.where(missing & ~quantities.suffice(counts, calls), _MISSING, _REPORTED)
    status[~missing & inference & ~embedding & _made_up(found, emission)] = _ESTIMATED
    fields = {
        "usage_status": choose(status, _STATUSES).array(),
        "usage_convention": choose(convention.lacks, _LACKS).array(),
        "convention_source": choose(convention.by, _SOURCES).array(),
        "other_usage": leftovers.read(found),
    }
    return Usage(
        columns=fields | {name: has.array(name) for name in (*TOKEN_COLUMNS, *QUANTITY_COLUMNS)},
        checks=quantities.checks(counts, flat.undirected, language),
        status=status.astype(np.uint64),
        detail=counts.reported.sum(axis=0, dtype=np.uint64),
        documents=told,
    )


class _Columns:
    """The columns of counts by name; a field that no row has is 0, and not reported."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._rows = counts.values.shape[1]
        self._index = {name: i for i, name in enumerate(counts.fields)}
        self._absent = pa.nulls(self._rows, pa.uint64())

    def value(self, name: str) -> npt.NDArray[np.int64]:
        """The counts; 0 where not reported."""
        return (
            self._counts.values[self._index[name]] if name in self._index else np.zeros(self._rows, np.int64)
        )

    def reported(self, name: str) -> Mask:
        """Whether there is a count."""
        return (
            self._counts.reported[self._index[name]]
            if name in self._index
            else np.zeros(self._rows, np.bool_)
        )

    def array(self, name: str) -> pa.UInt64Array:
        """The column; NULL where not reported."""
        if name not in self._index:
            return self._absent
        return pa.array(self.value(name).view(np.uint64), mask=~self.reported(name))


def _conventions(
    found: Pivot, language: Language, emission: Emission, counts: Counts, told: Documents | None
) -> _Conventions:
    """What input and output of each row lack, how that is known, and what of it is to be added."""
    by_emitter = _by_emitter(found, emission)
    known = by_emitter >= 0
    lacks = np.where(known, by_emitter, 0)
    by = np.where(known, _BY_EMITTER, _BY_SPECIFICATION)
    settled = np.zeros(found.rows, np.int64)
    if told is not None:
        settled = told.input_settled * (_READ | _WRITE) + told.output_settled * _REASONING
        shown = (
            told.lacks_cache_read * _READ
            + told.lacks_cache_write * _WRITE
            + told.lacks_reasoning * _REASONING
        )
        lacks = (lacks & ~settled) | (shown & settled)
        by = np.where(told.input_settled, _BY_EMITTER, by)
    if not known.all():
        proven = np.where(known, 0, _by_arithmetic(found, language, counts)) & ~settled
        lacks, by = lacks | proven, np.where(proven > 0, _BY_ARITHMETIC, by)
    return _Conventions(lacks, by, lacks & ~settled)


def _by_emitter(found: Pivot, emission: Emission) -> Bits:
    """What the table of emitters says; -1 where it says nothing."""
    options = [conventions.candidates(scope.name, scope.version) for scope in emission.scopes]
    lacks = np.array([_bits(each[0].lacks if each else None) for each in options] or [-1])
    depends = np.array([bool(each) and each[0].conditional for each in options] or [False])
    result: Bits = lacks[emission.scope]
    rows = np.flatnonzero(depends[emission.scope])
    if len(rows):
        result[rows] = _by_conditions(found, emission, options, rows)
    return result


def _by_conditions(
    found: Pivot, emission: Emission, options: Sequence[Sequence[Convention]], rows: Rows
) -> Bits:
    """The same for rows of emitters whose convention depends on more, once per provider and marks."""
    markers = [name for name in conventions.MARKERS if name in found.found]
    marks = np.zeros(len(rows), np.int64)
    for bit, name in enumerate(markers):
        marks |= (found.positions[found.found[name]][rows] >= 0).astype(np.int64) << bit
    first, group = groups([emission.scope[rows], emission.provider.index[rows], marks])
    providers = emission.provider.take(rows[first]).texts()
    decided = [
        conventions.decide(
            options[scope], provider, frozenset(name for bit, name in enumerate(markers) if mark >> bit & 1)
        )
        for scope, provider, mark in zip(
            emission.scope[rows[first]].tolist(), providers, marks[first].tolist(), strict=True
        )
    ]
    return np.array([_bits(each) for each in decided])[group]


def _bits(lacks: Lacks | None) -> int:
    if lacks is None:
        return -1
    return _READ * lacks.cache_read + _WRITE * lacks.cache_write + _REASONING * lacks.reasoning


def _by_arithmetic(found: Pivot, language: Language, counts: Counts) -> Bits:
    """What the numbers prove to be lacking."""
    of = _Columns(counts)
    cached = of.value("cache_read_tokens") + of.value("cache_write_tokens")
    reasoning, whole = of.value("reasoning_tokens"), of.value("input_tokens") + of.value("output_tokens")
    has_input, has_output = of.reported("input_tokens"), of.reported("output_tokens")
    cache = has_input & (cached > of.value("input_tokens"))
    thoughts = has_output & (reasoning > of.value("output_tokens"))
    doubtful = np.flatnonzero(has_input & has_output & ((cached > 0) | (reasoning > 0)))
    if len(doubtful) and found.others is not None:
        total = _totals(found, language, doubtful)
        rest, parts, thought = total - whole[doubtful], cached[doubtful], reasoning[doubtful]
        both = rest == parts + thought
        told = (total > 0) & (rest > 0) & (parts != thought)
        cache[doubtful] |= told & (parts > 0) & (both | (rest == parts))
        thoughts[doubtful] |= told & (thought > 0) & (both | (rest == thought))
    return cache * (_READ | _WRITE) + thoughts * _REASONING


def _totals(found: Pivot, language: Language, rows: Rows) -> npt.NDArray[np.int64]:
    """The total that each row reports; 0 where it reports none."""
    if found.others is None:
        return np.zeros(len(rows), np.int64)
    position = found.others.first(language.totals, found.rows)[rows]
    totals = columns.counts(Pivot(found.values, {"": 0}, position.reshape(1, -1)), {"": ("",)})
    return totals.values[0]


def _completed(counts: Counts, lacks: Bits) -> Counts:
    """The counts with what is lacking added to input and output."""
    if not lacks.any():
        return counts
    of, values = _Columns(counts), counts.values.copy()
    added = {
        "input_tokens": of.value("cache_read_tokens") * ((lacks & _READ) > 0)
        + of.value("cache_write_tokens") * ((lacks & _WRITE) > 0),
        "output_tokens": of.value("reasoning_tokens") * ((lacks & _REASONING) > 0),
    }
    for i, name in enumerate(counts.fields):
        if name in added:
            values[i] += np.where(counts.reported[i], added[name], 0)
    return Counts(counts.fields, values, counts.reported, counts.invalid)


def _without_zeros(counts: Counts, embedding: Mask) -> Counts:
    """The counts without those of rows that report zeros only: of anything, or of tokens."""
    tokens = [i for i, name in enumerate(counts.fields) if name in TOKEN_COLUMNS]
    reported = counts.reported
    for mine in (tokens, slice(None)) if len(tokens) < len(counts.fields) else (slice(None),):
        zeros = ~counts.values[mine].any(axis=0) & ~embedding
        if (zeros & reported[mine].any(axis=0)).any():
            reported = reported.copy()
            reported[mine] &= ~zeros
    return Counts(counts.fields, counts.values, reported, counts.invalid)


def _made_up(found: Pivot, emission: Emission) -> Mask:
    """Rows whose counts, if there are any, show that the emitter made them up or got them wrong."""
    rules = [emitters.estimates(scope.name) for scope in emission.scopes]
    result = np.zeros(found.rows, np.bool_)
    for rule in {each for mine in rules for each in mine}:
        mine = np.array([rule in each for each in rules])[emission.scope]
        shows = mine & found.has((rule.has,))
        if rule.has_not:
            shows &= ~found.has((rule.has_not,))
        rows = np.flatnonzero(shows)
        said = found.values.take(pa.array(found.first((rule.has,))[rows]))
        result[rows] = pc.not_equal(said, _FALSE).to_numpy(zero_copy_only=False)
    return result
