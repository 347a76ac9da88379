"""A server of both wires in front of a stand-in for ingest, and one client that speaks all three ways."""

import asyncio
import base64
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar, cast

import grpc
import httpx2
import uvicorn
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
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
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from starlette.applications import Starlette

from otel_usage.auth import Keys
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Outcome, Signal, Spans
from otel_usage.otlp.decode import decode, decode_logs, decode_metrics
from otel_usage.otlp.signals import Points, Records
from otel_usage.receiver import grpc_server, http_app

M = TypeVar("M", bound=Message)

Request = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest
Response = ExportTraceServiceResponse | ExportLogsServiceResponse | ExportMetricsServiceResponse


class Protocol(NamedTuple):
    """What the specification says of a signal."""

    method: str
    path: str
    request: type[Request]
    response: type[Response]
    decode: Callable[[Sequence[bytes]], Spans | Records | Points]


PROTOCOLS: Final[Mapping[Signal, Protocol]] = {
    Signal.TRACES: Protocol(
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "/v1/traces",
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
        decode,
    ),
    Signal.LOGS: Protocol(
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        "/v1/logs",
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
        decode_logs,
    ),
    Signal.METRICS: Protocol(
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        "/v1/metrics",
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
        decode_metrics,
    ),
}
EXPORT: Final = PROTOCOLS[Signal.TRACES].method
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
WIRES: Final = ("grpc", "http/protobuf", "http/json")
"""The names are those of OTEL_EXPORTER_OTLP_PROTOCOL."""


class Taken(NamedTuple):
    """What became durable."""

    body: bytes
    tenant: str
    signal: Signal


@dataclass(slots=True)
class Door:
    """Takes what `Ingest.export` takes, decodes it as that does, and answers as a test wants."""

    answer: Outcome | Exception | None = None
    """None: everything is stored."""
    gate: asyncio.Event | None = None
    """If there is one, nothing is durable before it is set."""
    taken: list[Taken] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request has come, durable or not."""

    async def export(self, body: bytes, *, tenant: str, signal: Signal) -> Outcome:
        received = PROTOCOLS[signal].decode([body]).rows.num_rows
        self.asked.set()
        answer = self.answer
        if self.gate:
            await self.gate.wait()
        if isinstance(answer, Exception):
            raise answer
        self.taken.append(Taken(body, tenant, signal))
        return answer or Outcome(received=received, stored=received)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of either wire. `code` is gRPC's number or HTTP's status."""

    code: int
    response: Response | None
    status: Status | None
    retry_after: float | None
    headers: Mapping[str, str]
    raw: bytes = b""

    @property
    def ok(self) -> bool:
        return self.response is not None

    def detail(self, kind: type[M]) -> M | None:
        """The detail of that type in the status, if there is one."""
        assert self.status is not None
        for packed in self.status.details:
            found = kind()
            if packed.Unpack(found):
                return found
        return None


@dataclass(frozen=True, slots=True)
class Server:
    """Both wires, listening."""

    grpc: str
    http: str
    door: Door

    async def send(  # noqa: PLR0913 (all that a sender may choose)
        self,
        wire: str,
        request: Request | bytes,
        *,
        signal: Signal = Signal.TRACES,
        compressed: bool = False,
        key: str | None = None,
        deadline: float | None = 10,
    ) -> Reply:
        """Send a request, or bytes as they are, over a wire of WIRES."""
        if wire == "grpc":
            return await self._send_grpc(
                signal, _protobuf(request), compressed=compressed, key=key, deadline=deadline
            )
        body = _protobuf(request) if wire == "http/protobuf" else _json(request)
        headers = {"Content-Type": PROTOBUF if wire == "http/protobuf" else JSON}
        if compressed:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        if key is not None:
            headers["X-API-Key"] = key
        return await self.post(body, headers, signal=signal)

    async def _send_grpc(
        self, signal: Signal, body: bytes, *, compressed: bool, key: str | None, deadline: float | None
    ) -> Reply:
        compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
        metadata = [("x-api-key", key)] if key is not None else None
        async with grpc.aio.insecure_channel(self.grpc) as channel:
            export = channel.unary_unary(PROTOCOLS[signal].method, None, None)
            try:
                answer = await export(body, timeout=deadline, metadata=metadata, compression=compression)
            except grpc.aio.AioRpcError as error:
                trailers = cast("dict[str, bytes]", dict(cast("Any", error.trailing_metadata())))
                retry = trailers.get("google.rpc.retryinfo-bin")
                details = trailers.get("grpc-status-details-bin")
                return Reply(
                    code=error.code().value[0],
                    response=None,
                    status=Status.FromString(details) if details else Status(message=error.details()),
                    retry_after=_seconds(RetryInfo.FromString(retry)) if retry else None,
                    headers={},
                )
        return Reply(0, PROTOCOLS[signal].response.FromString(answer), None, None, {}, answer)

    async def post(
        self,
        body: bytes | AsyncIterator[bytes],
        headers: Mapping[str, str],
        *,
        signal: Signal = Signal.TRACES,
        path: str | None = None,
    ) -> Reply:
        """POST `body` as it is, to the path of the signal if none is given."""
        path = path or PROTOCOLS[signal].path
        async with httpx2.AsyncClient(base_url=f"http://{self.http}") as client:
            response = await client.post(path, content=body, headers=dict(headers))
        return _reply(response, PROTOCOLS[signal].response())


