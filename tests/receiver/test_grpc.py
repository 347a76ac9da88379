"""OTLP/gRPC: deadlines, senders that leave, limits, health, and the real exporter."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.trace.export import SpanExportResult

from otel_usage.auth import Keys
from otel_usage.config import MIB, Settings
from otel_usage.model import Retryable, Signal
from otel_usage.otlp.decode import decode
from otel_usage.receiver.grpc import grpc_server, health_servicer
from tests.receiver.wires import EXPORT, PROTOCOLS, Door, llm_spans, log_records, metrics_data, serving

pytestmark = pytest.mark.anyio


async def test_a_sender_with_little_time_is_told_to_retry_before_it_gives_up() -> None:
    async with serving(Door(gate=asyncio.Event())) as server:
        started = time.monotonic()
        reply = await server.send("grpc", b"", deadline=2.5)
    assert reply.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert reply.retry_after == 1.0
    assert time.monotonic() - started < 2.5


async def test_a_sender_with_no_deadline_is_told_to_retry_when_our_time_is_up() -> None:
    async with serving(Door(gate=asyncio.Event()), insert_timeout=0.05, retry_after=2.5) as server:
        reply = await server.send("grpc", b"", deadline=None)
    assert reply.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert reply.retry_after == 2.5
    assert reply.status is not None
    assert "0.1 s" in reply.status.message


async def test_what_a_sender_left_behind_is_still_stored() -> None:
    gate = asyncio.Event()
    async with serving(Door(gate=gate)) as server:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            call = channel.unary_unary(EXPORT, None, None)(b"")
            await server.door.asked.wait()
            call.cancel()
        await asyncio.sleep(0.05)
        assert server.door.taken == []
        gate.set()
        assert (await server.send("grpc", b"")).ok
    assert len(server.door.taken) == 2


async def test_a_commit_that_fails_after_its_sender_left_harms_nobody() -> None:
    gate = asyncio.Event()
    async with serving(Door(RuntimeError("late"), gate), insert_timeout=0.05) as server:
        assert not (await server.send("grpc", b"")).ok
        gate.set()
        await asyncio.sleep(0.05)
        server.door.answer = None
        assert (await server.send("grpc", b"")).ok


@pytest.mark.parametrize("noise", [b"\xff", b"\x0a\x05abc", bytes(range(255, 0, -1)), bytes(100)], ids=len)
async def test_bytes_that_are_no_request_are_refused_and_the_server_goes_on(noise: bytes) -> None:
    async with serving() as server:
        reply = await server.send("grpc", noise)
        assert reply.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert reply.status is not None
        assert reply.status.message
        assert (await server.send("grpc", b"")).ok
    assert len(server.door.taken) == 1


async def test_the_limit_of_a_message_is_a_setting_upwards_too() -> None:
    text = b"\xa2\x06" + b"\x80\x80\x80\x03" + bytes(6 * MIB)  # an unknown field of 6 MiB
    async with serving() as server:
        assert (await server.send("grpc", text)).code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    async with serving(max_grpc_message_bytes=8 * MIB) as server:
        assert (await server.send("grpc", text)).ok


async def test_a_gzip_bomb_is_refused_and_the_server_goes_on() -> None:
    async with serving() as server:
        reply = await server.send("grpc", bytes(64 * MIB), compressed=True)
        assert reply.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert reply.retry_after is None
        assert (await server.send("grpc", b"", compressed=True)).ok


async def test_a_port_in_use_is_an_error_and_not_shared() -> None:
    async with serving() as server:
        second = grpc_server(server.door, Keys(None), Settings())  # type: ignore[arg-type] # a stand-in
        with pytest.raises(RuntimeError, match="Failed to bind"):
            second.add_insecure_port(server.grpc)


async def test_health_says_serving_until_the_server_stops() -> None:
    health = health_servicer()
    server = grpc_server(Door(), Keys(None), Settings(), health)  # type: ignore[arg-type] # a stand-in
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            ask = health_pb2.HealthCheckRequest()
            assert (await stub.Check(ask)).status == health_pb2.HealthCheckResponse.SERVING
            watched: AsyncIterator[health_pb2.HealthCheckResponse] = aiter(stub.Watch(ask))
            assert (await anext(watched)).status == health_pb2.HealthCheckResponse.SERVING
            await health.enter_graceful_shutdown()
            assert (await anext(watched)).status == health_pb2.HealthCheckResponse.NOT_SERVING
    finally:
        await server.stop(None)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_the_real_exporter_is_served(compression: grpc.Compression) -> None:
    async with serving() as server:
        exporter = OTLPSpanExporter(server.grpc, insecure=True, compression=compression)
        result = await asyncio.to_thread(exporter.export, llm_spans(3))
        exporter.shutdown()
    assert result is SpanExportResult.SUCCESS
    [(body, _, _)] = server.door.taken
    assert decode([body]).rows.num_rows == 3


async def test_the_real_exporters_of_logs_and_metrics_are_served() -> None:
    async with serving() as server:
        logs = OTLPLogExporter(server.grpc, insecure=True)
        metrics = OTLPMetricExporter(server.grpc, insecure=True)
        assert await asyncio.to_thread(logs.export, log_records()) is LogRecordExportResult.SUCCESS
        assert await asyncio.to_thread(metrics.export, metrics_data()) is MetricExportResult.SUCCESS
        logs.shutdown()
        metrics.shutdown()
    assert [taken.signal for taken in server.door.taken] == [Signal.LOGS, Signal.METRICS]
    assert [PROTOCOLS[signal].decode([body]).rows.num_rows for body, _, signal in server.door.taken] == [1, 1]


async def test_the_real_exporter_waits_as_long_as_it_is_told() -> None:
    async with serving(Door(Retryable("full", retry_after=0.05))) as server:
        exporter = OTLPSpanExporter(server.grpc, insecure=True)
        started = time.monotonic()
        exporting = asyncio.create_task(asyncio.to_thread(exporter.export, llm_spans(1)))
        await server.door.asked.wait()
        server.door.answer = None
        assert await exporting is SpanExportResult.SUCCESS
        exporter.shutdown()
    # Its own first wait would be 0.8 to 1.2 s.
    assert 0.05 <= time.monotonic() - started < 0.8
