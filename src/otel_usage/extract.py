"""SPANS to OBSERVATIONS: which spans are calls to a model, and what they say of it.

The rules, in words:

- A span is a **candidate** if it names an operation (`gen_ai.operation.name`), or, from before there were
  operations, names a provider and has an attribute for input or output tokens. Any other is *ignored*.
- A candidate whose operation is an inference (or that names none) is one call: role `inference`.
  Another operation with token attributes repeats those of its children: role `rollup`. Without: *ignored*.
- An attribute without a value, or with empty text, is not there. Of several for one field the newest counts.
- A candidate is *rejected*, with the reason, if a token count is no count (negative, fractional, boolean,
  text other than digits, over MAX_TOKENS), a billing attribute of it is no text, too long or not one of its
  values, an id has the wrong length or is all zero, or no time says when the call was: none is there, or it
  is before 2020 or after the clock.
- NaN is a count that was not reported. A span without start has its end as start.
- The payer (account and context) is taken from the span, else from the resource, as a pair; transaction and
  usage type each by themselves. No context: `customer` with an account, `system` without one. A call of a
  customer without account, or of nobody named, is `unattributed`.
- The call's identity is the provider's response id where it is long enough to be unique, else the span.
  A roll-up's is always its span: the id it may carry is that of one of its children.
- Usage is `reported` if both input and output tokens are (of embeddings, input), else `missing`.
- Counts become OTel's inclusive totals; `conventions` says whose input lacks the cached tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import columns, identity, payer, usage
from otel_usage.attributes import MAX_ID
from otel_usage.checks import Check, reject
from otel_usage.columns import Fields, Named, Pivot, Positions
from otel_usage.dialects import conventions, otel_genai
from otel_usage.model import CALL_ID, EARLIEST_NS, MAX_NAME, OBSERVATIONS, TIMESTAMP, Scalar, Spans
from otel_usage.names import Mask, Names, choose, constant, where
from otel_usage.otlp.values import spelled

_SERVICE_NAME: Final = "service.name"
_MODEL_NAMES: Final[Fields] = {
    "operation": otel_genai.OPERATION,
    "provider": otel_genai.PROVIDER,
    "request_model": otel_genai.REQUEST_MODEL,
    "response_model": otel_genai.RESPONSE_MODEL,
    "service_tier": otel_genai.SERVICE_TIER,
    "error_type": otel_genai.ERROR_TYPE,
}
_NAMES: Final[Fields] = {**_MODEL_NAMES, **payer.NAMES}
_TEXTS: Final[Fields] = {"response_id": otel_genai.RESPONSE_ID, **payer.TEXTS}
_ROLES: Final = ("inference", "rollup")
_RANKS: Final = (8, 1)  # of the roles: which observation of a call wins, see identity.versions
_USAGE_TYPES: Final = ("text", "embedding")
_ERROR_STATUS: Final = 2  # opentelemetry.proto.trace.v1.Status.STATUS_CODE_ERROR
_ERROR_OTHER: Final = "_OTHER"  # semantic conventions: error.type of an error that has no type


@dataclass(frozen=True, slots=True)
class Extraction:
    """OBSERVATIONS, and per request what became of the spans that are not in it."""

    observations: pa.Table
    received: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.int64]
    rejected: npt.NDArray[np.int64]
    messages: Sequence[str]
    """Why spans were rejected; empty where none were."""


@dataclass(frozen=True, slots=True)
class _Candidates:
    """The candidates among the spans: their SPANS rows, their attributes, and which are inferences."""

    rows: pa.RecordBatch
    found: Pivot
    names: Mapping[str, Named]
    inference: Mask

    def index(self, name: str) -> Positions:
        """The index of each one's request, resource or scope."""
        return self.rows[name].to_numpy()


def observations(spans: Spans, tenants: Sequence[str], *, now_ns: int, max_clock_skew_ns: int) -> Extraction:
    """The calls among the spans. `tenants` has the owner of each request.

    A call that starts later than `now_ns + max_clock_skew_ns` is rejected.
    """
    requests = len(tenants)
    received = np.bincount(spans.rows["request"].to_numpy(), minlength=requests)
    none = np.zeros(requests, np.int64)
    candidates = _candidates(spans)
    if candidates is None:
        return Extraction(_nothing(), received, received, none, [""] * requests)
    request = candidates.index("request")
    ignored = received - np.bincount(request, minlength=requests)
    fields, checks = _observe(spans, candidates, tenants, now_ns + max_clock_skew_ns)
    rejection = reject(checks, candidates.found, request, fields["span_id"], requests)
    table = pa.Table.from_arrays([fields[name] for name in OBSERVATIONS.names], schema=OBSERVATIONS)
    if rejection.rows.any():
        table = table.filter(pa.array(~rejection.rows))
    return Extraction(table, received, ignored, rejection.counts, rejection.messages)


@cache
def _nothing() -> pa.Table:
    return OBSERVATIONS.empty_table()


@cache
def _wanted() -> pa.BinaryArray:
    groups = (*_NAMES.values(), *_TEXTS.values(), *otel_genai.TOKENS.values())
    return pa.array([name.encode() for group in groups for name in group])


