"""What a sender is told: the one table of status codes, and OTLP's answers built from it.

Both wires and the REST API read the table; the messages are OTLP's alone.
Source: OTLP 1.x, sections "OTLP/gRPC Response", "OTLP/HTTP Response" and their "Throttling".
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from otel_usage.model import Outcome, Permanent, Retryable, Signal, TooLarge, Unauthenticated
from otel_usage.otlp.body import JSON, PROTOBUF, UnsupportedMediaType

MAX_MESSAGE: Final = 400
"""Characters of an error message. It travels up to three times in gRPC's trailers, once
percent-encoded, and peers drop trailers above 8 KiB."""


@dataclass(frozen=True, slots=True)
class Codes:
    """How one kind of error is told on each wire: a `google.rpc.Code` and an HTTP status."""

    grpc: int
    http: int


class NotServed(Permanent):
    """The path, method or signal is not one this server takes."""


CODES: Final[Mapping[type[Exception], Codes]] = {
    Permanent: Codes(code_pb2.INVALID_ARGUMENT, 400),
    UnsupportedMediaType: Codes(code_pb2.INVALID_ARGUMENT, 415),
    TooLarge: Codes(code_pb2.RESOURCE_EXHAUSTED, 413),
    NotServed: Codes(code_pb2.UNIMPLEMENTED, 404),
    Unauthenticated: Codes(code_pb2.UNAUTHENTICATED, 401),
    Retryable: Codes(code_pb2.UNAVAILABLE, 503),
    Exception: Codes(code_pb2.INTERNAL, 500),
}
"""ARCHITECTURE.md, section 9. An error has the codes of its nearest listed ancestor."""


def codes(error: Exception) -> Codes:
    """The codes of `error`."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def message(error: Exception) -> str:
    """What the sender reads: the sentence of an error of ours; never the inside of a bug."""
    if not isinstance(error, Permanent | Retryable):
        return "Internal error: the server's log has the reason."
    text = str(error)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def headers(error: Exception) -> dict[str, str]:
    """The HTTP headers that go with `error`. `Retry-After` is in whole seconds, rounded up."""
    if isinstance(error, Retryable):
        return {"Retry-After": str(math.ceil(error.retry_after))}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "ApiKey"}
    return {}


def trailers(error: Exception) -> tuple[tuple[str, bytes], ...]:
    """gRPC's trailing metadata for `error`.

    RetryInfo goes out twice: in the status details, as OTLP says, and under a key of its own,
    the only one that the Python exporter reads.
    """
    details = ("grpc-status-details-bin", failure(error, PROTOBUF))
    if not isinstance(error, Retryable):
        return (details,)
    return details, ("google.rpc.retryinfo-bin", _retry_info(error).SerializeToString())


def failure(error: Exception, media_type: str) -> bytes:
    """`error` as a `google.rpc.Status`.

    With RetryInfo if and only if it is worth a retry, with BadRequest if the request is bad.
    """
    status = Status(code=codes(error).grpc, message=message(error))
    if isinstance(error, Retryable):
        status.details.add().Pack(_retry_info(error))
    elif isinstance(error, Permanent) and status.code == code_pb2.INVALID_ARGUMENT:
        violation = BadRequest.FieldViolation(field=error.field, description=status.message)
        status.details.add().Pack(BadRequest(field_violations=[violation]))
    return _encode(status, media_type)


def success(outcome: Outcome, signal: Signal, media_type: str) -> bytes:
    """The export response of the signal, to a request that was taken.

    `partial_success` is set if and only if spans, log records or data points were rejected.
    """
    rejected, message = outcome.rejected, outcome.message
    answer: Message
    match signal:
        case Signal.TRACES:
            spans = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
            answer = ExportTraceServiceResponse(partial_success=spans if rejected else None)
        case Signal.LOGS:
            records = ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
            answer = ExportLogsServiceResponse(partial_success=records if rejected else None)
        case Signal.METRICS:
            points = ExportMetricsPartialSuccess(rejected_data_points=rejected, error_message=message)
            answer = ExportMetricsServiceResponse(partial_success=points if rejected else None)
    return _encode(answer, media_type)


def _encode(answer: Message, media_type: str) -> bytes:
    if media_type == JSON:
        return json_format.MessageToJson(answer, indent=None).encode()
    return answer.SerializeToString()


def _retry_info(error: Retryable) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.FromNanoseconds(round(error.retry_after * 1e9))
    return info
