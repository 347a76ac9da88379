"""The series of a data point: the same for the points of one counter, whoever reads them, and no others."""

from collections.abc import Callable

import numpy as np
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import NumberDataPoint

from otel_usage import series
from otel_usage.otlp.decode import decode_metrics

Request = ExportMetricsServiceRequest


def _request(change: Callable[[Request], object] = lambda _: None) -> Request:
    request = Request()
    resource_metrics = request.resource_metrics.add()
    resource_metrics.resource.attributes.extend([_text("service.name", "a"), _text("host", "b")])
    scope_metrics = resource_metrics.scope_metrics.add()
    scope_metrics.scope.name = "scope"
    metric = scope_metrics.metrics.add(name="tokens")
    metric.sum.data_points.add(as_int=1, time_unix_nano=1).attributes.extend(
        [_text("model", "m"), _text("type", "input")]
    )
    change(request)
    return request


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _series(*requests: Request) -> list[int]:
    points = decode_metrics([request.SerializeToString() for request in requests])
    numbers: list[int] = series.of(points, np.arange(points.rows.num_rows)).tolist()
    return numbers


def _point(request: Request) -> NumberDataPoint:
    return request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points[0]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda request: _point(request).MergeFrom(NumberDataPoint(as_int=9)), id="value"),
        pytest.param(lambda request: _point(request).attributes.reverse(), id="order of attributes"),
        pytest.param(
            lambda request: request.resource_metrics[0].resource.attributes.reverse(), id="order of resource"
        ),
        pytest.param(
            lambda request: _point(request).MergeFrom(NumberDataPoint(time_unix_nano=5)), id="later point"
        ),
    ],
)
def test_a_counter_stays_itself(change: Callable[[Request], object]) -> None:
    first, second = _series(_request(), _request(change))
    assert first == second


@pytest.mark.parametrize(
    "change",
    [
        lambda request: _point(request).attributes.append(_text("session", "1")),
        lambda request: _point(request).attributes.append(KeyValue(key="session")),
        lambda request: _point(request).attributes.pop(),
        lambda request: request.resource_metrics[0].resource.attributes.append(_text("pid", "1")),
        lambda request: setattr(request.resource_metrics[0].scope_metrics[0].scope, "name", "other"),
        lambda request: setattr(request.resource_metrics[0].scope_metrics[0].scope, "version", "2"),
        lambda request: setattr(request.resource_metrics[0].scope_metrics[0].metrics[0], "name", "other"),
    ],
)
def test_another_counter_is_another(change: Callable[[Request], object]) -> None:
    first, second = _series(_request(), _request(change))
    assert first != second


def test_attributes_of_a_resource_and_of_a_point_are_not_the_same() -> None:
    def move(request: Request) -> None:
        moved = request.resource_metrics[0].resource.attributes.pop()
        _point(request).attributes.append(moved)

    first, second = _series(_request(), _request(move))
    assert first != second


def test_the_number_is_the_same_for_ever() -> None:
    assert _series(_request()) == [6349713492173039461]
