"""The body of an OTLP/HTTP request to the bytes of its signal's protobuf request.

Source: OTLP 1.x, sections "OTLP/HTTP" and "JSON Protobuf Encoding".
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final, Never

from google.protobuf.message import EncodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto_json.collector.logs.v1 import logs_service
from opentelemetry.proto_json.collector.metrics.v1 import metrics_service
from opentelemetry.proto_json.collector.trace.v1 import trace_service

from otel_usage.model import Permanent, Signal, TooLarge

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MEDIA_TYPES: Final = (PROTOBUF, "application/protobuf", JSON)
"""What a request may be written in. The second is the name IANA registered later."""

_IDENTITY: Final = ("", "identity")
_GZIP: Final = ("gzip", "x-gzip")
_GZIP_WBITS: Final = zlib.MAX_WBITS | 16
_SCALARS: Final = (str, int, float, bytes)
_REQUESTS: Final[Mapping[Signal, tuple[type[Any], type[Message]]]] = {
    Signal.TRACES: (trace_service.ExportTraceServiceRequest, ExportTraceServiceRequest),
    Signal.LOGS: (logs_service.ExportLogsServiceRequest, ExportLogsServiceRequest),
    Signal.METRICS: (metrics_service.ExportMetricsServiceRequest, ExportMetricsServiceRequest),
}
"""Per signal the class that reads JSON, and the one that writes protobuf."""
_WINDOW: Final = 16 * 1024
"""Bytes inflated at a time. Each gzip member copies what is left of its window, so a body of
many tiny members costs their number times this."""


class UnsupportedMediaType(Permanent):
    """A Content-Type or Content-Encoding we do not read. The message names those we do."""


def media_type(content_type: str | None) -> str:
    """The media type of a Content-Type header, without parameters.

    Raises UnsupportedMediaType if it is not one of MEDIA_TYPES.
    """
    essence = (content_type or "").partition(";")[0].strip().lower()
    if essence not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"Content-Type {content_type!r} is not one of {', '.join(MEDIA_TYPES)}.")
    return essence


def is_plain(media: str, content_encoding: str | None) -> bool:
    """Whether `protobuf` would give the body back as it is, at no cost."""
    return media != JSON and _coding(content_encoding) in _IDENTITY


def protobuf(body: bytes, signal: Signal, media: str, content_encoding: str | None, limit: int) -> bytes:
    """`body`, inflated and in protobuf. Protobuf is not parsed here: the decoder does that.

    `limit` is OTEL_USAGE_MAX_HTTP_BODY_BYTES, and holds for the inflated body.
    Raises UnsupportedMediaType, TooLarge, and Permanent for a body that is not what its headers say.
    """
    coding = _coding(content_encoding)
    if coding in _GZIP:
        body = _gunzip(body, limit)
    elif coding not in _IDENTITY:
        raise UnsupportedMediaType(f"Content-Encoding {content_encoding!r} is not gzip or identity.")
    if len(body) > limit:
        raise too_large(limit)
    return _from_json(body, signal) if media == JSON else body


def too_large(limit: int) -> TooLarge:
    """The refusal of a body over `limit` bytes, which names the setting."""
    return TooLarge(f"The body is over {limit} bytes, inflated (OTEL_USAGE_MAX_HTTP_BODY_BYTES).")


def _coding(content_encoding: str | None) -> str:
    return (content_encoding or "").strip().lower()


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip body. Memory stays within `limit`, whatever the body claims to hold."""
    inflated = bytearray()
    rest = memoryview(body)
    member = zlib.decompressobj(_GZIP_WBITS)
    while rest:
        if member.eof:
            member = zlib.decompressobj(_GZIP_WBITS)
        window = rest[:_WINDOW]
        try:
            inflated += member.decompress(window, limit + 1 - len(inflated))
        except zlib.error as error:
            raise Permanent(f"The body is not the gzip that its Content-Encoding says: {error}.") from None
        if len(inflated) > limit:
            raise too_large(limit)
        rest = rest[len(window) - len(member.unused_data) :]
    if not member.eof:
        raise Permanent("The gzip body is truncated.")
    return bytes(inflated)


def _from_json(body: bytes, signal: Signal) -> bytes:
    """OTLP/JSON to protobuf. Hex ids, integer enums and unknown keys are as OTLP wants them."""
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
        reader, writer = _REQUESTS[signal]
        request = writer()
        _copy(reader.from_dict(document), request)
        return request.SerializeToString()
    except (RecursionError, EncodeError):
        raise Permanent("The JSON body is nested too deeply.") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise Permanent(f"The body is not OTLP/JSON: {error}.") from None


def _refuse_constant(name: str) -> Never:
    raise ValueError(f'{name} is not JSON; a doubleValue may be the string "{name}"')


def _copy(source: Any, target: Message) -> None:  # noqa: ANN401 (any of the generated classes)
    """Every field of `source` into `target`: the two are generated from the same proto files."""
    for name in source.__slots__:
        value = getattr(source, name)
        if isinstance(value, _SCALARS):
            _set(target, name, value)
        elif isinstance(value, list):
            _extend(getattr(target, name), value)
        elif value is not None:
            member = getattr(target, name)
            member.SetInParent()
            _copy(value, member)


def _extend(target: Any, values: list[Any]) -> None:  # noqa: ANN401 (a repeated field of any of them)
    for value in values:
        if isinstance(value, _SCALARS):
            target.append(value)
        else:
            _copy(value, target.add())


def _set(target: Message, name: str, value: object) -> None:
    try:
        setattr(target, name, value)
    except UnicodeEncodeError:
        # JavaScript cuts long texts between the halves of a surrogate pair. The text is worth less
        # than the call: as Go's decoder does, put the replacement character in its place.
        setattr(target, name, str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
