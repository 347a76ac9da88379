"""Observations made by hand, a store that keeps them as ClickHouse would, and the bill that is in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from otel_usage import identity
from otel_usage.lineage import Lineage, span_keys, trace_keys
from otel_usage.model import CLAIMS, OBSERVATIONS
from otel_usage.names import Names
from otel_usage.recent import Recent
from otel_usage.resolve import DUPLICATE, resolve

NOON_NS = 1_790_000_000_000_000_000 // 3_600_000_000_000 * 3_600_000_000_000
SECOND = 1_000_000_000
_HOUR_NS = 3_600 * SECOND
_STATUSES = ("missing", "estimated", "reported")


@dataclass(frozen=True)
class Span:
    """An observation, or, without a role, a span that is no LLM call."""

    span: int
    parent: int = 0
    trace: int = 1
    role: str | None = "inference"
    input: int | None = 100
    output: int | None = 10
    reasoning: int | None = None
    model: str = "gpt-4o"
    response_id: str = ""
    scope: str = "sdk"
    start: float = 0
    seconds: float = 1
    account: str = ""
    context: str = ""
    resource_account: str = ""
    transaction: str = ""
    detail: int = 2
    rank: int = 8
    error: str = ""
    service: str = "app"
    signal: str = "span"
    tenant: str = "default"

    @property
    def trace_id(self) -> bytes:
        return self.trace.to_bytes(16) if self.trace else bytes(16)


def observation(span: Span) -> dict[str, Any]:
    """The OBSERVATIONS row that extraction makes of a span."""
    used = span.input is not None and span.output is not None
    status = "reported" if used else "missing"
    own = bool(span.account or span.context)
    account = span.account or ("" if own else span.resource_account)
    attribution = "span" if own else "resource" if account else "unattributed"
    context = span.context or ("customer" if account else "system")
    rollup = span.role == "rollup"
    key = (
        identity.call_id(span.tenant, "response", span.response_id.encode())
        if len(span.response_id) >= identity.UNIQUE_RESPONSE_ID and not rollup
        else identity.call_id(
            span.tenant, span.signal, span.trace_id + span.span.to_bytes(8) + span.scope.encode()
        )
        if span.signal == "log"
        else identity.call_id(span.tenant, "span", span.trace_id + span.span.to_bytes(8))
    )
    version = identity.versions(
        status=np.array([_STATUSES.index(status)], np.uint64),
        detail=np.array([span.detail if used else 0], np.uint64),
        rank=np.array([identity.ROLLUP_RANK if rollup else span.rank], np.uint64),
        payer=np.array([bool(account)], np.uint64),
        span_ids=pa.array([span.span.to_bytes(8)], pa.binary(8)),
    )
    blank = {
        each.name: None if each.nullable else 0 if pa.types.is_integer(each.type) else ""
        for each in OBSERVATIONS
    }
    return blank | {
        "request": 0,
        "tenant": span.tenant,
        "account_id": account,
        "started_at": NOON_NS + int(span.start * SECOND),
        "duration_ns": int(span.seconds * SECOND),
        "call_id": key,
        "version": int(version[0]),
        "role": span.role,
        "signal": span.signal,
        "trace_id": span.trace_id,
        "span_id": span.span.to_bytes(8),
        "parent_span_id": span.parent.to_bytes(8),
        "response_id": span.response_id,
        "context": context,
        "attribution": attribution,
        "transaction_id": span.transaction,
        "usage_type": "text",
        "operation": "invoke_agent" if rollup else "chat",
        "provider": "openai",
        "request_model": span.model,
        "service_name": span.service,
        "scope_name": span.scope,
        "error_type": span.error,
        "usage_status": status,
        "usage_convention": "inclusive",
        "convention_source": "specification",
        "writer": "me",
        "input_tokens": span.input,
        "output_tokens": span.output,
        "reasoning_tokens": span.reasoning,
    }


def table(spans: Iterable[Span]) -> pa.Table:
    """OBSERVATIONS of those spans that are any."""
    rows = [observation(span) for span in spans if span.role]
    return pa.Table.from_pylist(rows, schema=OBSERVATIONS).unify_dictionaries().combine_chunks()


@dataclass
class World:
    """A memory, and a store that keeps of each key the highest version."""

    recent: Recent = field(default_factory=lambda: Recent(1 << 8, Lineage(1 << 10, 1 << 6)))
    rows: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    writes: int = 0

    def send(self, spans: Sequence[Span]) -> list[str]:
        """Commit spans together; what became of each observation."""
        lineage = self.recent.lineage
        tenant = Names.of(pa.array([span.tenant for span in spans]).dictionary_encode())
        traces = trace_keys(tenant, pa.array([span.trace_id for span in spans], pa.binary(16)))
        keys, parents = (
            span_keys(traces, pa.array([number.to_bytes(8) for number in numbers], pa.binary(8)))
            for numbers in ([span.span for span in spans], [span.parent for span in spans])
        )
        is_span = np.array([span.signal == "span" for span in spans])
        lineage.note(keys[is_span], parents[is_span])
        saying = [i for i, span in enumerate(spans) if not span.role and (span.account or span.transaction)]
        if saying:
            lineage.claim(keys[saying], traces[saying], claims([spans[i] for i in saying]))
        fresh = table(spans)
        involved = self.recent.involved(fresh, traces[is_span])
        resolution = resolve(involved.known, fresh.filter(pa.array(involved.rows)), lineage)
        alone = fresh.filter(pa.array(~involved.rows))
        rows = pa.concat_tables([alone, resolution.rows])
        self.store(rows, resolution.tombstones)
        self.recent.remember(rows, known=True)
        outcomes = np.array([span.role for span in spans if span.role], np.object_)
        outcomes[np.flatnonzero(involved.rows)] = np.array(("inference", "rollup", "duplicate"), np.object_)[
            resolution.roles
        ]
        assert DUPLICATE == 2
        return list(outcomes)

    def sweep(self, *, due: bool = False) -> None:
        """Resolve all that is stored."""
        stored = [{**row, "request": -1} for row in self.rows.values() if not row["is_deleted"]]
        known = pa.Table.from_pylist(stored, schema=OBSERVATIONS).unify_dictionaries().combine_chunks()
        resolution = resolve(
            known, OBSERVATIONS.empty_table(), self.recent.lineage, np.full(len(stored), due, np.bool_)
        )
        self.store(resolution.rows, resolution.tombstones)
        self.recent.remember(resolution.rows, known=True)

    def store(self, rows: pa.Table, tombstones: pa.Table) -> None:
        """Insert as ReplacingMergeTree keeps it."""
        written = rows.to_pylist() + [{**row, "is_deleted": 1} for row in tombstones.to_pylist()]
        for row in written:
            hour = int(row["started_at"].value) // _HOUR_NS
            key = (row["tenant"], row["account_id"], hour, row["call_id"])
            if key not in self.rows or row["version"] >= self.rows[key]["version"]:
                self.rows[key] = row
        self.writes += len(written)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The rows that are charged."""
        live = [row for row in self.rows.values() if not row["is_deleted"] and row["role"] == "inference"]
        return sorted(live, key=lambda row: (row["started_at"].value, row["span_id"]))

    @property
    def bill(self) -> list[tuple[int, int | None, int | None, str]]:
        """Span, input, output and account of each call that is charged."""
        return [
            (int.from_bytes(row["span_id"]), row["input_tokens"], row["output_tokens"], row["account_id"])
            for row in self.calls
        ]


def claims(spans: Sequence[Span]) -> pa.Table:
    """CLAIMS of spans that are no LLM calls."""
    return pa.Table.from_pylist(
        [
            {
                "tenant": span.tenant,
                "trace_id": span.trace_id,
                "span_id": span.span.to_bytes(8),
                "parent_span_id": span.parent.to_bytes(8),
                "started_at": 0,
                "account_id": span.account,
                "context": span.context,
                "transaction_id": span.transaction,
            }
            for span in spans
        ],
        schema=CLAIMS,
    )
