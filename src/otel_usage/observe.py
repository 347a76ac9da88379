"""Candidate calls, whatever carried them, to OBSERVATIONS: the part that spans and log records share.

The caller finds the candidates among its rows, and says of each what it is and what carried it
(`Candidates`); `observe` reads their attributes by the merged table of a `Language`:

    found = observe.find(attributes, scope, scopes, language)     # of all rows; see pivot.Pivot
    observed = observe.observe(Candidates(..., found=found.take(kept)), Sources(...), latest_ns)
    observed.table, observed.rejection    # OBSERVATIONS in their order; those rejected, and why

The rules, in words:

- An attribute without a value, or with empty text, is not there. Of several for one field the first counts.
- A candidate is *rejected*, with the reason, if a count is no count (negative, fractional, boolean, text
  other than digits, over MAX_TOKENS), a duration is none (see `quantities`), a billing attribute is no text,
  too long or not one of its values, or no time is told, or one before 2020, after the clock, or of a day
  whose rows are no longer kept.
- NaN is a count that was not reported. A call without start has its end as start.
- The payer (account and context) is taken from the row, else from its resource, as a pair; transaction and
  usage type each by themselves. No context: `customer` with an account, `system` without one. A call of a
  customer without account, or of nobody named, is `unattributed`.
- The call's identity is the provider's response id where it is long enough to be unique, else what carried
  it. A roll-up's is always its carrier: the id it may have is that of one of its children.
- The usage type is the operation's, if none is told. Inclusive totals, and what is missing or made up: see
  `usage`. Who answered: see `served`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import columns, documents, identity, payer, quantities, served, usage
from otel_usage.attributes import MAX_ID
from otel_usage.checks import EXPIRED, Check, Rejection, reject
from otel_usage.columns import Fields, Named, Pivot, Texts, Wanted
from otel_usage.dialects import conventions, emitters
from otel_usage.dialects.language import Language
from otel_usage.model import (
    CALL_ID,
    EARLIEST_NS,
    OBSERVATIONS,
    TIMESTAMP,
    Attributes,
    Resource,
    Scalar,
    Scope,
)
from otel_usage.names import Mask, Names, Rows, choose, constant, sizes, where
from otel_usage.otlp.values import spelled
from otel_usage.payer import Claim
from otel_usage.quantities import Calls
from otel_usage.served import Service

_SERVICE_NAME: Final = "service.name"
_ROLES: Final = ("inference", "rollup")


@dataclass(frozen=True, slots=True)
class Sources:
    """What the candidates point to by index: resources, scopes, and the tenant of each request."""

    resources: Sequence[Resource]
    scopes: Sequence[Scope]
    tenants: Sequence[str]


@dataclass(frozen=True, slots=True)
class Carriers:
    """What carried the candidates: spans or log records, a row each.

    `request`, `resource` and `scope` are indexes in `Sources`. Ids are of fixed size (16, 8, 8), all zero if
    there is none: see `columns.fixed`. Times are uint64 nanoseconds since 1970, 0 if not told; a call without
    start has its end as start. `failed`: an error was reported. `checks` are those of the carrier itself, of
    its ids say.
    """

    signal: str
    """`span` or `log`: the column `signal`, and the kind of identity (`identity.call_ids`) of a call that has
    no response id of its own."""
    request: Rows
    resource: Rows
    scope: Rows
    trace_id: pa.FixedSizeBinaryArray
    span_id: pa.FixedSizeBinaryArray
    parent_span_id: pa.FixedSizeBinaryArray
    start_ns: npt.NDArray[np.uint64]
    end_ns: npt.NDArray[np.uint64]
    failed: Mask
    checks: Sequence[Check] = ()
    keys: pa.BinaryArray | None = None
    """Per row, the key of the identity of a call without a response id. None: its trace id and span id."""


@dataclass(frozen=True, slots=True)
class Told:
    """What rows tell in texts, by canonical field: names, texts that are mostly distinct, and who pays."""

    names: Mapping[str, Named]
    texts: Mapping[str, Texts]
    claim: Claim

    def take(self, rows: Rows) -> "Told":
        """What some of the rows tell."""
        if len(rows) == len(self.claim.context.invalid):
            return self
        texts = {name: each.take(rows) for name, each in self.texts.items()}
        return Told(
            {name: each.take(rows) for name, each in self.names.items()}, texts, self.claim.take(rows)
        )


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be calls, a row each: what carried it, its attributes, and what it is.

    `operation` is in OpenTelemetry's words (`dialects.dialect`). `inference`: one call to a model, else a
    roll-up. `rank`: how directly the emitter saw the call, uint64 (`dialects.emitters`;
    `identity.ROLLUP_RANK`). `told`: what `tell` says of `found`, if the caller has asked it before.
    """

    carriers: Carriers
    language: Language
    found: Pivot
    operation: Names
    inference: Mask
    rank: npt.NDArray[np.uint64]
    told: Told | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """OBSERVATIONS of the candidates that passed, and those that did not."""

    table: pa.Table
    rejection: Rejection


