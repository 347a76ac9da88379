"""Hypothesis strategies: OTLP requests of logs and metrics, as emitters send them and as they never should.

Made from a seed, as in `strategies`: seed 0, which hypothesis shrinks to, is the empty request.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import (
    SEVERITY_NUMBER_INFO,
    SEVERITY_NUMBER_UNSPECIFIED,
    LogRecord,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

_KEYS: Final = (
    *("event.name", "event.kind", "event.timestamp", "duration_ms", "model", "service.name", "", "имя"),
    *("input_tokens", "output_tokens", "input_token_count", "output_token_count", "tool_token_count"),
    *("gen_ai.usage.input_tokens", "gen_ai.response.id", "request_id", "otel_usage.account.id"),
)
_EVENTS: Final = (
    *("claude_code.api_request", "claude_code.api_error", "codex.sse_event", "gemini_cli.api_response"),
    *("gen_ai.client.inference.operation.details", "событие", ""),
)
_TEXTS: Final = (
    *("", "api_request", "response.completed", "12", "модель", "2026-11-23T04:13:24.000Z", "2026"),
    *("a" * 127, "a" * 128, "a" * 20_000),
    *_EVENTS,
)
_NUMBERS: Final = (0, 1, -1, 2**53 - 1, 2**63 - 1, -(2**63))
_FLOATS: Final = (0.0, -0.5, 1.5, 2.0**53, math.nan, math.inf, -math.inf, 5e-324)
_TIMES: Final = (0, 1, 1_795_407_204_816_290_613, 2**64 - 1)
_SCOPES: Final = (
    ("com.anthropic.claude_code.events", "2.1.328"),
    ("codex_cli_rs", ""),
    ("gemini-cli", "v1"),
    ("openlit.instrumentation.openai", ""),
    ("", ""),
    ("приложение", "1"),
)
_METRICS: Final = ("gen_ai.client.token.usage", "claude_code.token.usage", "http.client.duration", "", "мера")
_DEEPEST: Final = 2


@dataclass(frozen=True, slots=True)
class MadeLogs:
    """A log request made up from a seed. A failing test prints the seed, not the request."""

    seed: int

    @property
    def request(self) -> ExportLogsServiceRequest:
        """The request."""
        rng = random.Random(self.seed)
        request = ExportLogsServiceRequest()
        for _ in range(rng.randrange(4) if self.seed else 0):
            resource_logs = request.resource_logs.add()
            resource_logs.resource.attributes.extend(_attributes(rng))
            for _ in range(rng.randrange(4)):
                scope_logs = resource_logs.scope_logs.add()
                scope_logs.scope.name, scope_logs.scope.version = rng.choice(_SCOPES)
                scope_logs.log_records.extend(_record(rng) for _ in range(rng.randrange(6)))
        return request


@dataclass(frozen=True, slots=True)
class MadeMetrics:
    """A metric request made up from a seed. A failing test prints the seed, not the request."""

    seed: int

    @property
    def request(self) -> ExportMetricsServiceRequest:
        """The request."""
        rng = random.Random(self.seed)
        request = ExportMetricsServiceRequest()
        for _ in range(rng.randrange(4) if self.seed else 0):
            resource_metrics = request.resource_metrics.add()
            resource_metrics.resource.attributes.extend(_attributes(rng))
            for _ in range(rng.randrange(4)):
                scope_metrics = resource_metrics.scope_metrics.add()
                scope_metrics.scope.name, scope_metrics.scope.version = rng.choice(_SCOPES)
                scope_metrics.metrics.extend(_metric(rng) for _ in range(rng.randrange(6)))
        return request


def logs() -> st.SearchStrategy[MadeLogs]:
    """A request of up to 3 resources with up to 3 scopes each, with up to 5 log records each."""
    return st.integers(0, 2**32 - 1).map(MadeLogs)


def metrics() -> st.SearchStrategy[MadeMetrics]:
    """A request of up to 3 resources with up to 3 scopes each, with up to 5 metrics each."""
    return st.integers(0, 2**32 - 1).map(MadeMetrics)


def _record(rng: random.Random) -> LogRecord:
    return LogRecord(
        time_unix_nano=rng.choice(_TIMES),
        observed_time_unix_nano=rng.choice(_TIMES),
        severity_number=rng.choice([SEVERITY_NUMBER_UNSPECIFIED, SEVERITY_NUMBER_INFO]),
        severity_text=rng.choice(["", "INFO"]),
        body=rng.choice([None, _any(rng)]),
        attributes=_attributes(rng),
        flags=rng.choice([0, 1]),
        trace_id=rng.choice([b"", rng.randbytes(16), rng.randbytes(3)]),
        span_id=rng.choice([b"", rng.randbytes(8), rng.randbytes(9)]),
        event_name=rng.choice(_EVENTS),
    )


def _metric(rng: random.Random) -> Metric:
    metric = Metric(
        name=rng.choice(_METRICS), description=rng.choice(["", "text"]), unit=rng.choice(["", "s"])
    )
    many = range(rng.randrange(4))
    match rng.randrange(6):
        case 0:
            metric.gauge.data_points.extend(_number(rng) for _ in many)
        case 1:
            metric.sum.data_points.extend(_number(rng) for _ in many)
            metric.sum.is_monotonic = rng.random() < 0.5
        case 2:
            metric.histogram.data_points.extend(_histogram(rng) for _ in many)
        case 3:
            metric.exponential_histogram.data_points.extend(_exponential_histogram(rng) for _ in many)
        case 4:
            metric.summary.data_points.extend(_summary(rng) for _ in many)
    kind = metric.WhichOneof("data")
    if kind in {"sum", "histogram", "exponential_histogram"}:
        getattr(metric, kind).aggregation_temporality = rng.choice([0, 1, 2, 2])
    return metric


def _number(rng: random.Random) -> NumberDataPoint:
    point = NumberDataPoint(attributes=_attributes(rng), exemplars=_exemplars(rng))
    _when(point, rng)
    match rng.randrange(3):
        case 0:
            point.as_int = rng.choice(_NUMBERS)
        case 1:
            point.as_double = rng.choice(_FLOATS)
    return point


def _histogram(rng: random.Random) -> HistogramDataPoint:
    point = HistogramDataPoint(
        attributes=_attributes(rng),
        exemplars=_exemplars(rng),
        count=rng.choice([0, 3, 2**64 - 1]),
        bucket_counts=[0, 3],
        explicit_bounds=[rng.choice(_FLOATS)],
    )
    _when(point, rng)
    if rng.random() < 0.7:
        point.sum = rng.choice(_FLOATS)
    return point


def _exponential_histogram(rng: random.Random) -> ExponentialHistogramDataPoint:
    point = ExponentialHistogramDataPoint(
        attributes=_attributes(rng), count=rng.choice([0, 3]), scale=-1, zero_count=1
    )
    point.positive.offset, point.positive.bucket_counts[:] = -3, [1, 2]
    _when(point, rng)
    if rng.random() < 0.7:
        point.sum = rng.choice(_FLOATS)
    return point


def _summary(rng: random.Random) -> SummaryDataPoint:
    point = SummaryDataPoint(
        attributes=_attributes(rng),
        count=rng.choice([0, 3]),
        sum=rng.choice(_FLOATS),
        quantile_values=[SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=1.5)],
    )
    _when(point, rng)
    return point


_Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint


def _when(point: _Point, rng: random.Random) -> None:
    point.start_time_unix_nano, point.time_unix_nano = rng.choice(_TIMES), rng.choice(_TIMES)
    point.flags = rng.choice([0, 0, 0, 1, 2, 3])


def _exemplars(rng: random.Random) -> list[Exemplar]:
    """Exemplars have attributes too, which are not their point's."""
    if rng.random() < 0.7:
        return []
    return [Exemplar(filtered_attributes=_attributes(rng), as_int=5, span_id=bytes(8), trace_id=b"\1" * 16)]


def _attributes(rng: random.Random) -> list[KeyValue]:
    return [KeyValue(key=rng.choice(_KEYS), value=_any(rng)) for _ in range(rng.randrange(5))]


def _any(rng: random.Random, depth: int = 0) -> AnyValue:
    leaves: Sequence[Callable[[], AnyValue]] = [
        AnyValue,
        lambda: AnyValue(string_value=rng.choice(_TEXTS)),
        lambda: AnyValue(bool_value=rng.choice([True, False])),
        lambda: AnyValue(int_value=rng.choice(_NUMBERS)),
        lambda: AnyValue(double_value=rng.choice(_FLOATS)),
        lambda: AnyValue(bytes_value=rng.randbytes(rng.randrange(5))),
    ]
    if depth == _DEEPEST or rng.random() < 0.8:
        return rng.choice(leaves)()
    return AnyValue(array_value=ArrayValue(values=[_any(rng, depth + 1) for _ in range(rng.randrange(3))]))