def _reply(response: httpx2.Response, expected: Response) -> Reply:
    parse = _from_json if response.headers["content-type"] == JSON else _from_protobuf
    after = response.headers.get("retry-after")
    return Reply(
        code=response.status_code,
        response=parse(response.content, expected) if response.is_success else None,
        status=None if response.is_success else parse(response.content, Status()),
        retry_after=float(after) if after else None,
        headers=response.headers,
        raw=response.content,
    )


def _from_json(content: bytes, message: M) -> M:
    return json_format.Parse(content, message)


def _from_protobuf(content: bytes, message: M) -> M:
    message.ParseFromString(content)
    return message


def _protobuf(request: Request | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


def _json(request: Request | bytes) -> bytes:
    return request if isinstance(request, bytes) else json.dumps(otlp_json(request)).encode()


def otlp_json(request: Request) -> dict[str, Any]:
    """A request as OTLP/JSON: protobuf's own JSON, with ids in hex and enums as numbers."""
    document: dict[str, Any] = _with_hex_ids(json_format.MessageToDict(request, use_integers_for_enums=True))
    return document


def _with_hex_ids(node: Any) -> Any:  # noqa: ANN401 (any JSON)
    if isinstance(node, list):
        return [_with_hex_ids(each) for each in node]
    if not isinstance(node, dict):
        return node
    ids = ("traceId", "spanId", "parentSpanId")
    return {
        key: base64.b64decode(value).hex() if key in ids else _with_hex_ids(value)
        for key, value in node.items()
    }


def _seconds(info: RetryInfo) -> float:
    return info.retry_delay.ToNanoseconds() / 1e9


def llm_spans(count: int = 1, *, account: str = "acc_1") -> list[ReadableSpan]:
    """Ended spans of LLM calls of now, as an instrumentation leaves them to the exporter.

    Each costs 0.0085 US dollars.
    """
    tracer = TracerProvider().get_tracer("opentelemetry.instrumentation.openai_v2", "2.4b0")
    attributes: dict[str, str | int] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.usage.input_tokens": 1500,
        "gen_ai.usage.output_tokens": 500,
        "gen_ai.usage.cache_read.input_tokens": 200,
        "otel_usage.account.id": account,
    }
    spans = [tracer.start_span("chat gpt-4o", attributes=attributes) for _ in range(count)]
    for span in spans:
        span.end()
    return cast("list[ReadableSpan]", spans)


def llm_request(count: int = 1, *, account: str = "acc_1") -> bytes:
    """The same as an encoded request."""
    return encode_spans(llm_spans(count, account=account)).SerializeToString()


def log_records(count: int = 1) -> Sequence[ReadableLogRecord]:
    """Log records of now, as an instrumentation leaves them to the exporter."""
    kept = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call] # it has no annotation
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    for _ in range(count):
        provider.get_logger("codex_cli_rs").emit(attributes={"event.name": "codex.sse_event"})
    return kept.get_finished_logs()


def metrics_data() -> MetricsData:
    """A metric of one point, as an instrumentation leaves it to the exporter."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("claude-code")
    meter.create_histogram("gen_ai.client.token.usage").record(1500, {"gen_ai.token.type": "input"})
    data = reader.get_metrics_data()
    assert data is not None
    return data


@contextlib.asynccontextmanager
async def serving(door: Door | None = None, **settings: object) -> AsyncIterator[Server]:
    """A server of both wires on free ports of loopback."""
    configured = Settings.model_validate(settings)
    keys = Keys.from_settings(configured)
    door = door or Door()
    wire = grpc_server(cast("Ingest", door), keys, configured)
    port = wire.add_insecure_port("127.0.0.1:0")
    await wire.start()
    async with _uvicorn(http_app(cast("Ingest", door), keys, configured)) as http:
        try:
            yield Server(f"127.0.0.1:{port}", http, door)
        finally:
            await wire.stop(None)


@contextlib.asynccontextmanager
async def _uvicorn(app: Starlette) -> AsyncIterator[str]:
    # Not serve() and shutdown(): they take the test run's signals, and 0.2 s.
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", access_log=False, ws="none")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        server.servers[0].close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
