"""Rows that no one memory saw together: what the store finds, and what a sweep makes of it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_usage.batch import Export
from otel_usage.config import Settings
from otel_usage.ledger import Ledger
from otel_usage.model import Outcome, Retryable, Signal
from otel_usage.pricing import Pricer
from otel_usage.store import Store
from otel_usage.store.queries import UsageFilter, list_usage
from otel_usage.sweep import Sweep
from otel_usage.writer import Writer

pytestmark = pytest.mark.anyio

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


@pytest.fixture
def processes(any_store: Store) -> list[Process]:
    settings = Settings.model_validate({"rollup_delay": 0.001})
    return [Process(any_store, settings) for _ in range(2)]


async def test_two_observations_of_a_call_in_two_processes_are_one_after_a_sweep(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(1, scope="langchain")])
    other.send([Told(2, parent=1, response_id=ID)])
    assert len(await charged(any_store)) == 2
    assert await other.sweep() > 0
    assert await charged(any_store) == [(100, 10, "")]
    assert await one.sweep() == 0
    assert await other.sweep() == 0
    one.send([Told(1, scope="langchain")])
    other.send([Told(2, parent=1, response_id=ID)])
    assert await charged(any_store) == [(100, 10, "")]


async def test_a_call_with_two_payers_in_two_processes_is_one_row_after_a_sweep(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(1, response_id=ID, account="alpha", trace=bytes(15) + b"\1")])
    other.send([Told(2, response_id=ID, account="beta", trace=bytes(15) + b"\2", start=3_600)])
    assert len(await charged(any_store)) == 2
    assert await one.sweep() > 0
    assert len(await charged(any_store)) == 1
    assert await other.sweep() == 0
    assert len(await charged(any_store)) == 1


async def test_equal_numbers_of_two_emitters_in_two_traces_and_processes_are_one_call_after_a_sweep(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(1, scope="langsmith", input=777)])
    other.send([Told(2, response_id=ID, input=777, trace=bytes(15) + b"\2", start=0.2)])
    await one.sweep()
    assert await charged(any_store) == [(777, 10, "")]


async def test_a_payer_that_another_process_heard_of_pays_after_a_sweep(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(9, operation="", account="alpha")])
    other.send([Told(1, parent=9)])
    assert await charged(any_store) == [(100, 10, "")]
    await one.sweep()
    assert await charged(any_store) == [(100, 10, "alpha")]


async def test_a_claim_that_could_not_be_stored_is_stored_when_it_is_sent_again(
    any_store: Store, processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = processes

    def refuse(_: pa.Table) -> None:
        raise Retryable("down", retry_after=1)

    with monkeypatch.context() as down:
        down.setattr(any_store, "insert_claims", refuse)
        with pytest.raises(Retryable):
            one.send([Told(9, operation="", account="alpha")])
    one.send([Told(9, operation="", account="alpha")])
    other.send([Told(1, parent=9)])
    await other.sweep()
    assert await charged(any_store) == [(100, 10, "alpha")]


async def test_a_roll_up_is_charged_when_its_calls_do_not_come_and_not_when_they_do(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    assert one.send([Told(1, operation="invoke_agent", input=300)])[0].rollup == 1
    assert await charged(any_store) == []
    assert await one.sweep() == 1
    assert await charged(any_store) == [(300, 10, "")]
    other.send([Told(2, parent=1, input=300)])
    await other.sweep()
    assert await charged(any_store) == [(300, 10, "")]
    rows = await any_store.query(list_usage(UsageFilter("default", role="rollup"), 10))
    assert [row.input_tokens for row in rows] == [300]


async def test_a_trace_that_spans_a_restart_is_resolved_after_it(
    any_store: Store, processes: list[Process]
) -> None:
    before, after = processes
    before.send([Told(2, parent=1, response_id=ID), Told(3, parent=1, start=5)])
    after.send([Told(1, scope="langchain", account="alpha"), Told(4, parent=1, scope="x", start=5)])
    await after.sweep()
    assert await charged(any_store) == [(100, 10, "alpha"), (100, 10, "alpha")]


async def test_a_trace_that_goes_on_after_it_was_forgotten_is_resolved_after_a_sweep(
    any_store: Store,
) -> None:
    process = Process(any_store, Settings.model_validate({"memory_rows": 4}))
    process.send([Told(1, scope="langchain", account="alpha")])
    for number in range(10, 20):
        process.send([Told(number, trace=number.to_bytes(16), input=number)])
    process.send([Told(2, parent=1, response_id=ID)])
    assert len(await charged(any_store)) == 12
    assert await process.sweep() > 0
    assert len(await charged(any_store)) == 11
    assert await process.sweep() == 0


async def test_what_one_memory_resolved_is_not_looked_at(processes: list[Process]) -> None:
    one, other = processes
    one.send([Told(1, scope="langchain"), Told(2, parent=1, response_id=ID)])
    other.send([Told(7, trace=bytes(15) + b"\7", input=70)])
    assert await one.sweeper.find() == []
    assert await other.sweeper.find() == []
