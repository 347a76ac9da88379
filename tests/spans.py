"""Spans made by hand: one request of one span, and what is extracted from it."""

from collections.abc import Mapping
from typing import Any, Final, TypedDict, Unpack

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from otel_usage.extract import Extraction, observations
from otel_usage.otlp.decode import decode

NOW_NS: Final = 1_795_500_000 * 10**9

Value = str | bool | int | float
Attributes = Mapping[str, Value]
Row = Mapping[str, Any]


class About(TypedDict, total=False):
    """What else may be said of a span."""

    scope: str
    version: str
    name: str
    failed: bool


def value(told: Value) -> AnyValue:
    """The value as an attribute has it."""
    match told:
        case bool():
            return AnyValue(bool_value=told)
        case int():
            return AnyValue(int_value=told)
        case float():
            return AnyValue(double_value=told)
        case _:
            return AnyValue(string_value=told)


def request(attributes: Attributes, **about: Unpack[About]) -> ExportTraceServiceRequest:
    """A request of one span."""
    found = ExportTraceServiceRequest()
    scope_spans = found.resource_spans.add().scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = about.get("scope", ""), about.get("version", "")
    span = scope_spans.spans.add(
        trace_id=b"t" * 16,
        span_id=b"s" * 8,
        name=about.get("name", ""),
        start_time_unix_nano=NOW_NS,
        end_time_unix_nano=NOW_NS + 1,
        attributes=[KeyValue(key=key, value=value(told)) for key, told in attributes.items()],
    )
    if about.get("failed"):
        span.status.code = Status.STATUS_CODE_ERROR
    return found


def extraction(found: ExportTraceServiceRequest) -> Extraction:
    """What is extracted from the request."""
    body = found.SerializeToString()
    return observations(decode([body]), ["tenant"], now_ns=NOW_NS, max_clock_skew_ns=0)


def row(attributes: Attributes, **about: Unpack[About]) -> Row:
    """The observation of a span with these attributes (`about` it: see `request`). It must give one."""
    rows: list[Row] = extraction(request(attributes, **about)).observations.to_pylist()
    assert len(rows) == 1
    return rows[0]


def ignored(attributes: Attributes, **about: Unpack[About]) -> bool:
    """Whether a span with these attributes is ignored."""
    return bool(extraction(request(attributes, **about)).ignored[0])
