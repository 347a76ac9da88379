"""Logs and metrics decode to columns as the protobuf library decodes them, and damage is refused, not met."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otel_usage.model import Permanent, Signal
from otel_usage.otlp.decode import decodable, decode_logs, decode_metrics
from otel_usage.otlp.signals import KINDS, LOG_RECORDS, POINTS, TEMPORALITIES, Points, Records
from tests import captures, signals, strategies

Flat = list[dict[str, Any]]
_NAN: Final = "NaN"


def _columns(decoded: Records | Points) -> Flat:
    """Decoded rows, each with all that it points to. Attributes are encoded anew: spelling may differ."""
    rows: Flat = decoded.rows.to_pylist()
    for row in rows:
        resource, scope = decoded.resources[row["resource"]], decoded.scopes[row["scope"]]
        row["resource"] = _shown(resource.attributes)
        row["scope"] = (scope.name, scope.version)
        row["attributes"] = []
        if "body" in row:
            row["body"] = repr(_scalar(AnyValue.FromString(row["body"])))
        if math.isnan(row.get("value") or 0):
            row["value"] = _NAN
    found = decoded.attributes
    pairs = zip(found.owner.tolist(), found.key.to_pylist(), found.value.to_pylist(), strict=True)
    for owner, key, value in pairs:
        rows[owner]["attributes"].append((key.decode(), repr(_scalar(AnyValue.FromString(value)))))
    return rows


def _log_records(requests: Sequence[ExportLogsServiceRequest]) -> Flat:
    """The same by the generated classes."""
    return [
        {
            "request": index,
            **_origin(resource_logs.resource, scope_logs.scope),
            **{name: getattr(record, name) for name in LOG_RECORDS.names[3:-1]},
            "body": repr(_scalar(record.body)),
            "attributes": _pairs(record.attributes),
        }
        for index, request in enumerate(requests)
        for resource_logs in request.resource_logs
        for scope_logs in resource_logs.scope_logs
        for record in scope_logs.log_records
    ]


def _points(requests: Sequence[ExportMetricsServiceRequest]) -> Flat:
    """The same by the generated classes, of each kind after the other."""
    rows = [
        {
            "request": index,
            **_origin(resource_metrics.resource, scope_metrics.scope),
            **_point(metric, point),
            "attributes": _pairs(point.attributes),
        }
        for index, request in enumerate(requests)
        for resource_metrics in request.resource_metrics
        for scope_metrics in resource_metrics.scope_metrics
        for metric in scope_metrics.metrics
        if (kind := metric.WhichOneof("data"))
        for point in getattr(metric, kind).data_points
    ]
    return sorted(rows, key=lambda row: KINDS.index(row["kind"]))


def _point(metric: Metric, point: Any) -> dict[str, Any]:  # noqa: ANN401 (a point of any kind)
    kind = str(metric.WhichOneof("data"))
    data = getattr(metric, kind)
    temporality = getattr(data, "aggregation_temporality", 0)
    if isinstance(point, NumberDataPoint):
        told = point.WhichOneof("value")
        value, count = float(getattr(point, told)) if told else None, None
    else:
        value, count = point.sum if kind == "summary" or point.HasField("sum") else None, point.count
    if point.flags & 1:
        value, count = None, None
    return {
        "name": metric.name,
        "unit": metric.unit,
        "kind": kind,
        "temporality": TEMPORALITIES[temporality] if temporality in range(3) else "",
        "is_monotonic": kind == "sum" and data.is_monotonic,
        "start_time_unix_nano": point.start_time_unix_nano,
        "time_unix_nano": point.time_unix_nano,
        "value": _NAN if value is not None and math.isnan(value) else value,
        "count": count,
    }


def _origin(resource: Resource, scope: InstrumentationScope) -> dict[str, Any]:
    valued = [(pair.key, _scalar(pair.value)) for pair in resource.attributes]
    told = {key: value for key, value in valued if value not in (None, "")}
    return {"resource": _shown(told), "scope": (scope.name, scope.version)}


def _pairs(attributes: Sequence[KeyValue]) -> list[tuple[str, str]]:
    return [(pair.key, repr(_scalar(pair.value))) for pair in attributes]


def _scalar(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    plain = kind in {"string_value", "bool_value", "int_value", "double_value"}
    return getattr(value, kind) if kind and plain else kind


def _shown(attributes: Mapping[str, object]) -> dict[str, str]:
    """As text, in which NaN equals NaN; what is neither text nor number just as that."""
    odd = {"array_value", "kvlist_value", "bytes_value"}
    return {
        key: "unread" if isinstance(value, bytes) or value in odd else repr(value)
        for key, value in attributes.items()
    }


def _logs(*bodies: bytes) -> Flat:
    return _log_records([ExportLogsServiceRequest.FromString(body) for body in bodies])


def _metrics(*bodies: bytes) -> Flat:
    return _points([ExportMetricsServiceRequest.FromString(body) for body in bodies])


# As sent


@pytest.mark.captures
def test_captured_logs_decode_as_the_protobuf_library_decodes_them() -> None:
    bodies = _captured("logs")
    assert _columns(decode_logs(bodies)) == _logs(*bodies)


@pytest.mark.captures
def test_captured_metrics_decode_as_the_protobuf_library_decodes_them() -> None:
    bodies = _captured("metrics")
    assert _columns(decode_metrics(bodies)) == _metrics(*bodies)


@strategies.examples(200)
@given(st.lists(signals.logs(), max_size=3))
def test_generated_logs_decode_as_the_protobuf_library_decodes_them(made: list[signals.MadeLogs]) -> None:
    bodies = [each.request.SerializeToString() for each in made]
    assert _columns(decode_logs(bodies)) == _logs(*bodies)


@strategies.examples(200)
@given(st.lists(signals.metrics(), max_size=3))
def test_generated_metrics_decode_as_the_protobuf_library_decodes_them(
    made: list[signals.MadeMetrics],
) -> None:
    bodies = [each.request.SerializeToString() for each in made]
    assert _columns(decode_metrics(bodies)) == _metrics(*bodies)


@pytest.mark.parametrize("bodies", [[], [b""], [b"", b""]])
def test_no_request_and_an_empty_request_have_no_rows_and_the_right_columns(bodies: list[bytes]) -> None:
    records, points = decode_logs(bodies), decode_metrics(bodies)
    assert _columns(records) == _columns(points) == []
    assert (records.rows.schema, points.rows.schema) == (LOG_RECORDS, POINTS)


def test_an_unknown_temporality_is_none() -> None:
    request = signals.MadeMetrics(0).request
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="tokens")
    metric.sum.aggregation_temporality = 77  # type: ignore[assignment] # of a later version
    metric.sum.data_points.add(as_int=5)
    [row] = _columns(decode_metrics([request.SerializeToString()]))
    assert (row["temporality"], row["value"]) == ("", 5.0)


def test_names_of_points_are_dictionaries_of_distinct_texts() -> None:
    bodies = [signals.MadeMetrics(seed).request.SerializeToString() for seed in range(1, 30)]
    rows = decode_metrics(bodies).rows
    assert rows.num_rows
    for name in ("name", "unit", "kind", "temporality"):
        texts = rows[name].dictionary.to_pylist()
        assert len(texts) == len(set(texts))


# Damaged


@strategies.examples(300)
@given(data=st.data(), made=st.lists(signals.logs(), min_size=1, max_size=3))
def test_damaged_logs_are_taken_if_the_protobuf_library_takes_them(
    data: st.DataObject, made: list[signals.MadeLogs]
) -> None:
    damaged = data.draw(strategies.mutated([each.request.SerializeToString() for each in made]))
    if _refused(Signal.LOGS, damaged):
        return
    assert _own(_columns(decode_logs([damaged]))) == _own(_logs(damaged))


@strategies.examples(300)
@given(data=st.data(), made=st.lists(signals.metrics(), min_size=1, max_size=3))
def test_damaged_metrics_are_taken_if_the_protobuf_library_takes_them(
    data: st.DataObject, made: list[signals.MadeMetrics]
) -> None:
    damaged = data.draw(strategies.mutated([each.request.SerializeToString() for each in made]))
    if _refused(Signal.METRICS, damaged):
        return
    assert decodable(damaged, Signal.METRICS)
    # Of a metric with two kinds of points, and of a point with two values, protobuf takes the last. No
    # encoder writes such a thing; here all are points, and the whole number counts.
    assert len(_columns(decode_metrics([damaged]))) >= len(_metrics(damaged))


@strategies.examples(200)
@given(noise=st.binary(max_size=200))
def test_random_bytes_are_a_request_or_a_permanent_refusal(noise: bytes) -> None:
    for signal in (Signal.LOGS, Signal.METRICS):
        assert _refused(signal, noise) or decodable(noise, signal)


@pytest.mark.parametrize(
    ("signal", "name"),
    [(Signal.LOGS, "ExportLogsServiceRequest"), (Signal.METRICS, "ExportMetricsServiceRequest")],
)
def test_one_bad_request_among_good_ones_is_named_by_decodable(signal: Signal, name: str) -> None:
    decode = {Signal.LOGS: decode_logs, Signal.METRICS: decode_metrics}[signal]
    with pytest.raises(Permanent, match=f"not an {name}"):
        decode([b"", b"\xff\xff"])
    assert [decodable(body, signal) for body in (b"", b"\xff\xff")] == [True, False]


def _refused(signal: Signal, body: bytes) -> bool:
    """Whether the protobuf library refuses it; what it refuses is a Permanent error for us, or read past.

    Damage in fields that are never read goes unnoticed.
    """
    parse = {Signal.LOGS: _logs, Signal.METRICS: _metrics}[signal]
    try:
        parse(body)
    except DecodeError:
        decodable(body, signal)
        return True
    return False


def _own(rows: Flat) -> Flat:
    """What the records have of their own: of a resource, scope or body in two pieces the last counts."""
    merged = {"resource", "scope", "body"}
    return [{name: value for name, value in row.items() if name not in merged} for row in rows]


def _captured(signal: str) -> list[bytes]:
    paths = sorted(captures.folder().glob(f"*/*.{signal}.pb"))
    if not paths:
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    return [path.read_bytes() for path in paths]
