"""OTLP requests to Arrow: many encoded requests of one signal in, one table and what it points to out.

ptars (Rust) decodes the list of requests against the cut-down descriptor of `proto`; what is left is to
flatten the nesting. The values of attributes are left encoded, see `columns`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import ptars
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.model import SPANS, Attributes, Permanent, Resource, Scope, Signal, Spans
from otel_usage.names import choose, constant
from otel_usage.otlp import origin, proto
from otel_usage.otlp.signals import (
    GAUGE,
    KINDS,
    LOG_RECORDS,
    POINTS,
    SUM,
    SUMMARY,
    TEMPORALITIES,
    Points,
    Records,
)

_SPAN_FIELDS: Final = SPANS.names[3:-1]
_RECORD_FIELDS: Final = LOG_RECORDS.names[3:]
_NO_RECORDED_VALUE: Final = 1  # opentelemetry.proto.metrics.v1.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_Indexes = npt.NDArray[np.int64]


def decode(bodies: Sequence[bytes]) -> Spans:
    """The spans of ExportTraceServiceRequests; `request` in SPANS is the index in `bodies`.

    Raises Permanent if any of the bodies is not one; it doesn't say which (see `decodable`).
    """
    found = _leaves(bodies, Signal.TRACES)
    spans = found.leaves
    columns = [*(spans.field(name) for name in _SPAN_FIELDS), spans.field("status").field("code")]
    rows = pa.RecordBatch.from_arrays([*found.origin(), *columns], schema=SPANS)
    return Spans(rows, _attributes(spans), found.resources, found.scopes)


def decode_logs(bodies: Sequence[bytes]) -> Records:
    """The log records of ExportLogsServiceRequests, as `decode` gives spans."""
    found = _leaves(bodies, Signal.LOGS)
    columns = [found.leaves.field(name) for name in _RECORD_FIELDS]
    rows = pa.RecordBatch.from_arrays([*found.origin(), *columns], schema=LOG_RECORDS)
    return Records(rows, _attributes(found.leaves), found.resources, found.scopes)


def decode_metrics(bodies: Sequence[bytes]) -> Points:
    """The data points of ExportMetricsServiceRequests, as `decode` gives spans."""
    found = _leaves(bodies, Signal.METRICS)
    names = [found.leaves.field(name).dictionary_encode() for name in ("name", "unit")]
    columns = [_points(found, names, kind) for kind in KINDS]
    owners = [found.leaves.field(kind).field("points").values for kind in KINDS]
    attributes = [_attributes(points) for points in owners]
    before = np.cumsum([0, *map(len, owners)])
    return Points(
        pa.RecordBatch.from_arrays(list(map(pa.concat_arrays, zip(*columns, strict=True))), schema=POINTS),
        Attributes(
            np.concatenate([each.owner + first for each, first in zip(attributes, before, strict=False)]),
            pa.concat_arrays([each.key for each in attributes]),
            pa.concat_arrays([each.value for each in attributes]),
        ),
        found.resources,
        found.scopes,
    )


def decodable(body: bytes, signal: Signal = Signal.TRACES) -> bool:
    """Whether the decoder of the signal takes this body: to find the culprit after it refused a list."""
    try:
        _DECODERS[signal]([body])
    except Permanent:
        return False
    return True


_DECODERS: Final = {Signal.TRACES: decode, Signal.LOGS: decode_logs, Signal.METRICS: decode_metrics}


@dataclass(frozen=True, slots=True)
class _Leaves:
    """The spans, log records or metrics of requests, flattened, and where each is from."""

    leaves: pa.StructArray
    request: _Indexes
    resource: _Indexes
    scope: _Indexes
    resources: Sequence[Resource]
    scopes: Sequence[Scope]

    def origin(self) -> list[pa.Array]:
        """The columns request, resource and scope."""
        return [pa.array(self.request), pa.array(self.resource), pa.array(self.scope)]


def _leaves(bodies: Sequence[bytes], signal: Signal) -> _Leaves:
    requests = _record_batch(bodies, signal).column(0)
    of_resources = requests.values
    of_scopes = of_resources.field("scopes")
    leaves = of_scopes.values.field("leaves")
    scope = _parents(leaves)
    resource = _parents(of_scopes)[scope]
    return _Leaves(
        leaves.values,
        _parents(requests)[resource],
        resource,
        scope,
        origin.resources(of_resources.field("resource")),
        origin.scopes(of_scopes.values.field("scope")),
    )


def _attributes(owners: pa.StructArray) -> Attributes:
    lists = owners.field("attributes")
    return Attributes(_parents(lists), lists.values.field("key"), lists.values.field("value"))


def _points(found: _Leaves, names: Sequence[pa.DictionaryArray], kind: str) -> list[pa.Array]:
    """The columns of POINTS, of the points of one kind. `names` has name and unit of the metrics."""
    metrics = found.leaves.field(kind)
    points, metric = metrics.field("points").values, _parents(metrics.field("points"))
    temporality, is_monotonic = np.zeros(len(metric), np.int32), np.zeros(len(metric), np.bool_)
    if kind not in (GAUGE, SUMMARY):
        told = metrics.field("temporality").to_numpy()[metric]
        temporality = np.where((told >= 0) & (told < len(TEMPORALITIES)), told, 0)
    if kind == SUM:
        is_monotonic = metrics.field("is_monotonic").to_numpy(zero_copy_only=False)[metric]
    if kind in (GAUGE, SUM):
        whole = points.field("as_int").cast(pa.float64(), safe=False)
        value, count = pc.coalesce(whole, points.field("as_double")), pa.nulls(len(points), pa.uint64())
    else:
        value, count = points.field("sum"), points.field("count")
    recorded = pa.array((points.field("flags").to_numpy() & _NO_RECORDED_VALUE) == 0)
    return [
        *(pa.array(column[metric]) for column in (found.request, found.resource, found.scope)),
        *(name.take(pa.array(metric)) for name in names),
        constant(kind, len(metric)).array(),
        choose(temporality, TEMPORALITIES).array(),
        pa.array(is_monotonic),
        points.field("start_time_unix_nano"),
        points.field("time_unix_nano"),
        pc.if_else(recorded, value, None),
        pc.if_else(recorded, count, None),
    ]


def _record_batch(bodies: Sequence[bytes], signal: Signal) -> pa.RecordBatch:
    try:
        return _handler(signal).list_to_record_batch(list(bodies))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # ptars raises several types, and a panic of Rust is no Exception
        raise Permanent(f"not an {_REQUESTS[signal]}: {error}") from error


_REQUESTS: Final = {
    Signal.TRACES: "ExportTraceServiceRequest",
    Signal.LOGS: "ExportLogsServiceRequest",
    Signal.METRICS: "ExportMetricsServiceRequest",
}


@cache
def _handler(signal: Signal) -> ptars._lib.MessageHandler:
    descriptor = proto.request(signal)
    return ptars.HandlerPool([descriptor.file]).get_for_message(descriptor)


def _parents(lists: pa.ListArray) -> _Indexes:
    """For each element of the flattened lists, the index of the list it is in."""
    return pc.list_parent_indices(lists).to_numpy()
