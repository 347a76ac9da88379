"""`record_usage()`: one span that says everything, or a clear refusal."""

import time
from typing import Any, get_args

import pyarrow as pa
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.util.genai.handler import TelemetryHandler

from otel_usage import __version__, attribution, record_usage
from otel_usage.extract import observations
from otel_usage.instrumentation.record import Operation
from otel_usage.model import MAX_AUDIO_NS, QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.otlp.decode import decode

EVERY_COUNT = {
    "input_tokens": 1000,
    "output_tokens": 500,
    "cache_read_tokens": 300,
    "cache_write_tokens": 200,
    "cache_write_1h_tokens": 150,
    "reasoning_tokens": 120,
    "input_audio_tokens": 90,
    "cache_read_audio_tokens": 60,
    "output_audio_tokens": 50,
    "input_image_tokens": 40,
    "output_image_tokens": 30,
}


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


def attributes(exporter: InMemorySpanExporter) -> dict[str, Any]:
    return dict(only(exporter).attributes or {})


def test_it_makes_one_client_span_by_the_genai_conventions(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    record_usage(
        "openai",
        "gpt-4o",
        input_tokens=1500,
        output_tokens=500,
        cache_read_tokens=200,
        response_id="chatcmpl-1",
        response_model="gpt-4o-2024-08-06",
        tracer_provider=bare_provider,
    )
    assert attributes(exporter) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.usage.input_tokens": 1500,
        "gen_ai.usage.output_tokens": 500,
        "gen_ai.usage.cache_read.input_tokens": 200,
    }
    span = only(exporter)
    assert (span.name, span.kind) == ("chat gpt-4o", SpanKind.CLIENT)
    assert span.instrumentation_scope is not None
    assert (span.instrumentation_scope.name, span.instrumentation_scope.version) == (
        "otel_usage",
        __version__,
    )


