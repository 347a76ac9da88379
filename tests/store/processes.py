"""Servers that write to one store and sweep it, without their doors; and the spans they are told."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_usage.batch import Export
from otel_usage.config import Settings
from otel_usage.ledger import Ledger
from otel_usage.model import Outcome, Signal
from otel_usage.pricing import Pricer
from otel_usage.store import Store
from otel_usage.store.queries import UsageFilter, list_usage
from otel_usage.sweep import Sweep
from otel_usage.writer import Writer

TRACE = uuid.UUID(int=0xABCD).bytes
NOON_NS = 1_790_000_000_000_000_000
ID = "chatcmpl-0123456789abcdef"


@dataclass(frozen=True)
class Told:
    """A span as it is sent."""

    number: int
    parent: int = 0
    operation: str = "chat"
    input: int = 100
    output: int = 10
    account: str = ""
    response_id: str = ""
    scope: str = "sdk"
    trace: bytes = TRACE
    start: float = 0

    def body(self) -> bytes:
        attributes: dict[str, str | int] = {"otel_usage.account.id": self.account} if self.account else {}
        if self.operation:
            attributes |= {
                "gen_ai.operation.name": self.operation,
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.usage.input_tokens": self.input,
                "gen_ai.usage.output_tokens": self.output,
            }
        if self.response_id:
            attributes["gen_ai.response.id"] = self.response_id
        request = ExportTraceServiceRequest()
        scope_spans = request.resource_spans.add().scope_spans.add()
        scope_spans.scope.name = self.scope
        start = NOON_NS + int(self.start * 1e9)
        scope_spans.spans.append(
            Span(
                trace_id=self.trace,
                span_id=self.number.to_bytes(8),
                parent_span_id=self.parent.to_bytes(8) if self.parent else b"",
                start_time_unix_nano=start,
                end_time_unix_nano=start + 10**9,
                attributes=[KeyValue(key=key, value=_value(value)) for key, value in attributes.items()],
            )
        )
        return request.SerializeToString()


def _value(value: str | int) -> AnyValue:
    return AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)


@dataclass
class Process:
    """A server's writer and sweep, on a store that others may write to as well."""

    store: Store
    settings: Settings

    def __post_init__(self) -> None:
        self.writer = Writer(self.settings, self.store, Pricer.bundled(), Ledger())
        self.sweeper = Sweep(self.settings, self.store, self.writer)

    def send(self, spans: Iterable[Told]) -> list[Outcome]:
        answers = self.writer.write([Export(span.body(), "default", Signal.TRACES) for span in spans])
        return [answer for answer in answers if not isinstance(answer, pa.Table)]

    async def sweep(self) -> int:
        """How many rows it wrote."""
        found = await self.sweeper.find()
        return self.sweeper.settle(found) if found else 0


async def charged(store: Store) -> list[tuple[int | None, int | None, str]]:
    rows = await store.query(list_usage(UsageFilter("default"), 100))
    return sorted((row.input_tokens, row.output_tokens, row.account_id) for row in rows)
