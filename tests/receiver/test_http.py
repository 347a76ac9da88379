"""OTLP/HTTP: limits that hold while a body comes, senders that leave, and the real exporter."""

import asyncio
import contextlib
import gzip
import re
from collections.abc import AsyncIterator
from typing import Final

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.trace.export import SpanExportResult

from otel_usage.config import MIB
from otel_usage.model import Signal
from otel_usage.otlp.decode import decode
from tests.receiver.wires import (
    JSON,
    PROTOBUF,
    PROTOCOLS,
    Door,
    Server,
    llm_spans,
    log_records,
    metrics_data,
    serving,
)

pytestmark = pytest.mark.anyio

BINARY: Final = {"Content-Type": PROTOBUF}


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("application/json; charset=utf-8", JSON),
        ("application/x-protobuf; proto=x", PROTOBUF),
        ("application/protobuf", "application/protobuf"),
    ],
)
async def test_parameters_of_a_content_type_are_ignored(sent: str, answered: str) -> None:
    async with serving() as server:
        reply = await server.post(b"{}" if answered == JSON else b"", {"Content-Type": sent})
    assert reply.ok
    assert reply.headers["content-type"] == answered


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/xml"}])
async def test_another_content_type_is_415_in_json(headers: dict[str, str]) -> None:
    async with serving() as server:
        reply = await server.post(b"x", headers)
    assert reply.code == 415
    assert reply.headers["content-type"] == JSON
    assert reply.status is not None
    assert PROTOBUF in reply.status.message


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize("path", [b"/v1/traces", b"/v1/logs", b"/v1/metrics"])
async def test_another_method_is_405_and_names_the_right_one(method: bytes, path: bytes) -> None:
    async with serving() as server:
        answer = await _raw(server, method + b" " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nallow: POST\r\n" in answer
    assert b"this server takes POST /v1/traces, /v1/logs, /v1/metrics" in answer


async def test_no_key_is_401_and_names_the_scheme() -> None:
    async with serving(api_key="s3cret") as server:
        reply = await server.post(b"", BINARY)
    assert reply.code == 401
    assert reply.headers["www-authenticate"] == "ApiKey"


@pytest.mark.parametrize("noise", [b"\xff", b"\x0a\x05abc", bytes(range(255, 0, -1)), bytes(100)], ids=len)
@pytest.mark.parametrize("headers", [BINARY, {"Content-Type": JSON}, {**BINARY, "Content-Encoding": "gzip"}])
async def test_bytes_that_are_no_request_are_refused_and_the_server_goes_on(
    noise: bytes, headers: dict[str, str]
) -> None:
    async with serving() as server:
        reply = await server.post(noise, headers)
        assert reply.code == 400
        assert reply.status is not None
        assert reply.status.message
        assert (await server.post(b"", BINARY)).ok
    assert len(server.door.taken) == 1


async def test_a_gzip_bomb_is_413_and_the_server_goes_on() -> None:
    bomb = gzip.compress(bytes(64 * MIB))
    async with serving() as server:
        reply = await server.post(bomb, {**BINARY, "Content-Encoding": "gzip"})
        assert reply.code == 413
        assert reply.status is not None
        assert "OTEL_USAGE_MAX_HTTP_BODY_BYTES" in reply.status.message
        assert (await server.post(b"", BINARY)).ok


async def test_a_body_over_the_limit_is_refused_before_it_has_all_come() -> None:
    head = b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    async with serving(max_http_body_bytes=1000) as server:
        # Announced, and not a byte of it sent.
        answer = await _raw(server, head + b"Content-Length: 1001\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")
        # Not announced, and the end never sent.
        answer = await _raw(
            server, head + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001 + b"\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert (await server.post(b"", BINARY)).ok


async def test_a_sender_of_too_much_reads_the_reason() -> None:
    async def megabytes() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(MIB)

    async with serving() as server:
        assert (await server.post(bytes(30 * MIB), BINARY)).code == 413
        assert (await server.post(megabytes(), BINARY)).code == 413
        assert (await server.post(b"", BINARY)).ok


async def test_a_sender_that_leaves_in_the_middle_of_a_body_harms_nobody() -> None:
    async with serving() as server:
        head = b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\n"
        reader, writer = await asyncio.open_connection(*server.http.split(":"))
        writer.write(head + b"Content-Length: 100\r\n\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.05)
        await _close(writer)
        assert await reader.read() == b""
        assert (await server.post(b"", BINARY)).ok
    assert len(server.door.taken) == 1


async def test_a_body_that_never_ends_is_given_up() -> None:
    head = b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    async with serving(http_read_timeout=0.05) as server:
        answer = await _raw(server, head + b"Content-Length: 100\r\n\r\nhalf")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"OTEL_USAGE_HTTP_READ_TIMEOUT" in answer


async def test_what_a_sender_left_behind_is_still_stored() -> None:
    gate = asyncio.Event()
    async with serving(Door(gate=gate)) as server:
        head = b"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\n"
        _, writer = await asyncio.open_connection(*server.http.split(":"))
        writer.write(head + b"Content-Length: 0\r\n\r\n")
        await server.door.asked.wait()
        await _close(writer)
        gate.set()
        assert (await server.post(b"", BINARY)).ok
    assert len(server.door.taken) == 2


async def test_a_sender_is_told_to_retry_when_our_time_is_up() -> None:
    async with serving(Door(gate=asyncio.Event()), insert_timeout=0.05, retry_after=2.5) as server:
        reply = await server.post(b"", BINARY)
    assert (reply.code, reply.retry_after) == (503, 3)


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_real_exporter_is_served(compression: Compression) -> None:
    async with serving() as server:
        exporter = OTLPSpanExporter(f"http://{server.http}/v1/traces", compression=compression)
        result = await asyncio.to_thread(exporter.export, llm_spans(3))
        exporter.shutdown()  # type: ignore[no-untyped-call] # it has no annotation
    assert result is SpanExportResult.SUCCESS
    [(body, _, _)] = server.door.taken
    assert decode([body]).rows.num_rows == 3


async def test_the_real_exporters_of_logs_and_metrics_are_served() -> None:
    async with serving() as server:
        logs = OTLPLogExporter(f"http://{server.http}/v1/logs", compression=Compression.Gzip)
        metrics = OTLPMetricExporter(f"http://{server.http}/v1/metrics")
        assert await asyncio.to_thread(logs.export, log_records()) is LogRecordExportResult.SUCCESS
        assert await asyncio.to_thread(metrics.export, metrics_data()) is MetricExportResult.SUCCESS
        logs.shutdown()  # type: ignore[no-untyped-call] # it has no annotation
        metrics.shutdown()
    assert [taken.signal for taken in server.door.taken] == [Signal.LOGS, Signal.METRICS]
    assert [PROTOCOLS[signal].decode([body]).rows.num_rows for body, _, signal in server.door.taken] == [1, 1]


async def _raw(server: Server, request: bytes) -> bytes:
    """The whole answer to these bytes."""
    reader, writer = await asyncio.open_connection(*server.http.split(":"))
    writer.write(request)
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
    await _close(writer)
    return head + body


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
