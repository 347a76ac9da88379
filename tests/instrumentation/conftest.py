"""A real SDK with the processor, exporting into memory."""

from collections.abc import Iterator

import pytest
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_usage.instrumentation import AttributionSpanProcessor


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def bare_provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    """A tracer provider nobody has instrumented."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture
def provider(bare_provider: TracerProvider) -> TracerProvider:
    bare_provider.add_span_processor(AttributionSpanProcessor())
    return bare_provider


@pytest.fixture(autouse=True)
def empty_context() -> Iterator[None]:
    token = attach(Context())
    yield
    detach(token)
