"""`UsageInstrumentor`: on, off, twice, too early, and without a line of code."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import ProxyTracerProvider

from otel_usage import UsageInstrumentor, attribution
from otel_usage.demo.provider import StandInProvider


@pytest.fixture(autouse=True)
def uninstrumented() -> Iterator[None]:
    yield
    if UsageInstrumentor().is_instrumented_by_opentelemetry:
        UsageInstrumentor().uninstrument()


def accounts(provider: TracerProvider, exporter: InMemorySpanExporter) -> list[object]:
    """The account on each span of one call made in scope."""
    exporter.clear()
    with attribution(account_id="acme"):
        provider.get_tracer("t").start_span("call").end()
    return [(span.attributes or {}).get("otel_usage.account.id") for span in exporter.get_finished_spans()]


def processors(provider: TracerProvider) -> int:
    return len(provider._active_span_processor._span_processors)  # noqa: SLF001 - the SDK tells it nowhere else


def test_it_makes_attribution_reach_the_spans(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    assert accounts(bare_provider, exporter) == [None]
    UsageInstrumentor().instrument(tracer_provider=bare_provider)
    assert accounts(bare_provider, exporter) == ["acme"]


def test_uninstrument_makes_it_inert_and_instrument_revives_it(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    UsageInstrumentor().instrument(tracer_provider=bare_provider)
    before = processors(bare_provider)
    UsageInstrumentor().uninstrument()
    assert accounts(bare_provider, exporter) == [None]
    UsageInstrumentor().instrument(tracer_provider=bare_provider)
    assert accounts(bare_provider, exporter) == ["acme"]
    assert processors(bare_provider) == before


def test_doing_it_twice_changes_nothing(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    UsageInstrumentor().instrument(tracer_provider=bare_provider)
    before = processors(bare_provider)
    UsageInstrumentor().instrument(tracer_provider=bare_provider)
    assert processors(bare_provider) == before
    assert accounts(bare_provider, exporter) == ["acme"]


def test_another_provider_can_be_instrumented_after_the_first(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    other = TracerProvider(shutdown_on_exit=False)
    UsageInstrumentor().instrument(tracer_provider=other)
    UsageInstrumentor().uninstrument()
    UsageInstrumentor().instrument(tracer_provider=bare_provider)
    assert accounts(bare_provider, exporter) == ["acme"]
    other.shutdown()


def test_too_early_it_warns_and_can_be_done_again_later(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        UsageInstrumentor().instrument(tracer_provider=ProxyTracerProvider())
    assert "there is no OpenTelemetry SDK tracer provider (found ProxyTracerProvider)" in caplog.text
    assert not UsageInstrumentor().is_instrumented_by_opentelemetry
    caplog.clear()
    UsageInstrumentor().instrument(tracer_provider=bare_provider)
    assert accounts(bare_provider, exporter) == ["acme"]
    assert caplog.text == ""


ZERO_CODE_APP = """
from openai import OpenAI
from otel_usage import attribution

with attribution(account_id="acme", transaction_id="t1"):
    OpenAI().chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], max_completion_tokens=7
    )
"""


def test_under_opentelemetry_instrument_it_needs_no_code(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(ZERO_CODE_APP)
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    with StandInProvider() as stand_in:
        done = subprocess.run(
            [command, sys.executable, app],
            env={
                "PATH": os.environ["PATH"],
                "NO_PROXY": "127.0.0.1",
                "OPENAI_BASE_URL": stand_in.base_url,
                "OPENAI_API_KEY": "none",
                "OTEL_TRACES_EXPORTER": "console",
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    span = json.loads(done.stdout)
    assert span["name"] == "chat gpt-4o"
    assert span["attributes"]["gen_ai.usage.output_tokens"] == 7
    assert span["attributes"]["otel_usage.account.id"] == "acme"
    assert span["attributes"]["otel_usage.transaction.id"] == "t1"