def _candidates(spans: Spans) -> _Candidates | None:
    found = columns.pivot(spans.attributes, spans.rows.num_rows, _wanted())
    if not found.found:
        return None
    tokens = otel_genai.TOKENS
    used = found.has((*tokens["input_tokens"], *tokens["output_tokens"]))
    old = used & found.has(otel_genai.PROVIDER)
    rows = np.flatnonzero(found.has(otel_genai.OPERATION) | old)
    if not len(rows):
        return None
    names = columns.names(found.take(rows), _NAMES)
    operation = names["operation"].names
    unnamed, call = operation.is_one_of(("",)), operation.is_one_of(otel_genai.INFERENCE)
    inference = call | (unnamed & old[rows])
    kept = np.flatnonzero(inference | (~unnamed & used[rows]))
    if len(kept) < len(inference):
        names = {name: column.take(kept) for name, column in names.items()}
        inference = inference[kept]
    rows = rows[kept]
    if not len(rows):
        return None
    batch = spans.rows if len(rows) == spans.rows.num_rows else spans.rows.take(pa.array(rows))
    return _Candidates(batch, found.take(rows), names, inference)


def _observe(
    spans: Spans, candidates: _Candidates, tenants: Sequence[str], latest_ns: int
) -> tuple[dict[str, pa.Array], list[Check]]:
    """The columns of OBSERVATIONS, and the checks on them."""
    rows, found, inference = candidates.rows, candidates.found, candidates.inference
    count, resource, scope = len(inference), candidates.index("resource"), candidates.index("scope")
    texts = columns.texts(found, _TEXTS)
    embedding = candidates.names["operation"].names.is_one_of((otel_genai.EMBEDDINGS,))
    claim, shared = payer.Claim.of(candidates.names, texts), payer.Claim.inherited(spans.resources, resource)
    billed = payer.read(claim, shared, choose(embedding, _USAGE_TYPES))
    exclusive = np.array([each.name in conventions.EXCLUSIVE_EMITTERS for each in spans.scopes])
    used = usage.read(found, exclusive[scope], embedding)
    times, time_check = _times(rows, latest_ns)
    trace_id, no_trace = columns.fixed(rows["trace_id"], 16)
    span_id, no_span = columns.fixed(rows["span_id"], 8)
    tenant = choose(candidates.index("request"), tenants)
    response_id = texts["response_id"].array
    rank = np.where(inference, *_RANKS).astype(np.uint64)
    fields = {
        "request": rows["request"],
        "tenant": tenant.array(),
        "call_id": _call_id(tenant, response_id, inference, trace_id, span_id),
        "version": pa.array(identity.versions(rank, used.detail, span_id)),
        "is_deleted": pa.array(np.zeros(count, np.uint8)),
        "role": choose(~inference, _ROLES).array(),
        "duplicate_of": pa.nulls(count, CALL_ID),
        "signal": constant("span", count).array(),
        "trace_id": trace_id,
        "span_id": span_id,
        "response_id": response_id,
        "service_name": choose(
            resource, [_short(each.attributes.get(_SERVICE_NAME)) for each in spans.resources]
        ).array(),
        "scope_name": choose(scope, [_short(each.name) for each in spans.scopes]).array(),
        "scope_version": choose(scope, [_short(each.version) for each in spans.scopes]).array(),
    }
    checks = [
        Check("trace_id", no_trace, "is not 16 bytes, or all zero"),
        Check("span_id", no_span, "is not 8 bytes, or all zero"),
        time_check,
        *billed.checks,
        *used.checks,
    ]
    return fields | _model(candidates) | times | billed.columns | used.columns, checks


def _model(candidates: _Candidates) -> dict[str, pa.Array]:
    """What was called, and whether it failed."""
    fields = {name: candidates.names[name].names for name in _MODEL_NAMES}
    failed = candidates.rows["status_code"].to_numpy() == _ERROR_STATUS
    if failed.any():
        untyped = failed & ~fields["error_type"].non_empty()
        fields["error_type"] = where(untyped, constant(_ERROR_OTHER, len(failed)), fields["error_type"])
    return {name: column.array() for name, column in fields.items()}


def _short(value: Scalar) -> str:
    text = spelled(value) or ""
    return text if len(text) <= MAX_NAME else columns.cut(pa.array([text]))[0].as_py()


def _times(rows: pa.RecordBatch, latest_ns: int) -> tuple[dict[str, pa.Array], Check]:
    """When the call started, and how long it took. A span without start has its end as start."""
    start, end = rows["start_time_unix_nano"].to_numpy(), rows["end_time_unix_nano"].to_numpy()
    start = np.where(start == 0, end, start)
    wrong = (start < EARLIEST_NS) | (start > latest_ns)
    duration = np.where(end > start, end - start, np.uint64(0))
    fields = {
        "started_at": pa.array(np.where(wrong, 0, start).astype(np.int64)).cast(TIMESTAMP),
        "duration_ns": pa.array(duration),
    }
    problem = "is missing, in the future, or before 2020 (nanoseconds are expected)"
    return fields, Check("start_time_unix_nano", wrong, problem)


def _call_id(
    tenant: Names, response_id: pa.StringArray, inference: Mask, trace_id: pa.Array, span_id: pa.Array
) -> pa.Array:
    length = pc.utf8_length(response_id).to_numpy()
    unique = inference & (length >= identity.UNIQUE_RESPONSE_ID) & (length <= MAX_ID)
    tenants = tenant.array()
    if unique.all():
        return identity.call_ids(tenants, "response", response_id)
    span = pc.binary_join_element_wise(trace_id.cast(pa.binary()), span_id.cast(pa.binary()), b"")
    by_span = identity.call_ids(tenants, "span", span)
    if not unique.any():
        return by_span
    return pc.if_else(pa.array(unique), identity.call_ids(tenants, "response", response_id), by_span)
