"""ClickHouse does not take rows for a while: senders are told when to come again, and then all is there."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, cast

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.pricing import Pricer
from otel_usage.store import Store
from otel_usage.store.queries import UsageFilter
from otel_usage.store.summary import summarize
from tests.chdb_server import ChdbServer
from tests.receiver.wires import Door, Server, llm_request, llm_spans, serving

pytestmark = pytest.mark.anyio

COST: Final = Decimal("0.0085")
"""Of each call, in US dollars."""
RETRY_AFTER: Final = 0.25
"""Seconds. The gRPC exporter tries six times, so with this one it endures a good second of outage."""
TIMEOUT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Metered:
    """Both wires, an ingest and a store behind them, and the ClickHouse of that."""

    server: Server
    store: Store
    clickhouse: ChdbServer

    async def bill(self) -> tuple[int, Decimal | None]:
        rows = await self.store.query(summarize(UsageFilter("default")))
        return next(((row.calls, row.billed_cost) for row in rows if row.by == "all"), (0, None))

    def inserts(self) -> int:
        """How often ClickHouse was asked to take rows."""
        return sum("INSERT" in parameters.get("query", "") for parameters in self.clickhouse.requests)


@pytest.fixture
def clickhouse(one_server: ChdbServer) -> ChdbServer:
    one_server.recover()
    return one_server


@pytest.fixture
async def metered(clickhouse: ChdbServer, migrated: str) -> AsyncIterator[Metered]:
    settings = Settings(dsn=clickhouse.dsn(migrated), retry_after=RETRY_AFTER, insert_timeout=TIMEOUT)
    with Store.open(settings) as store:
        async with Ingest(settings, store, Pricer.bundled()) as ingest:
            await ingest.export(llm_request(), tenant="warm")  # what is loaded late takes its time here
            async with serving(
                cast("Door", ingest), retry_after=RETRY_AFTER, insert_timeout=TIMEOUT
            ) as server:
                yield Metered(server, store, clickhouse)


@pytest.mark.parametrize("wire", ["grpc", "http/protobuf"])
async def test_a_sender_is_told_when_to_come_again(metered: Metered, wire: str) -> None:
    body = llm_request(3)
    metered.clickhouse.failure = "Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)"
    for _ in range(2):
        reply = await metered.server.send(wire, body)
        assert reply.code == (grpc.StatusCode.UNAVAILABLE.value[0] if wire == "grpc" else 503)
        assert reply.retry_after == (RETRY_AFTER if wire == "grpc" else 1)  # HTTP knows whole seconds
    metered.clickhouse.failure = ""
    assert await metered.bill() == (0, None)
    assert (await metered.server.send(wire, body)).ok
    assert await metered.bill() == (3, 3 * COST)


@pytest.mark.parametrize(
    ("switches", "took_effect"),
    [
        ({"failure": "Code: 252. DB::Exception: Too many parts (3001). (TOO_MANY_PARTS)"}, False),
        ({"failure": "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"}, False),
        (
            {"failure": "Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)"},
            False,
        ),  # our fault, not theirs
        ({"overloaded": True}, False),
        ({"cut": "before"}, False),
        ({"cut": "after"}, True),
    ],
    ids=["too many parts", "no memory", "syntax", "503 without a word", "cut before", "cut after"],
)
async def test_what_was_not_acknowledged_is_sent_again_and_is_there_once(
    metered: Metered, switches: Mapping[str, object], *, took_effect: bool
) -> None:
    body, before = llm_request(3), metered.inserts()
    for name, value in switches.items():
        setattr(metered.clickhouse, name, value)
    reply = await metered.server.send("http/protobuf", body)
    assert (reply.code, reply.retry_after) == (503, 1)
    assert metered.inserts() == before + 1  # only the sender tries again
    metered.clickhouse.recover()
    assert await metered.bill() == ((3, 3 * COST) if took_effect else (0, None))
    for _ in range(2):
        assert (await metered.server.send("http/protobuf", body)).ok
        assert await metered.bill() == (3, 3 * COST)


async def test_nobody_is_told_of_success_before_clickhouse_is_done(metered: Metered) -> None:
    metered.clickhouse.delay, before = TIMEOUT / 2, metered.inserts()
    began = time.monotonic()
    sending = asyncio.create_task(metered.server.send("http/protobuf", llm_request(3)))
    while metered.inserts() == before:
        assert not sending.done()
        await asyncio.sleep(0.005)
    metered.clickhouse.delay = 0  # of what comes now: the insert that waits goes on waiting
    assert await metered.bill() == (0, None)
    assert not sending.done()
    assert (await sending).ok
    assert time.monotonic() - began >= TIMEOUT / 2
    assert await metered.bill() == (3, 3 * COST)


@pytest.mark.parametrize(
    ("failure", "delay"),
    [("Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)", 0.0), ("", 2 * TIMEOUT)],
    ids=["refuses", "is slow"],
)
async def test_the_real_exporters_deliver_all_once_it_is_back(
    metered: Metered, failure: str, delay: float
) -> None:
    before = metered.inserts()
    metered.clickhouse.failure, metered.clickhouse.delay = failure, delay
    with contextlib.ExitStack() as exporters:
        exports = [
            asyncio.create_task(asyncio.to_thread(exporter.export, llm_spans(5)))
            for exporter in _exporters(metered.server, exporters)
        ]
        await asyncio.sleep(0.7)
        assert not any(export.done() for export in exports)
        assert metered.inserts() > before
        metered.clickhouse.failure, metered.clickhouse.delay = "", 0
        assert await asyncio.gather(*exports) == [SpanExportResult.SUCCESS] * len(exports)
    # An insert that was given up may have landed: its rows were sent again, and are the same calls.
    assert await metered.bill() == (5 * len(exports), 5 * len(exports) * COST)


def _exporters(server: Server, stack: contextlib.ExitStack) -> list[SpanExporter]:
    exporters: list[SpanExporter] = [
        *(GrpcExporter(server.grpc, insecure=True) for _ in range(3)),
        HttpExporter(f"http://{server.http}/v1/traces"),
    ]
    for exporter in exporters:
        stack.callback(exporter.shutdown)
    return exporters
