"""The part of OTLP's protos that is read, as descriptors.

Field numbers and types are those of opentelemetry/proto/{collector,trace,logs,metrics,resource,common}/v1;
fields left out are skipped by the decoder. Resources, scopes, bodies and the values of attributes stay
encoded (a message and bytes look alike on the wire): resources and scopes repeat (see `origin`), and most
values are never read; a column for every kind of value would be half of the cost of a decode
(docs/decisions/0003). Names of attributes are bytes, as they are only compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor

from otel_usage.model import Signal

_Proto = descriptor_pb2.FieldDescriptorProto


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    number: int
    type: "_Proto.Type.ValueType | str"
    """Of a message its name."""
    repeated: bool = False
    optional: bool = False
    """Whether the field is there is told: it is null where it is not."""


def _one(name: str, number: int, message: str) -> _Field:
    return _Field(name, number, message)


def _many(name: str, number: int, message: str) -> _Field:
    return _Field(name, number, message, repeated=True)


def _bytes(name: str, number: int) -> _Field:
    return _Field(name, number, _Proto.TYPE_BYTES)


def _text(name: str, number: int) -> _Field:
    return _Field(name, number, _Proto.TYPE_STRING)


def _time(name: str, number: int) -> _Field:
    return _Field(name, number, _Proto.TYPE_FIXED64)


def _enum(name: str, number: int) -> _Field:
    return _Field(name, number, _Proto.TYPE_INT32)


def _point(attributes: int, flags: int, *values: _Field) -> Sequence[_Field]:
    """A data point. Its kinds differ in their values, and in the numbers of two fields."""
    return (
        _time("start_time_unix_nano", 2),
        _time("time_unix_nano", 3),
        _many("attributes", attributes, "KeyValue"),
        _Field("flags", flags, _Proto.TYPE_UINT32),
        *values,
    )


def _measured(*, optional: bool) -> Sequence[_Field]:
    """The values of a point that sums up measurements."""
    return (
        _Field("count", 4, _Proto.TYPE_FIXED64),
        _Field("sum", 5, _Proto.TYPE_DOUBLE, optional=optional),
    )


_COMMON: Final[Mapping[str, Sequence[_Field]]] = {"KeyValue": (_bytes("key", 1), _bytes("value", 2))}
_TRACES: Final[Mapping[str, Sequence[_Field]]] = {
    "Span": (
        _bytes("trace_id", 1),
        _bytes("span_id", 2),
        _bytes("parent_span_id", 4),
        _text("name", 5),
        _time("start_time_unix_nano", 7),
        _time("end_time_unix_nano", 8),
        _many("attributes", 9, "KeyValue"),
        _one("status", 15, "Status"),
    ),
    "Status": (_enum("code", 3),),
}
_LOGS: Final[Mapping[str, Sequence[_Field]]] = {
    "LogRecord": (
        _time("time_unix_nano", 1),
        _bytes("body", 5),
        _many("attributes", 6, "KeyValue"),
        _bytes("trace_id", 9),
        _bytes("span_id", 10),
        _time("observed_time_unix_nano", 11),
        _text("event_name", 12),
    ),
}
_METRICS: Final[Mapping[str, Sequence[_Field]]] = {
    "Metric": (
        _text("name", 1),
        _text("unit", 3),
        _one("gauge", 5, "Gauge"),
        _one("sum", 7, "Sum"),
        _one("histogram", 9, "Histogram"),
        _one("exponential_histogram", 10, "ExponentialHistogram"),
        _one("summary", 11, "Summary"),
    ),
    "Gauge": (_many("points", 1, "NumberPoint"),),
    "Sum": (
        _many("points", 1, "NumberPoint"),
        _enum("temporality", 2),
        _Field("is_monotonic", 3, _Proto.TYPE_BOOL),
    ),
    "Histogram": (_many("points", 1, "HistogramPoint"), _enum("temporality", 2)),
    "ExponentialHistogram": (_many("points", 1, "ExponentialHistogramPoint"), _enum("temporality", 2)),
    "Summary": (_many("points", 1, "SummaryPoint"),),
    "NumberPoint": _point(
        7,
        8,
        _Field("as_double", 4, _Proto.TYPE_DOUBLE, optional=True),
        _Field("as_int", 6, _Proto.TYPE_SFIXED64, optional=True),
    ),
    "HistogramPoint": _point(9, 10, *_measured(optional=True)),
    "ExponentialHistogramPoint": _point(1, 10, *_measured(optional=True)),
    "SummaryPoint": _point(7, 8, *_measured(optional=False)),
}
_LEAVES: Final = {
    Signal.TRACES: ("Span", _TRACES),
    Signal.LOGS: ("LogRecord", _LOGS),
    Signal.METRICS: ("Metric", _METRICS),
}
_PACKAGE: Final = "otel_usage.otlp"


def request(signal: Signal) -> Descriptor:
    """The descriptor of the cut-down export request of a signal.

    The levels above its spans, log records or metrics have the same names in all signals: a request has
    `resources`, these a `resource` and `scopes`, these a `scope` and `leaves`.
    """
    leaf, messages = _LEAVES[signal]
    nesting = {
        "Request": (_many("resources", 1, "OfResource"),),
        "OfResource": (_bytes("resource", 1), _many("scopes", 2, "OfScope")),
        "OfScope": (_bytes("scope", 1), _many("leaves", 2, leaf)),
    }
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in {**_COMMON, **nesting, **messages}.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _declare(message, field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindMessageTypeByName(f"{_PACKAGE}.Request")


def _declare(message: descriptor_pb2.DescriptorProto, field: _Field) -> None:
    declared = message.field.add(
        name=field.name,
        number=field.number,
        label=_Proto.LABEL_REPEATED if field.repeated else _Proto.LABEL_OPTIONAL,
    )
    if isinstance(field.type, str):
        declared.type, declared.type_name = _Proto.TYPE_MESSAGE, f".{_PACKAGE}.{field.type}"
    else:
        declared.type = field.type
    if field.optional:
        declared.proto3_optional, declared.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")