def find(
    attributes: Attributes,
    scope: Rows,
    scopes: Sequence[Scope],
    language: Language,
    *,
    telling: tuple[str, ...] = (),
) -> Pivot:
    """Where the attributes are that the language knows, with the payer's and the documents'.

    Row i is of the emitter `scopes[scope[i]]`: names that are valid for some emitters only are found there
    only. `telling`: if none of these is anywhere, nothing is found.
    """
    found = columns.pivot(attributes, len(scope), _wanted(language, telling))
    for confined in language.confined:
        if found.has_any(confined.names):
            mine = [any(fnmatchcase(each.name, pattern) for pattern in confined.scopes) for each in scopes]
            found = found.without(confined.names, ~np.array(mine)[scope])
    return found


def tell(found: Pivot, language: Language, more: Fields = MappingProxyType({})) -> Told:
    """What the rows tell in texts. `more` are names of the caller's own."""
    names = columns.names(found, {**language.names, **payer.NAMES, **more})
    texts = columns.texts(found, {**language.texts, **payer.TEXTS})
    return Told(names, texts, Claim.of(names, texts))


def observe(
    candidates: Candidates, sources: Sources, latest_ns: int, earliest_ns: int = EARLIEST_NS
) -> Observed:
    """The observations. A call that starts after `latest_ns` or before `earliest_ns` is rejected."""
    carriers = candidates.carriers
    fields, checks = _fields(candidates, sources, latest_ns, earliest_ns)
    rejection = reject(
        checks,
        candidates.found,
        carriers.request,
        span_ids=carriers.span_id,
        signal=carriers.signal,
        requests=len(sources.tenants),
    )
    table = pa.Table.from_arrays([fields[name] for name in OBSERVATIONS.names], schema=OBSERVATIONS)
    if rejection.rows.any():
        table = table.filter(pa.array(~rejection.rows))
    return Observed(table, rejection)


@cache
def _wanted(language: Language, telling: tuple[str, ...]) -> Wanted:
    names = (
        *language.attributes,
        *payer.BILLING,
        *documents.ATTRIBUTES,
        *conventions.MARKERS,
        *emitters.MARKERS,
    )
    return Wanted.of(names, language.prefixes, telling=telling)


