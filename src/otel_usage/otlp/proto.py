"""The part of OTLP's trace proto that is read, as a descriptor.

Field numbers and types are those of opentelemetry/proto/{collector/trace,trace,resource,common}/v1;
fields left out are skipped by the decoder. Resources, scopes and the values of attributes stay encoded (a
message and bytes look alike on the wire): resources and scopes repeat (see `origin`), and most values are
never read; a column for every kind of value would be half of the cost of a decode (docs/decisions/0003).
Names of attributes are bytes, as they are only compared.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor

_Field = descriptor_pb2.FieldDescriptorProto

# message -> (field name, field number, type or message name, repeated)
_MESSAGES: Final[Mapping[str, Sequence[tuple[str, int, "_Field.Type.ValueType | str", bool]]]] = {
    "Request": [("resource_spans", 1, "ResourceSpans", True)],
    "ResourceSpans": [("resource", 1, _Field.TYPE_BYTES, False), ("scope_spans", 2, "ScopeSpans", True)],
    "ScopeSpans": [("scope", 1, _Field.TYPE_BYTES, False), ("spans", 2, "Span", True)],
    "Span": [
        ("trace_id", 1, _Field.TYPE_BYTES, False),
        ("span_id", 2, _Field.TYPE_BYTES, False),
        ("parent_span_id", 4, _Field.TYPE_BYTES, False),
        ("name", 5, _Field.TYPE_STRING, False),
        ("start_time_unix_nano", 7, _Field.TYPE_FIXED64, False),
        ("end_time_unix_nano", 8, _Field.TYPE_FIXED64, False),
        ("attributes", 9, "KeyValue", True),
        ("status", 15, "Status", False),
    ],
    "KeyValue": [("key", 1, _Field.TYPE_BYTES, False), ("value", 2, _Field.TYPE_BYTES, False)],
    "Status": [("code", 3, _Field.TYPE_INT32, False)],
}
_PACKAGE: Final = "otel_usage.otlp"


def trace_request() -> Descriptor:
    """The descriptor of the cut-down ExportTraceServiceRequest."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, repeated in fields:
            field = message.field.add(
                name=field_name,
                number=number,
                label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
            )
            if isinstance(kind, str):
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindMessageTypeByName(f"{_PACKAGE}.Request")
