"""GET /v1/ingest and GET /metrics: what became of everything, and whether what was metered was billed."""

import time
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from otel_usage import rfc3339
from otel_usage.config import Settings
from otel_usage.coverage import TOKEN_POINTS
from otel_usage.ledger import EmitterOutcome
from otel_usage.model import Retryable, Signal
from otel_usage.pricing import Pricer
from otel_usage.store.queries import Statement
from tests.api.conftest import Api, serving
from tests.store.rows import usage

pytestmark = pytest.mark.anyio

_MINUTE = 60 * 10**9
_A_MINUTE_AGO = time.time_ns() - _MINUTE
_OPEN_METRICS = "application/openmetrics-text"


@pytest.fixture
async def locked(book: Pricer, migrated_dsn: str) -> AsyncIterator[Api]:
    """The API of a server with a key."""
    async with serving(book, Settings(dsn=migrated_dsn, api_key="secret")) as running:
        yield running


async def _ingest(api: Api) -> Any:  # noqa: ANN401
    response = await api.http.get("/v1/ingest")
    assert response.status_code == 200, response.text
    return response.json()


def _text(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=text))


def _span_of(input_tokens: int, output_tokens: int) -> bytes:
    """A request with a call of a minute ago."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.append(_text("service.name", "help-desk"))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "openai"
    span = scope_spans.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    span.start_time_unix_nano = span.end_time_unix_nano = _A_MINUTE_AGO
    span.attributes.extend([_text("gen_ai.operation.name", "chat"), _text("gen_ai.request.model", "gpt-4o")])
    counts = {"gen_ai.usage.input_tokens": input_tokens, "gen_ai.usage.output_tokens": output_tokens}
    for name, count in counts.items():
        span.attributes.add(key=name, value=AnyValue(int_value=count))
    return request.SerializeToString()


def _metric_of(input_tokens: int, output_tokens: int) -> bytes:
    """A request with the metric of that call, and one that counts no tokens."""
    request = ExportMetricsServiceRequest()
    resource_metrics = request.resource_metrics.add()
    resource_metrics.resource.attributes.append(_text("service.name", "help-desk"))
    scope_metrics = resource_metrics.scope_metrics.add()
    scope_metrics.scope.name = "openai"
    for name in ("gen_ai.client.token.usage", "gen_ai.client.operation.duration"):
        histogram = scope_metrics.metrics.add(name=name).histogram
        histogram.aggregation_temporality = AGGREGATION_TEMPORALITY_CUMULATIVE
        for said, count in {"input": input_tokens, "output": output_tokens}.items():
            if name.endswith("usage") or said == "input":
                point = histogram.data_points.add(count=1, sum=count)
                point.start_time_unix_nano, point.time_unix_nano = _A_MINUTE_AGO, _A_MINUTE_AGO + 1
                point.attributes.extend(
                    [_text("gen_ai.token.type", said), _text("gen_ai.request.model", "gpt-4o")]
                )
    return request.SerializeToString()


def _point(value: int, **told: str | int) -> pa.Table:
    usual = {
        "tenant": "default",
        "service_name": "help-desk",
        "scope_name": "openai",
        "metric": "gen_ai.client.token.usage",
        "model": "gpt-4o",
        "token_type": "uncached_input",
        "temporality": "delta",
        "series": 1,
        "start_at": time.time_ns() - 2 * _MINUTE,
        "at": time.time_ns() - _MINUTE,
        "value": value,
    }
    return pa.Table.from_pylist([{**usual, **told}], schema=TOKEN_POINTS)


async def test_what_became_of_everything_is_told_by_signal_and_emitter(api: Api) -> None:
    api.ingest.ledger.add(
        [
            EmitterOutcome("traces", "openai", 5, 2, 1, 1, 0, 1),
            EmitterOutcome("traces", "langchain", 3, ignored=3),
        ]
    )
    api.ingest.ledger.amend(4)
    with api.ingest.ledger.request("traces"):
        answer = await _ingest(api)
    counted = {"stored": 2, "duplicate": 1, "rollup": 1, "ignored": 0, "rejected": 1, "balanced": True}
    told = answer["ingest"]
    assert answer["success"] is True
    assert told["emitters"] == [
        {"signal": "traces", "emitter": "langchain", "received": 3}
        | dict.fromkeys(("stored", "duplicate", "rollup", "rejected"), 0)
        | {"ignored": 3, "balanced": True},
        {"signal": "traces", "emitter": "openai", "received": 5, **counted},
    ]
    assert told["signals"] == [
        {"signal": "traces", "received": 8, **counted, "ignored": 3, "requests": {}},
    ]
    assert (told["balanced"], told["waitingRequests"], told["amendedRows"]) == (True, 1, 4)
    assert rfc3339.parse(told["since"]) <= time.time_ns()


async def test_a_loss_is_told(api: Api) -> None:
    api.ingest.ledger.add([EmitterOutcome("logs", "codex", received=2, stored=1)])
    told = (await _ingest(api))["ingest"]
    assert told["balanced"] is False
    assert told["emitters"][0]["balanced"] is False


async def test_requests_are_told_with_their_signal(api: Api) -> None:
    ledger = api.ingest.ledger
    ledger.add([EmitterOutcome("logs", "codex", 1, 1)])
    with ledger.request("logs"):
        pass
    with pytest.raises(Retryable), ledger.request("logs"):
        raise Retryable("full", retry_after=1)
    (logs,) = (each for each in (await _ingest(api))["ingest"]["signals"] if each["signal"] == "logs")
    assert logs["requests"] == {"accepted": 1, "refused": 1}


async def test_coverage_compares_what_was_metered_with_what_was_billed(api: Api) -> None:
    called = {"service_name": "help-desk", "started_at": time.time_ns() - 2 * _MINUTE}
    api.store.insert(usage({**called, "input_tokens": 900, "cache_read_tokens": 100}))
    api.store.insert_points(_point(1000))
    api.store.insert_points(_point(70, model="", token_type="output", series=2))  # noqa: S106
    api.store.insert_points(_point(5, service_name="other", series=3))
    answer = await _ingest(api)
    told = {"service": "help-desk", "emitter": "openai", "metric": "gen_ai.client.token.usage"}
    assert answer["coverage"] == [
        {
            **told,
            "model": "gpt-4o",
            "tokenType": "uncachedInput",
            "metered": 1000,
            "billed": 800,
            "ratio": 0.8,
        },
        {**told, "model": "gpt-4o", "tokenType": "uncachedInput", "metered": 5, "billed": 0, "ratio": 0}
        | {"service": "other"},
        {**told, "model": None, "tokenType": "output", "metered": 70, "billed": 500, "ratio": 7.1429},
    ]
    span = rfc3339.parse(answer["coverageTo"]) - rfc3339.parse(answer["coverageFrom"])
    assert span == 24 * 60 * _MINUTE


async def test_a_call_and_its_metric_are_compared_and_only_the_call_is_billed(api: Api) -> None:
    for _ in range(2):
        await api.ingest.export(_span_of(1500, 500), tenant="default", signal=Signal.TRACES)
        metered = await api.ingest.export(_metric_of(1500, 500), tenant="default", signal=Signal.METRICS)
        assert (metered.received, metered.stored, metered.ignored) == (3, 2, 1)
    answer = await _ingest(api)
    assert [(each["tokenType"], each["metered"], each["billed"]) for each in answer["coverage"]] == [
        ("input", 1500, 1500),
        ("output", 500, 500),
    ]
    assert answer["ingest"]["balanced"] is True
    received = {each["signal"]: each["received"] for each in answer["ingest"]["signals"]}
    assert received == {"traces": 2, "metrics": 6}
    assert (await api.usage(summary="true"))["summary"]["totalInputTokens"] == 1500


async def test_what_is_billed_and_not_known_has_no_ratio(api: Api) -> None:
    called = {"service_name": "help-desk", "started_at": time.time_ns() - 2 * _MINUTE}
    api.store.insert(usage({**called, "output_tokens": None}))
    api.store.insert_points(_point(70, token_type="output"))  # noqa: S106
    (told,) = (await _ingest(api))["coverage"]
    assert (told["billed"], told["ratio"]) == (None, None)


async def test_the_counts_are_told_while_the_store_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: Statement[Any]) -> Sequence[Any]:
        raise Retryable("ClickHouse cannot answer now", retry_after=1)

    monkeypatch.setattr(api.store, "query", away)
    api.ingest.ledger.add([EmitterOutcome("traces", "openai", 1, 1)])
    answer = await _ingest(api)
    assert answer["coverage"] is None
    assert answer["ingest"]["emitters"][0]["received"] == 1
    assert (await api.http.get("/metrics")).status_code == 200


async def test_the_counters_can_be_scraped(api: Api) -> None:
    api.ingest.ledger.add([EmitterOutcome("traces", 'a "name"\n', 1, 1)])
    response = await api.http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'otel_usage_received_items_total{signal="traces",emitter="a \\"name\\"\\n"} 1\n' in response.text


async def test_openmetrics_is_there_for_who_asks(api: Api) -> None:
    response = await api.http.get("/metrics", headers={"Accept": _OPEN_METRICS})
    assert response.headers["content-type"] == f"{_OPEN_METRICS}; version=1.0.0; charset=utf-8"
    assert response.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/metrics", "/v1/ingest"])
async def test_a_server_with_a_key_tells_only_who_has_it(locked: Api, path: str) -> None:
    assert (await locked.http.get(path)).status_code == 401
    assert (await locked.http.get(path, headers={"X-API-Key": "wrong"})).status_code == 401
    assert (await locked.http.get(path, headers={"X-API-Key": "secret"})).status_code == 200


async def test_a_ratio_keeps_four_digits(api: Api) -> None:
    called = {"service_name": "help-desk", "started_at": time.time_ns() - 2 * _MINUTE}
    api.store.insert(usage({**called, "input_tokens": 2}))
    api.store.insert_points(_point(3))
    text = (await api.http.get("/v1/ingest")).text
    assert f'"ratio":{Decimal(2) / 3:.4f}' in text
