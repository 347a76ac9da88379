"""What the OTLP specification demands of a server, a test per demand, on every wire and signal it holds for.

The heading of the specification is in each name. Source: opentelemetry-proto, docs/specification.md.
"""

import math
from typing import Final

import grpc
import pytest
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from otel_usage.config import MIB, Settings
from otel_usage.model import Outcome, Retryable, Signal
from tests.receiver.wires import JSON, PROTOBUF, PROTOCOLS, WIRES, Door, Request, Response, serving

pytestmark = pytest.mark.anyio
on_every_wire = pytest.mark.parametrize("wire", WIRES)
on_http = pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
of_every_signal = pytest.mark.parametrize("signal", Signal)

EMPTY: Final = {PROTOBUF: b"", JSON: b"{}"}
GARBAGE: Final = {PROTOBUF: b"\x0a\xff", JSON: b"{"}


def _request(signal: Signal, text: str = "", count: int = 1) -> Request:
    """A request with as many spans, log records or data points, each with an attribute of that text."""
    attributes = [KeyValue(key="text", value=AnyValue(string_value=text))]
    late, trace, span = 2**63 - 1, bytes(range(16)), bytes(range(8))
    match signal:
        case Signal.TRACES:
            spans = [Span(trace_id=trace, span_id=span, start_time_unix_nano=late, attributes=attributes)]
            traces = ResourceSpans(scope_spans=[ScopeSpans(spans=spans * count)])
            return ExportTraceServiceRequest(resource_spans=[traces])
        case Signal.LOGS:
            records = [LogRecord(trace_id=trace, span_id=span, time_unix_nano=late, attributes=attributes)]
            logs = ResourceLogs(scope_logs=[ScopeLogs(log_records=records * count)])
            return ExportLogsServiceRequest(resource_logs=[logs])
        case Signal.METRICS:
            points = [NumberDataPoint(time_unix_nano=late, as_int=7, attributes=attributes)]
            metric = Metric(name="tokens", gauge=Gauge(data_points=points * count))
            metrics = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[metric])])
            return ExportMetricsServiceRequest(resource_metrics=[metrics])


def _json(signal: Signal) -> bytes:
    """A request with one span, log record or data point."""
    gauge = b'{"metrics": [{"gauge": {"dataPoints": [{}]}}]}'
    return {
        Signal.TRACES: b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}',
        Signal.LOGS: b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}',
        Signal.METRICS: b'{"resourceMetrics": [{"scopeMetrics": [%s]}]}' % gauge,
    }[signal]


def _rejected(response: Response) -> int:
    """How much a response says was rejected, in its signal's word."""
    match response:
        case ExportTraceServiceResponse():
            return response.partial_success.rejected_spans
        case ExportLogsServiceResponse():
            return response.partial_success.rejected_log_records
        case ExportMetricsServiceResponse():
            return response.partial_success.rejected_data_points


# Protocol details


@of_every_signal
@on_every_wire
@pytest.mark.parametrize("compressed", [False, True], ids=["none", "gzip"])
async def test_transport_compression_none_and_gzip_must_be_supported(
    wire: str, signal: Signal, *, compressed: bool
) -> None:
    async with serving() as server:
        reply = await server.send(wire, _request(signal, "a" * 100_000), signal=signal, compressed=compressed)
    assert reply.ok
    [(body, _, taken_as)] = server.door.taken
    assert taken_as is signal
    assert PROTOCOLS[signal].request.FromString(body) == _request(signal, "a" * 100_000)


# OTLP/gRPC request, OTLP/HTTP request


