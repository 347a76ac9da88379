"""OTLP/gRPC: `Export` of each signal's service with the request as raw bytes, and `grpc.health.v1`.

Source: OTLP 1.x, section "OTLP/gRPC". Compression and the size of a message are gRPC's own affair:
a message over the limit, inflated, is answered RESOURCE_EXHAUSTED before it comes here.
"""

from collections.abc import Mapping
from typing import Final, Never, TypeAlias, cast

import grpc
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2_grpc

from otel_usage.auth import HEADER, Keys
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Signal
from otel_usage.otlp import responses
from otel_usage.otlp.body import PROTOBUF
from otel_usage.receiver import door

Context = grpc.aio.ServicerContext[bytes, bytes]
Handler: TypeAlias = "grpc.GenericRpcHandler[bytes, bytes]"

ANSWER_BY: Final = 0.8
"""The share of the sender's remaining time that we use. The rest is the way back: an answer after
the sender's deadline would be a retry that was not asked for."""

_SERVICES: Final[Mapping[Signal, str]] = {
    Signal.TRACES: "opentelemetry.proto.collector.trace.v1.TraceService",
    Signal.LOGS: "opentelemetry.proto.collector.logs.v1.LogsService",
    Signal.METRICS: "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
_KEY: Final = HEADER.lower()
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


def grpc_server(
    ingest: Ingest, keys: Keys, settings: Settings, health: health_pb2_grpc.HealthServicer | None = None
) -> grpc.aio.Server:
    """The gRPC server, not bound to a port and not started. `health` says SERVING until told otherwise."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", settings.max_grpc_message_bytes),
            # Otherwise a second server on the same port starts well, and takes half the requests.
            ("grpc.so_reuseport", 0),
        ]
    )
    server.add_generic_rpc_handlers([_service(signal, ingest, keys, settings) for signal in Signal])
    health_pb2_grpc.add_HealthServicer_to_server(health or health_servicer(), server)
    return server


def health_servicer() -> grpc_health.aio.HealthServicer:  # type: ignore[name-defined] # its stubs lag
    """A `grpc.health.v1` service that says SERVING, for whoever has to take that back."""
    return grpc_health.aio.HealthServicer()  # type: ignore[attr-defined] # its stubs lag


def _service(signal: Signal, ingest: Ingest, keys: Keys, settings: Settings) -> Handler:
    async def export(body: bytes, context: Context) -> bytes:
        try:
            outcome = await door.export(
                ingest,
                body,
                tenant=keys.tenant(_key(context)),
                signal=signal,
                within=_time(context, settings.insert_timeout),
                retry_after=settings.retry_after,
            )
        except Exception as error:  # noqa: BLE001 (the edge: every error becomes an answer)
            door.log_bug(error, "grpc")
            await _abort(context, error)
        return responses.success(outcome, signal, PROTOBUF)

    # Without a deserializer the handler gets the bytes as they came, and decodes them in columns.
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    return grpc.method_handlers_generic_handler(_SERVICES[signal], handlers)


def _key(context: Context) -> str | None:
    metadata = context.invocation_metadata() or ()
    return next((str(value) for key, value in metadata if key == _KEY), None)


def _time(context: Context, limit: float) -> float:
    """Seconds we may take: `limit`, or less if the sender gives up before."""
    remaining = cast("float | None", context.time_remaining())  # None: the sender set no deadline
    return limit if remaining is None else min(limit, remaining * ANSWER_BY)


async def _abort(context: Context, error: Exception) -> Never:
    await context.abort(
        _CODES[responses.codes(error).grpc], responses.message(error), responses.trailers(error)
    )
