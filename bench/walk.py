"""The naive walk: what stage times are a ratio to.

Parse with the generated classes (upb), then a dict of all attributes of every span, and its fields.
"""

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


def walk(body: bytes) -> list[dict[str, Any]]:
    """One dict per span of the request."""
    spans: list[dict[str, Any]] = []
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = scope_spans.scope
            spans.extend(
                {
                    "resource": resource,
                    "scope_name": scope.name,
                    "scope_version": scope.version,
                    "trace_id": span.trace_id,
                    "span_id": span.span_id,
                    "parent_span_id": span.parent_span_id,
                    "name": span.name,
                    "start_time_unix_nano": span.start_time_unix_nano,
                    "end_time_unix_nano": span.end_time_unix_nano,
                    "status_code": span.status.code,
                    "attributes": attributes(span.attributes),
                }
                for span in scope_spans.spans
            )
    return spans


def attributes(entries: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes by key. An array or a map stays the message it is; an empty value is an empty text."""
    return {kv.key: getattr(kv.value, kv.value.WhichOneof("value") or "string_value") for kv in entries}
