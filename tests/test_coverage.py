"""Points to token points: which metrics count tokens, of which type, and what is said of the others."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from otel_usage.coverage import MAX_VALUE, TOKEN_POINTS, Metered, token_points
from otel_usage.dialects import metrics
from otel_usage.ledger import EmitterOutcome
from otel_usage.otlp.decode import decode_metrics
from tests import captures, signals

NOW: Final = 1_795_392_000_000_000_000
MINUTE: Final = 60 * 10**9
USAGE: Final = "gen_ai.client.token.usage"
DELTA, CUMULATIVE = 1, 2

Request = ExportMetricsServiceRequest


def _attributes(given: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in given.items()]


def _request(scope: str, *metric: Metric, service: str = "help-desk") -> Request:
    request = Request()
    resource_metrics = request.resource_metrics.add()
    resource_metrics.resource.attributes.extend(_attributes({"service.name": service}))
    scope_metrics = resource_metrics.scope_metrics.add()
    scope_metrics.scope.name = scope
    scope_metrics.metrics.extend(metric)
    return request


def _histogram(
    said: str = "",
    *,
    name: str = USAGE,
    value: float | None = 100,
    temporality: int = CUMULATIVE,
    **others: str,
) -> Metric:
    """A histogram of one point, of tokens of the type `said`; the others are `gen_ai` attributes of it."""
    metric = Metric(name=name)
    metric.histogram.aggregation_temporality = temporality  # type: ignore[assignment]
    point = metric.histogram.data_points.add(
        start_time_unix_nano=NOW - MINUTE, time_unix_nano=NOW, count=1, sum=value
    )
    attributes = {"token.type": said, **{key.replace("_", "."): text for key, text in others.items()}}
    point.attributes.extend(_attributes({f"gen_ai.{key}": text for key, text in attributes.items()}))
    return metric


def _counter(name: str, value: int, attributes: Mapping[str, str]) -> Metric:
    metric = Metric(name=name)
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = DELTA  # type: ignore[assignment]
    point = metric.sum.data_points.add(start_time_unix_nano=NOW - MINUTE, time_unix_nano=NOW, as_int=value)
    point.attributes.extend(_attributes(attributes))
    return metric


def _meter(*requests: Request, skew_ns: int = 0) -> Metered:
    points = decode_metrics([request.SerializeToString() for request in requests])
    return token_points(points, ["default"] * len(requests), now_ns=NOW, max_clock_skew_ns=skew_ns)


def _types(metered: Metered) -> list[str]:
    types: list[str] = metered.table["token_type"].to_pylist()
    return types


def _outcome(metered: Metered) -> tuple[list[int], ...]:
    return metered.received.tolist(), metered.ignored.tolist(), metered.rejected.tolist()


def test_a_point_that_counts_tokens_is_a_row() -> None:
    metric = _histogram(
        "input",
        value=1500,
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        operation_name="chat",
    )
    metered = _meter(_request("openai", metric))
    assert metered.table.schema == TOKEN_POINTS
    (row,) = metered.table.drop_columns(["series", "start_at", "at"]).to_pylist()
    assert row == {
        "tenant": "default",
        "service_name": "help-desk",
        "scope_name": "openai",
        "metric": USAGE,
        "model": "gpt-4o-2024-08-06",
        "token_type": "input",
        "temporality": "cumulative",
        "value": 1500,
    }
    assert metered.table["at"][0].value == NOW
    assert metered.table["start_at"][0].value == NOW - MINUTE
    assert _outcome(metered) == ([1], [0], [0])
    assert metered.messages == [""]


@pytest.mark.parametrize(
    ("scope", "provider", "said", "meant"),
    [
        ("opentelemetry.instrumentation.openai_v2", "openai", "input", "input"),
        ("opentelemetry.instrumentation.openai_v2", "openai", "output", "output"),
        ("opentelemetry.instrumentation.openai_v2", "openai", "completion", "output"),
        ("opentelemetry.instrumentation.botocore.bedrock-runtime", "aws.bedrock", "input", "uncached_input"),
        ("opentelemetry.instrumentation.botocore.bedrock-runtime", "aws.bedrock", "output", "output"),
        ("opentelemetry.instrumentation.langchain", "anthropic", "input", "uncached_input"),
        ("opentelemetry.instrumentation.langchain", "openai", "input", "input"),
        ("openlit.otel.metrics", "gemini", "output", "visible_output"),
        ("gemini-cli", "gcp.gen_ai", "output", "visible_output"),
    ],
)
def test_what_an_emitter_counts_is_known_by_its_name(
    scope: str, provider: str, said: str, meant: str
) -> None:
    metric = _histogram(said, provider_name=provider)
    assert _types(_meter(_request(scope, metric))) == [meant]


@pytest.mark.parametrize(
    ("metric", "attribute", "said", "meant"),
    [
        ("claude_code.token.usage", "type", "input", "uncached_input"),
        ("claude_code.token.usage", "type", "cacheRead", "cache_read"),
        ("claude_code.token.usage", "type", "cacheCreation", "cache_write"),
        ("codex.turn.token_usage", "token_type", "input", "input"),
        ("codex.turn.token_usage", "token_type", "cached_input", "cache_read"),
        ("gemini_cli.token.usage", "type", "thought", "reasoning"),
        ("gemini_cli.token.usage", "type", "tool", "input"),
        ("gemini_cli.token.usage", "type", "output", "visible_output"),
        ("gen_ai.client.inference.usage.cache_write.input_tokens", "type", "whatever", "cache_write"),
        ("strands.event_loop.output.tokens", "type", "whatever", "output"),
    ],
)
def test_a_metric_of_an_agent_counts_what_its_type_says(
    metric: str, attribute: str, said: str, meant: str
) -> None:
    assert _types(_meter(_request("agent", _counter(metric, 5, {attribute: said})))) == [meant]


@pytest.mark.parametrize(
    "metric",
    [
        pytest.param(_histogram("input", name="http.client.duration"), id="another metric"),
        pytest.param(_histogram(), id="no type"),
        pytest.param(_histogram("total"), id="a total"),
        pytest.param(_counter("codex.turn.token_usage", 9, {"token_type": "total"}), id="an agent's total"),
        pytest.param(_histogram("input", value=None), id="no value"),
        pytest.param(
            _histogram("input", operation_name="invoke_agent"),
            id="an operation that repeats others",
        ),
    ],
)
def test_other_points_are_ignored(metric: Metric) -> None:
    metered = _meter(_request("a", metric))
    assert metered.table.num_rows == 0
    assert _outcome(metered) == ([1], [1], [0])


def test_a_gauge_and_a_counter_that_may_fall_count_nothing() -> None:
    gauge, falling = Metric(name="gen_ai.usage.input_tokens"), Metric(name="gen_ai.usage.input_tokens")
    gauge.gauge.data_points.add(time_unix_nano=NOW, as_int=5)
    falling.sum.data_points.add(time_unix_nano=NOW, as_int=5)
    falling.sum.aggregation_temporality = CUMULATIVE  # type: ignore[assignment]
    assert _outcome(_meter(_request("a", gauge, falling))) == ([2], [2], [0])


def test_an_exponential_histogram_counts_as_well() -> None:
    metric = Metric(name=USAGE)
    metric.exponential_histogram.aggregation_temporality = CUMULATIVE  # type: ignore[assignment]
    point = metric.exponential_histogram.data_points.add(time_unix_nano=NOW, sum=7, count=1)
    point.attributes.extend(_attributes({"gen_ai.token.type": "input"}))
    metered = _meter(_request("a", metric))
    assert metered.table["value"].to_pylist() == [7]
    assert metered.table["start_at"][0].value == 0


@pytest.mark.parametrize("value", [-1.0, 0.5, math.nan, math.inf, MAX_VALUE + 1.0])
def test_a_value_that_is_no_count_is_rejected(value: float) -> None:
    bad, good = (_histogram("input", value=each) for each in (value, float(MAX_VALUE)))
    metered = _meter(_request("a", bad, good))
    assert _outcome(metered) == ([2], [0], [1])
    assert metered.messages == [f"metric {USAGE}: its value is no count of tokens"]
    assert metered.table["value"].to_pylist() == [MAX_VALUE]


@pytest.mark.parametrize("time", [0, 1_795_392_000, NOW + 2 * MINUTE, 2**64 - 1])
def test_a_time_that_cannot_be_is_rejected(time: int) -> None:
    metric = _histogram("input")
    metric.histogram.data_points[0].time_unix_nano = time
    metered = _meter(_request("a", metric), skew_ns=MINUTE)
    assert _outcome(metered) == ([1], [0], [1])
    assert "time_unix_nano" in metered.messages[0]


def test_a_point_without_temporality_is_rejected() -> None:
    metered = _meter(_request("a", _histogram("input", temporality=0)))
    assert metered.messages == [f"metric {USAGE}: it has no temporality"]


def test_a_start_after_its_point_is_unknown() -> None:
    metric = _histogram("input")
    metric.histogram.data_points[0].start_time_unix_nano = 2**64 - 1
    assert _meter(_request("a", metric)).table["start_at"][0].value == 0


def test_the_first_reasons_are_told_and_the_others_counted_for_each_request() -> None:
    bad = _request("a", *[_histogram("input", value=-1)] * 8)
    metered = _meter(bad, _request("a"), bad)
    assert [message.count("no count") for message in metered.messages] == [5, 0, 5]
    assert metered.messages[0].endswith("; and 3 more")
    assert metered.rejected.tolist() == [8, 0, 8]


def test_each_request_is_of_its_tenant() -> None:
    request = _request("a", _histogram("input")).SerializeToString()
    metered = token_points(decode_metrics([request] * 2), ["one", "two"], now_ns=NOW, max_clock_skew_ns=0)
    assert metered.table["tenant"].to_pylist() == ["one", "two"]
    assert len(set(metered.table["series"].to_pylist())) == 1


def test_emitters_say_what_became_of_their_points() -> None:
    good, bad = (_histogram("input", value=value) for value in (1, -1))
    metered = _meter(
        _request("a", good, bad, _histogram("input", name="other")),
        _request("b", good),
        _request("a", good),
        _request("c"),
    )
    assert metered.emitters == [
        EmitterOutcome("metrics", "a", received=4, stored=2, ignored=1, rejected=1),
        EmitterOutcome("metrics", "b", received=1, stored=1),
    ]


def test_nothing_is_nothing() -> None:
    for metered in (_meter(), _meter(Request())):
        assert (metered.table.num_rows, metered.emitters) == (0, [])
        assert metered.table.schema == TOKEN_POINTS


@given(st.lists(st.builds(signals.MadeMetrics, st.integers(0, 2**32)), max_size=4))
def test_every_point_of_any_request_is_accounted_for(made: list[signals.MadeMetrics]) -> None:
    metered = _meter(*(each.request for each in made))
    assert len(metered.messages) == len(made)
    stored = metered.received - metered.ignored - metered.rejected
    assert stored.sum() == metered.table.num_rows
    assert all(each.balanced for each in metered.emitters)
    assert sum(each.received for each in metered.emitters) == metered.received.sum()
    assert [bool(message) for message in metered.messages] == (metered.rejected > 0).tolist()
    assert set(_types(metered)) <= set(metrics.TOKEN_TYPES)


_TRUTH: Final = {
    metrics.INPUT: {"input_total", "input_plus_read", "promptTokenCount"},
    metrics.UNCACHED_INPUT: {"input_uncached"},
    metrics.CACHE_READ: {"cache_read"},
    metrics.CACHE_WRITE: {"cache_write"},
    metrics.OUTPUT: {"output_total"},
    metrics.VISIBLE_OUTPUT: {"output_minus_reasoning", "candidatesTokenCount"},
    metrics.REASONING: {"reasoning"},
}
"""The quantities of the truth that each token type is. Without cache and reasoning several are equal."""


@pytest.mark.captures
def test_every_captured_metric_counts_what_the_provider_counted() -> None:
    files = sorted(captures.folder().glob("*/*.metrics.pb"))
    if not files:
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    wrong = []
    for file in files:
        said = _said(file)
        metered = token_points(
            decode_metrics([file.read_bytes()]), [""], now_ns=NOW + 10**17, max_clock_skew_ns=0
        )
        rows = metered.table.select(["metric", "value", "token_type"]).to_pylist()
        assert metered.rejected.tolist() == [0]
        wrong += [(file, row) for row in rows if not _fits(said[row["metric"], row["value"]], row)]
    assert wrong == []


def _said(file: Path) -> Mapping[tuple[str, float], list[set[str]]]:
    """What the truth beside a file says of each of its metrics' values. Of odd values it says nothing."""
    truth = json.loads(file.with_name(file.name.replace(".metrics.pb", ".json")).read_text())
    said = defaultdict(list)
    reasoning = any(call["tokens"]["reasoning"] for call in truth["billable_calls"])
    for metric in truth["metrics_with_usage"]:
        meanings = {meaning.split(".")[-1].split(":")[-1] for meaning in metric["meaning"]}
        if not reasoning and "output_total" in meanings:
            meanings.add("output_minus_reasoning")
        said[metric["name"], metric["sum"]].append(meanings)
    return said


def _fits(said: Sequence[set[str]], row: Mapping[str, Any]) -> bool:
    return any(not meanings or meanings & _TRUTH[row["token_type"]] for meanings in said)