def _fields(
    candidates: Candidates, sources: Sources, latest_ns: int, earliest_ns: int
) -> tuple[dict[str, pa.Array], Sequence[Check]]:
    """The columns of OBSERVATIONS, and the checks on them."""
    carriers, found, language = candidates.carriers, candidates.found, candidates.language
    count, inference = found.rows, candidates.inference
    told = candidates.told or tell(found, language)
    names = {name: told.names[name].names for name in language.names}
    shared = Claim.inherited(sources.resources, carriers.resource)
    billed = payer.read(told.claim, shared, quantities.usage_types(candidates.operation))
    emission = usage.Emission(carriers.scope, sources.scopes, names["provider"])
    used = usage.read(found, language, emission, Calls(candidates.operation, billed.usage_type, inference))
    response_id = told.texts["response_id"].array
    if used.documents is not None:
        response_id = pc.if_else(pa.array(sizes(response_id) > 0), response_id, used.documents.response_id)
        tier = names["service_tier"]
        names["service_tier"] = where(tier.non_empty(), tier, used.documents.service_tier)
    service = Service(
        names,
        carriers.scope,
        sources.scopes,
        failed=carriers.failed,
        answered=(used.status > 0) | (sizes(response_id) > 0),
    )
    times, time_checks = _times(carriers, latest_ns, earliest_ns)
    tenant = choose(carriers.request, sources.tenants)
    version = identity.versions(
        status=used.status,
        detail=used.detail,
        rank=candidates.rank,
        payer=billed.named.astype(np.uint64),
        span_ids=carriers.span_id,
    )
    fields = {
        "request": pa.array(carriers.request),
        "tenant": tenant.array(),
        "call_id": _call_id(carriers, tenant, response_id, inference),
        "version": pa.array(version),
        "is_deleted": pa.array(np.zeros(count, np.uint8)),
        "role": choose(~inference, _ROLES).array(),
        "duplicate_of": pa.nulls(count, CALL_ID),
        "signal": constant(carriers.signal, count).array(),
        "trace_id": carriers.trace_id,
        "span_id": carriers.span_id,
        "parent_span_id": carriers.parent_span_id,
        "response_id": response_id,
        "operation": candidates.operation.array(),
        "service_name": _by_source(
            carriers.resource, [each.attributes.get(_SERVICE_NAME) for each in sources.resources]
        ),
        "scope_name": _by_source(carriers.scope, [each.name for each in sources.scopes]),
        "scope_version": _by_source(carriers.scope, [each.version for each in sources.scopes]),
        "writer": constant("", count).array(),
    }
    checks = [*carriers.checks, *time_checks, *billed.checks, *used.checks]
    return fields | times | billed.columns | used.columns | served.read(service), checks


def _by_source(rows: Rows, values: Sequence[Scalar]) -> pa.DictionaryArray:
    return choose(rows, [columns.short(spelled(value) or "") for value in values]).array()


def _times(
    carriers: Carriers, latest_ns: int, earliest_ns: int
) -> tuple[dict[str, pa.Array], Sequence[Check]]:
    """When the call started, and how long it took."""
    start, end = carriers.start_ns, carriers.end_ns
    start = np.where(start == 0, end, start)
    wrong = (start < EARLIEST_NS) | (start > latest_ns)
    duration = np.where(end > start, end - start, np.uint64(0))
    fields = {
        "started_at": pa.array(np.where(wrong, 0, start).astype(np.int64)).cast(TIMESTAMP),
        "duration_ns": pa.array(duration),
    }
    problem = "is missing, in the future, or before 2020 (nanoseconds are expected)"
    checks = [Check("start_time_unix_nano", wrong, problem)]
    if earliest_ns > EARLIEST_NS:
        checks.append(Check("start_time_unix_nano", ~wrong & (start < earliest_ns), EXPIRED))
    return fields, checks


def _call_id(carriers: Carriers, tenant: Names, response_id: pa.StringArray, inference: Mask) -> pa.Array:
    length = pc.utf8_length(response_id).to_numpy()
    unique = inference & (length >= identity.UNIQUE_RESPONSE_ID) & (length <= MAX_ID)
    tenants = tenant.array()
    if unique.all():
        return identity.call_ids(tenants, "response", response_id)
    keys = carriers.keys if carriers.keys is not None else _span_keys(carriers)
    by_carrier = identity.call_ids(tenants, carriers.signal, keys)
    if not unique.any():
        return by_carrier
    return pc.if_else(pa.array(unique), identity.call_ids(tenants, "response", response_id), by_carrier)


def _span_keys(carriers: Carriers) -> pa.BinaryArray:
    return pc.binary_join_element_wise(
        carriers.trace_id.cast(pa.binary()), carriers.span_id.cast(pa.binary()), b""
    )