@of_every_signal
@on_every_wire
@pytest.mark.parametrize("compressed", [False, True], ids=["none", "gzip"])
async def test_the_size_of_a_request_must_be_limited_also_when_compressed(
    wire: str, signal: Signal, *, compressed: bool
) -> None:
    limit = 10_000
    async with serving(max_grpc_message_bytes=limit, max_http_body_bytes=limit) as server:
        reply = await server.send(wire, _request(signal, "a" * limit), signal=signal, compressed=compressed)
        assert (
            await server.send(
                wire, _request(signal, "a" * (limit // 2)), signal=signal, compressed=compressed
            )
        ).ok
    assert not reply.ok
    assert reply.code in (code_pb2.RESOURCE_EXHAUSTED, 413)
    assert reply.retry_after is None
    assert len(server.door.taken) == 1


def test_the_recommended_limits_are_the_defaults() -> None:
    settings = Settings()
    assert settings.max_grpc_message_bytes == 4 * MIB
    assert settings.max_http_body_bytes == 20 * MIB


def test_the_default_ports_are_4317_and_4318() -> None:
    settings = Settings()
    assert settings.grpc_address.endswith(":4317")
    assert settings.otlp_http_address.endswith(":4318")


# Full success


@of_every_signal
@on_every_wire
async def test_full_success_must_be_an_export_response_with_partial_success_unset(
    wire: str, signal: Signal
) -> None:
    async with serving() as server:
        reply = await server.send(wire, _request(signal), signal=signal)
    assert reply.code in (code_pb2.OK, 200)
    assert reply.response is not None
    assert not reply.response.HasField("partial_success")
    assert reply.raw == EMPTY[JSON if wire == "http/json" else PROTOBUF]


@of_every_signal
@on_every_wire
async def test_an_empty_request_should_be_a_full_success(wire: str, signal: Signal) -> None:
    async with serving() as server:
        reply = await server.send(wire, PROTOCOLS[signal].request(), signal=signal)
    assert reply.response is not None
    assert not reply.response.HasField("partial_success")


@of_every_signal
@on_every_wire
async def test_telemetry_that_is_of_no_llm_call_is_a_full_success(wire: str, signal: Signal) -> None:
    async with serving(Door(answer=Outcome(received=3, ignored=3))) as server:
        reply = await server.send(wire, _request(signal, count=3), signal=signal)
    assert reply.response is not None
    assert not reply.response.HasField("partial_success")


# Partial success


@of_every_signal
@on_every_wire
async def test_partial_success_must_say_how_many_were_rejected_and_why(wire: str, signal: Signal) -> None:
    outcome = Outcome(received=3, stored=1, rejected=2, message="span 0001: input_tokens is negative")
    async with serving(Door(answer=outcome)) as server:
        reply = await server.send(wire, _request(signal, count=3), signal=signal)
    assert reply.code in (code_pb2.OK, 200)
    assert reply.response is not None
    assert _rejected(reply.response) == 2
    assert reply.response.partial_success.error_message == "span 0001: input_tokens is negative"


# Failures


@of_every_signal
@on_every_wire
async def test_a_retryable_error_must_be_unavailable_with_the_time_to_wait(wire: str, signal: Signal) -> None:
    async with serving(Door(answer=Retryable("The queue is full.", retry_after=1.25))) as server:
        reply = await server.send(wire, _request(signal), signal=signal)
    assert reply.code in (code_pb2.UNAVAILABLE, 503)
    assert reply.retry_after == (1.25 if wire == "grpc" else math.ceil(1.25))
    assert reply.status is not None
    assert reply.status.message == "The queue is full."
    told = reply.detail(RetryInfo)
    assert told is not None
    assert told.retry_delay.ToMilliseconds() == 1250


@of_every_signal
@on_every_wire
async def test_bad_data_must_be_refused_for_good_and_described(wire: str, signal: Signal) -> None:
    async with serving() as server:
        reply = await server.send(wire, GARBAGE[JSON if wire == "http/json" else PROTOBUF], signal=signal)
    assert reply.code in (code_pb2.INVALID_ARGUMENT, 400)
    assert reply.retry_after is None
    assert reply.status is not None
    assert reply.status.message
    assert reply.detail(RetryInfo) is None
    described = reply.detail(BadRequest)
    assert described is not None
    assert described.field_violations[0].description == reply.status.message


@of_every_signal
@on_every_wire
async def test_an_error_of_ours_must_not_be_told_as_the_senders_nor_as_retryable(
    wire: str, signal: Signal
) -> None:
    async with serving(Door(answer=RuntimeError("secret"))) as server:
        reply = await server.send(wire, _request(signal), signal=signal)
    assert reply.code in (code_pb2.INTERNAL, 500)
    assert reply.status is not None
    assert "secret" not in str(reply.status)
    assert reply.retry_after is None


async def test_a_signal_that_is_not_served_is_unimplemented_on_grpc() -> None:
    method = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
    async with serving() as server, grpc.aio.insecure_channel(server.grpc) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(method, None, None)(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@on_http
@pytest.mark.parametrize("path", ["/v1development/profiles", "/v1/trace", "/"])
async def test_a_path_that_is_not_served_is_404_with_a_status(content_type: str, path: str) -> None:
    async with serving() as server:
        reply = await server.post(EMPTY[content_type], {"Content-Type": content_type}, path=path)
    assert reply.code == 404
    assert reply.status is not None
    for served in ("/v1/traces", "/v1/logs", "/v1/metrics"):
        assert served in reply.status.message


# OTLP/HTTP response


@of_every_signal
@on_http
async def test_the_response_must_have_the_content_type_of_the_request(
    content_type: str, signal: Signal
) -> None:
    async with serving() as server:
        for body in (EMPTY[content_type], GARBAGE[content_type]):
            reply = await server.post(body, {"Content-Type": content_type}, signal=signal)
            assert reply.headers["content-type"] == content_type


@of_every_signal
@on_http
@pytest.mark.parametrize(
    ("code", "answer", "headers", "limit"),
    [
        (400, None, {"Content-Encoding": "gzip"}, MIB),
        (401, None, {"X-API-Key": "wrong"}, MIB),
        (413, None, {}, 1),
        (415, None, {"Content-Encoding": "br"}, MIB),
        (500, RuntimeError(), {}, MIB),
        (503, Retryable("later", retry_after=1), {}, MIB),
    ],
)
async def test_every_4xx_and_5xx_body_must_be_a_status(  # noqa: PLR0913, PLR0917 (a table)
    content_type: str,
    signal: Signal,
    code: int,
    answer: Exception | None,
    headers: dict[str, str],
    limit: int,
) -> None:
    async with serving(Door(answer), api_key="right", max_http_body_bytes=limit) as server:
        headers = {"Content-Type": content_type, "X-API-Key": "right", **headers}
        body = _json(signal) if content_type == JSON else _request(signal).SerializeToString()
        reply = await server.post(body, headers, signal=signal)
    assert reply.code == code
    assert reply.status is not None
    assert reply.status.message


@of_every_signal
async def test_binary_and_json_should_be_taken_on_one_port_by_content_type(signal: Signal) -> None:
    async with serving() as server:
        for wire in ("http/protobuf", "http/json"):
            assert (await server.send(wire, _request(signal), signal=signal)).ok
    [(binary, _, _), (from_json, _, _)] = server.door.taken
    assert binary == from_json


# JSON protobuf encoding


def _json_span(fields: str) -> bytes:
    return b'{"resourceSpans": [{"scopeSpans": [{"spans": [{%s}]}]}]}' % fields.encode()


async def _stored_span(fields: str) -> Span:
    async with serving() as server:
        reply = await server.post(_json_span(fields), {"Content-Type": JSON})
        assert reply.ok, reply.status
    [(body, _, _)] = server.door.taken
    return ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0]


@pytest.mark.parametrize("digits", ["5B8EFFF798038103D269B633813FC60C", "5b8efff798038103d269b633813fc60c"])
async def test_json_ids_are_hex_in_either_case(digits: str) -> None:
    span = await _stored_span(
        f'"traceId": "{digits}", "spanId": "{digits[:16]}", "parentSpanId": "{digits[16:]}"'
    )
    assert span.trace_id == bytes.fromhex(digits)
    assert span.span_id + span.parent_span_id == span.trace_id


async def test_json_ids_are_not_base64() -> None:
    async with serving() as server:
        reply = await server.post(_json_span('"traceId": "W47/95gDgQPSabYzgT/GDA=="'), {"Content-Type": JSON})
    assert reply.code == 400
    assert reply.status is not None
    assert "trace_id" in reply.status.message


async def test_json_enums_must_be_integers_and_names_are_refused() -> None:
    span = await _stored_span('"kind": 3, "status": {"code": 2}')
    assert (span.kind, span.status.code) == (3, 2)
    async with serving() as server:
        reply = await server.post(_json_span('"kind": "SPAN_KIND_CLIENT"'), {"Content-Type": JSON})
    assert reply.code == 400


async def test_json_fields_with_unknown_names_must_be_ignored() -> None:
    span = await _stored_span('"name": "chat", "fromTheFuture": {"a": [1]}, "status": {"mood": "good"}')
    assert span.name == "chat"


async def test_json_keys_are_lower_camel_case_and_field_names_are_not_valid() -> None:
    span = await _stored_span('"trace_id": "5b8efff798038103d269b633813fc60c", "name": "chat"')
    assert (span.name, span.trace_id) == ("chat", b"")


@pytest.mark.parametrize("number", ["9223372036854775807", '"9223372036854775807"'])
async def test_json_64_bit_integers_are_numbers_or_strings(number: str) -> None:
    attribute = f'{{"key": "tokens", "value": {{"intValue": {number}}}}}'
    span = await _stored_span(f'"startTimeUnixNano": {number}, "attributes": [{attribute}]')
    assert span.start_time_unix_nano == 2**63 - 1
    assert span.attributes[0].value.int_value == 2**63 - 1


# Future versions and interoperability


@of_every_signal
async def test_unknown_fields_of_protobuf_are_ignored(signal: Signal) -> None:
    field_1000_with_text = b"\xc2\x3e\x03abc"
    async with serving() as server:
        body = _request(signal).SerializeToString() + field_1000_with_text
        reply = await server.send("grpc", body, signal=signal)
    assert reply.ok
    [(body, _, _)] = server.door.taken
    assert PROTOCOLS[signal].decode([body]).rows.num_rows == 1
