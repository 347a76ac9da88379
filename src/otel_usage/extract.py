"""SPANS to OBSERVATIONS: which spans are calls to a model. What they say of it is read by `observe`.

The rules, in words:

- What a span is, is said by the attributes for it (`Kind`), in the order of the dialects: the first whose
  value is known decides. If no value is known, it is an operation of the name that the first of them says.
- A span without such an attribute that names a provider or tells usage is what its name says, if a dialect
  knows that. Else it is an inference (`chat`) if it tells usage and names a provider or a model. Usage is
  input or output tokens, or a quantity (`quantities`).
- An inference is one call: role `inference`. So is an operation that is seldom paid by the token, such as a
  reranking, if its span tells usage. Any other span that tells usage, be its operation known or not,
  repeats that of calls inside it: role `rollup`. All others are *ignored*.
- A candidate is *rejected* if its trace or span id has the wrong length or is all zero, or for a reason of
  `observe`. A parent id that is none is no parent.
- A claim is what a span that is no candidate itself says of who pays or for what; what a candidate says is in
  its observation. One that is not valid is none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from otel_usage import columns, dialects, observe
from otel_usage.checks import Check
from otel_usage.columns import Pivot
from otel_usage.dialects import emitters
from otel_usage.dialects.dialect import CHAT, INFERENCES, INFERENCES_IF_USED, Kind
from otel_usage.dialects.documents import DOCUMENTS
from otel_usage.dialects.language import Language
from otel_usage.extraction import EmitterCount, Extraction, Received
from otel_usage.identity import ROLLUP_RANK
from otel_usage.model import CLAIMS, EARLIEST_NS, TIMESTAMP, Scope, Spans
from otel_usage.names import Mask, Names, Rows, choose, where
from otel_usage.observe import Candidates, Carriers, Sources, Told
from otel_usage.payer import BILLING

__all__ = ["EmitterCount", "Extraction", "observations"]

_ERROR_STATUS: Final = 2  # opentelemetry.proto.trace.v1.Status.STATUS_CODE_ERROR
_NONE: Final = -1


@dataclass(frozen=True, slots=True)
class _Spans:
    """Spans of which something is to be said: their SPANS rows, ids, and what their attributes tell."""

    rows: pa.RecordBatch
    trace_id: pa.FixedSizeBinaryArray
    span_id: pa.FixedSizeBinaryArray
    parent_span_id: pa.FixedSizeBinaryArray
    no_trace: Mask
    no_span: Mask
    found: Pivot
    told: Told

    @classmethod
    def of(cls, rows: pa.RecordBatch, found: Pivot, told: Told) -> "_Spans":
        """The rows, with their ids checked."""
        trace_id, no_trace = columns.fixed(rows["trace_id"], 16)
        span_id, no_span = columns.fixed(rows["span_id"], 8)
        parent_span_id, _ = columns.fixed(rows["parent_span_id"], 8)
        return cls(rows, trace_id, span_id, parent_span_id, no_trace, no_span, found, told)

    def take(self, rows: Rows) -> "_Spans":
        """Some of them."""
        if len(rows) == self.rows.num_rows:
            return self
        taken = pa.array(rows)
        return _Spans(
            self.rows.take(taken),
            self.trace_id.take(taken),
            self.span_id.take(taken),
            self.parent_span_id.take(taken),
            self.no_trace[rows],
            self.no_span[rows],
            self.found.take(rows),
            self.told.take(rows),
        )


@dataclass(frozen=True, slots=True)
class _Calls:
    """Which of some spans are candidates, and what each of these is."""

    rows: Rows
    operation: Names
    inference: Mask


def observations(
    spans: Spans,
    tenants: Sequence[str],
    *,
    now_ns: int,
    max_clock_skew_ns: int,
    earliest_ns: int = EARLIEST_NS,
) -> Extraction:
    """The calls among the spans. `tenants` has the owner of each request.

    A call that starts later than `now_ns + max_clock_skew_ns`, or before `earliest_ns`, is rejected.
    """
    language, scope = dialects.of_spans(), spans.rows["scope"].to_numpy()
    received = Received(spans.rows["request"].to_numpy(), scope, spans.scopes, len(tenants))
    telling = _telling(language)
    found = observe.find(spans.attributes, scope, spans.scopes, language, telling=telling)
    rows = np.flatnonzero(found.has(telling))
    if not len(rows):
        return received.nothing()
    some = _some(spans.rows, rows, found, language)
    calls = _calls(some, language)
    claims = _claims(some, calls.rows, tenants)
    if not len(calls.rows):
        return received.nothing(claims)
    candidates = _candidates(some.take(calls.rows), calls, spans.scopes, language)
    sources = Sources(spans.resources, spans.scopes, tenants)
    observed = observe.observe(candidates, sources, now_ns + max_clock_skew_ns, earliest_ns)
    return received.account(rows[calls.rows], observed.table, observed.rejection, claims)


@cache
def _telling(language: Language) -> tuple[str, ...]:
    """The attributes without which a span is no candidate, and claims nothing."""
    kinds = (kind.attribute for kind in language.kinds)
    return (*kinds, *language.names["provider"], *_usage(language), *BILLING)


@cache
def _usage(language: Language) -> tuple[str, ...]:
    """The attributes that tell that something was used."""
    return (*language.used, *(each.attribute for each in DOCUMENTS if each.usage == ("",)))


def _some(every: pa.RecordBatch, rows: Rows, found: Pivot, language: Language) -> _Spans:
    """Some of the spans, with what they tell in texts, and in each attribute for what they are."""
    found = found.take(rows)
    kinds = {kind.attribute: (kind.attribute,) for kind in language.kinds if kind.attribute in found.found}
    taken = every if len(rows) == every.num_rows else every.take(pa.array(rows))
    return _Spans.of(taken, found, observe.tell(found, language, kinds))


def _claims(every: _Spans, candidates: Rows, tenants: Sequence[str]) -> pa.Table | None:
    """CLAIMS of the spans that are no candidates and claim something, validly."""
    count = every.rows.num_rows
    if len(candidates) == count:
        return None
    other = np.ones(count, np.bool_)
    other[candidates] = False
    some = every.take(np.flatnonzero(other))
    claim = some.told.claim
    valid = claim.valid() & ~some.no_trace & ~some.no_span
    fields = {
        "tenant": choose(some.rows["request"].to_numpy(), tenants).array(),
        "trace_id": some.trace_id,
        "span_id": some.span_id,
        "parent_span_id": some.parent_span_id,
        "started_at": _started(some.rows),
        "account_id": claim.account_id.names.array(),
        "context": claim.context.names.array(),
        "transaction_id": claim.transaction_id.array,
    }
    table = pa.Table.from_arrays([fields[name] for name in CLAIMS.names], schema=CLAIMS)
    return table if valid.all() else table.filter(pa.array(valid))


def _started(rows: pa.RecordBatch) -> pa.TimestampArray:
    """When spans began; those that do not tell it, when they ended."""
    start, end = rows["start_time_unix_nano"].to_numpy(), rows["end_time_unix_nano"].to_numpy()
    told = np.minimum(np.where(start == 0, end, start), np.uint64(np.iinfo(np.int64).max))
    return pa.array(told.astype(np.int64)).cast(TIMESTAMP)


def _calls(some: _Spans, language: Language) -> _Calls:
    """The candidates among some spans."""
    operations = _operations(language)
    used = some.found.has(_usage(language))
    kinds = [kind for kind in language.kinds if kind.attribute in some.told.names]
    operation = operations.by_attributes(some.told, kinds)
    silent = np.flatnonzero(~some.found.has([kind.attribute for kind in kinds]))
    if len(silent):
        operation[silent] = operations.of_silent(some.take(silent), used[silent])
    inference = operations.inference[operation] | (operations.if_used[operation] & used)
    kept = np.flatnonzero(inference | used)
    named = operations.names(some.found.take(kept), operation[kept], kinds)
    return _Calls(kept, named, inference[kept])


def _candidates(some: _Spans, calls: _Calls, scopes: Sequence[Scope], language: Language) -> Candidates:
    rows, scope = some.rows, some.rows["scope"].to_numpy()
    ranks = np.array([emitters.rank(each.name) for each in scopes], np.uint64)
    carriers = Carriers(
        signal="span",
        request=rows["request"].to_numpy(),
        resource=rows["resource"].to_numpy(),
        scope=scope,
        trace_id=some.trace_id,
        span_id=some.span_id,
        parent_span_id=some.parent_span_id,
        start_ns=rows["start_time_unix_nano"].to_numpy(),
        end_ns=rows["end_time_unix_nano"].to_numpy(),
        failed=rows["status_code"].to_numpy() == _ERROR_STATUS,
        checks=[
            Check("trace_id", some.no_trace, "is not 16 bytes, or all zero"),
            Check("span_id", some.no_span, "is not 8 bytes, or all zero"),
        ],
    )
    return Candidates(
        carriers,
        language,
        some.found,
        calls.operation,
        calls.inference,
        rank=np.where(calls.inference, ranks[scope], np.uint64(ROLLUP_RANK)),
        told=some.told,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Operations:
    """The operations that a language knows, by number; _NONE is any other.

    `inference` and `if_used` are by that number: whether it is an inference, and whether it is one if its
    span tells usage.
    """

    language: Language
    known: Sequence[str]
    inference: Mask
    if_used: Mask

    def by_attributes(self, told: Told, kinds: Sequence[Kind]) -> Rows:
        """What the attributes say: the first whose value is known."""
        operation = np.full(len(told.claim.context.invalid), _NONE)
        for kind in reversed(kinds):
            said = self._numbers(told.names[kind.attribute].names, kind.operations)
            operation = np.where(said == _NONE, operation, said)
        return operation

    def of_silent(self, some: _Spans, used: Mask) -> Rows:
        """What spans are of which no attribute says it."""
        names = Names.of(some.rows["name"].fill_null("").dictionary_encode())
        provided = some.found.has(self.language.names["provider"])
        operation = np.where(used | provided, self._numbers(names, self.language.span_names), _NONE)
        models = (*self.language.names["request_model"], *self.language.names["response_model"])
        named = used & (provided | some.found.has(models))
        return np.where((operation == _NONE) & named, self.known.index(CHAT), operation)

    def names(self, found: Pivot, operation: Rows, kinds: Sequence[Kind]) -> Names:
        """The names of operations: of those that are not known, what the attributes say."""
        known = choose(operation % len(self.inference), (*self.known, ""))
        other = np.flatnonzero(operation == _NONE)
        if not len(other):
            return known
        attributes = [kind.attribute for kind in kinds]
        said = columns.names(found.take(other), {"operation": attributes})["operation"].names
        index = np.zeros(len(operation), np.int64)
        index[other] = said.index
        return where(operation == _NONE, Names(index, said.dictionary), known)

    def _numbers(self, names: Names, operations: Mapping[str, str]) -> Rows:
        number = {name: i for i, name in enumerate(self.known)}
        there = np.flatnonzero(np.bincount(names.index, minlength=len(names.dictionary)))
        numbers = np.full(max(len(names.dictionary), 1), _NONE)
        for i, text in zip(there.tolist(), names.dictionary.take(pa.array(there)).to_pylist(), strict=True):
            if text.lower() in operations:
                numbers[i] = number[operations[text.lower()]]
        return numbers[names.index]


@cache
def _operations(language: Language) -> _Operations:
    told = [*(kind.operations for kind in language.kinds), language.span_names]
    known = tuple(dict.fromkeys([CHAT, *(name for each in told for name in each.values())]))
    every = (*known, None)
    return _Operations(
        language,
        known,
        np.array([name in INFERENCES for name in every]),
        np.array([name in INFERENCES_IF_USED for name in every]),
    )