def test_every_fact_reaches_the_server_in_its_own_column(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    assert tuple(EVERY_COUNT) == TOKEN_COLUMNS
    said = {
        "account_id": "acme",
        "transaction_id": "t1",
        "context": "customer",
        "usage_type": "audio_stt",
        "operation": "text_completion",
        "response_id": "a-response-id-long-enough-to-be-unique",
        "response_model": "claude-sonnet-4-5-20250929",
        "service_tier": "priority",
        **EVERY_COUNT,
        "input_characters": 20,
        "web_searches": 2,
        "rerank_searches": 0,
        "output_images": 4,
    }
    record_usage(
        "anthropic",
        "claude-sonnet-4-5",
        tracer_provider=bare_provider,
        audio_duration_seconds=12.3,
        **said,  # type: ignore[arg-type]
    )
    observed = observe(exporter)
    expected = {
        **said,
        "input_audio_ns": 12_300_000_000,
        "provider": "anthropic",
        "request_model": "claude-sonnet-4-5",
        "scope_name": "otel_usage",
    }
    assert {name: observed[name].to_pylist() for name in expected} == {
        name: [value] for name, value in expected.items()
    }


def observe(exporter: InMemorySpanExporter) -> pa.Table:
    spans = decode([encode_spans(exporter.get_finished_spans()).SerializeToString()])
    return observations(spans, ["default"], now_ns=time.time_ns(), max_clock_skew_ns=10**12).observations


@pytest.mark.parametrize("operation", get_args(Operation))
def test_every_operation_is_one_call(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter, operation: Operation
) -> None:
    record_usage(
        "openai", "m", input_tokens=1, output_tokens=1, operation=operation, tracer_provider=bare_provider
    )
    assert observe(exporter)["role"].to_pylist() == ["inference"]


@pytest.mark.parametrize(
    ("said", "used"),
    [
        ({"usage_type": "audio_stt", "audio_duration_seconds": 60}, {"input_audio_ns": 60 * 10**9}),
        ({"usage_type": "audio_tts", "audio_duration_seconds": 0.1}, {"output_audio_ns": 100_000_000}),
        (
            {"operation": "speech_to_text", "audio_duration_seconds": 7 * 86_400},
            {"input_audio_ns": MAX_AUDIO_NS},
        ),
        ({"operation": "text_to_speech", "audio_duration_seconds": 1.5}, {"output_audio_ns": 1_500_000_000}),
        ({"operation": "text_to_speech", "input_characters": 2000}, {"input_characters": 2000}),
        ({"operation": "rerank", "rerank_searches": 1}, {"rerank_searches": 1}),
        ({"operation": "image_generation", "output_images": 2}, {"output_images": 2}),
    ],
)
def test_a_call_that_is_not_paid_by_the_token_is_reported_without_any(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter, said: dict[str, Any], used: dict[str, int]
) -> None:
    record_usage("openai", "m", input_tokens=None, output_tokens=None, tracer_provider=bare_provider, **said)
    (observed,) = observe(exporter).to_pylist()
    assert {name: observed[name] for name in QUANTITY_COLUMNS if observed[name] is not None} == used
    assert (observed["usage_status"], observed["input_tokens"]) == ("reported", None)


def test_an_enclosing_scope_may_say_whether_audio_was_heard_or_made(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    with attribution(usage_type="audio_tts"):
        record_usage(
            "openai",
            "m",
            input_tokens=None,
            output_tokens=None,
            audio_duration_seconds=1,
            tracer_provider=bare_provider,
        )
    assert observe(exporter)["output_audio_ns"].to_pylist() == [10**9]


@pytest.mark.parametrize("provider_name", ["openai", "azure.ai.openai"])
def test_a_tier_of_openai_goes_by_openais_name(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter, provider_name: str
) -> None:
    record_usage(
        provider_name,
        "m",
        input_tokens=1,
        output_tokens=1,
        service_tier="flex",
        tracer_provider=bare_provider,
    )
    assert attributes(exporter)["openai.response.service_tier"] == "flex"


def test_a_count_the_provider_did_not_report_is_absent_and_a_zero_is_there(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    record_usage(
        "openai",
        "text-embedding-3-small",
        operation="embeddings",
        input_tokens=0,
        output_tokens=None,
        tracer_provider=bare_provider,
    )
    found = attributes(exporter)
    assert found["gen_ai.usage.input_tokens"] == 0
    assert "gen_ai.usage.output_tokens" not in found
    assert found["gen_ai.operation.name"] == "embeddings"


def test_the_enclosing_scope_pays_with_or_without_the_processor(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    with attribution(account_id="acme", transaction_id="t1"):
        record_usage(
            "openai",
            "gpt-4o",
            input_tokens=1,
            output_tokens=1,
            transaction_id="t2",
            tracer_provider=bare_provider,
        )
    found = attributes(exporter)
    assert found["otel_usage.account.id"] == "acme"
    assert found["otel_usage.transaction.id"] == "t2"
    assert found["otel_usage.context"] == "customer"


def test_the_processor_and_the_call_agree(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    with attribution(account_id="acme"):
        record_usage(
            "openai", "gpt-4o", input_tokens=1, output_tokens=1, context="system", tracer_provider=provider
        )
    found = attributes(exporter)
    assert found["otel_usage.context"] == "system"
    assert "otel_usage.account.id" not in found


def test_it_spoils_no_histogram_with_a_duration_of_nothing(
    provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", meter_provider)
    record_usage("openai", "gpt-4o", input_tokens=1, output_tokens=1, tracer_provider=provider)
    assert reader.get_metrics_data() is None
    meter_provider.shutdown()


def test_inside_an_instrumentors_span_it_completes_that_span(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    handler = TelemetryHandler(tracer_provider=provider)
    with handler.inference("openai", request_model="gpt-4o"):
        record_usage(
            "openai", "gpt-4o", input_tokens=7, output_tokens=3, account_id="acme", tracer_provider=provider
        )
    found = attributes(exporter)
    assert (found["gen_ai.usage.input_tokens"], found["otel_usage.account.id"]) == (7, "acme")


STT: dict[str, Any] = {"usage_type": "audio_stt"}
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"input_tokens": -1}, ValueError, r"input_tokens is negative \(-1\)"),
    ({"input_tokens": 1.5}, TypeError, "input_tokens must be a whole number, not float"),
    ({"output_tokens": True}, TypeError, "output_tokens must be a whole number, not bool"),
    ({"cache_read_tokens": "5"}, TypeError, "cache_read_tokens must be a whole number, not str"),
    (
        {"cache_read_tokens": 60, "cache_write_tokens": 50},
        ValueError,
        r"cache_read_tokens \+ cache_write_tokens is 110, more than input_tokens \(100\)",
    ),
    ({"reasoning_tokens": 51}, ValueError, r"reasoning_tokens is 51, more than output_tokens \(50\)"),
    ({"cache_write_tokens": 5, "cache_write_1h_tokens": 6}, ValueError, "cache_write_1h_tokens is 6"),
    ({"input_characters": -1}, ValueError, r"input_characters is negative \(-1\)"),
    ({"web_searches": 1.0}, TypeError, "web_searches must be a whole number, not float"),
    ({"rerank_searches": True}, TypeError, "rerank_searches must be a whole number, not bool"),
    ({"output_images": -1}, ValueError, r"output_images is negative \(-1\)"),
    ({"audio_duration_seconds": -1, **STT}, ValueError, "audio_duration_seconds is -1, not from 0 to 604800"),
    ({"audio_duration_seconds": float("nan"), **STT}, ValueError, "audio_duration_seconds is nan"),
    ({"audio_duration_seconds": 604_801, **STT}, ValueError, "audio_duration_seconds is 604801"),
    ({"audio_duration_seconds": "5", **STT}, TypeError, "audio_duration_seconds must be a number, not str"),
    ({"audio_duration_seconds": True, **STT}, TypeError, "must be a number, not bool"),
    ({"audio_duration_seconds": 5}, ValueError, "say which by usage_type, audio_stt or audio_tts, or by"),
    ({"audio_duration_seconds": 5, "usage_type": "text"}, ValueError, "say which by usage_type"),
    ({"operation": "invoke_agent"}, ValueError, "operation is 'invoke_agent', not one of chat"),
    ({"account_id": ""}, ValueError, "account_id is blank"),
    ({"context": "customer"}, ValueError, "needs an account_id"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_what_cannot_be_true_is_refused_and_makes_no_span(
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
    wrong: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    call: dict[str, Any] = {"input_tokens": 100, "output_tokens": 50, **wrong}
    with pytest.raises(error, match=message):
        record_usage("openai", "gpt-4o", tracer_provider=provider, **call)
    assert exporter.get_finished_spans() == ()
