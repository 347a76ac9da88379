"""The processor: which spans it marks, what it leaves alone."""

import threading
from collections.abc import Mapping
from typing import cast

import pytest
from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_usage import attribution
from otel_usage.instrumentation import AttributionSpanProcessor


def marks(exporter: InMemorySpanExporter) -> dict[str, dict[str, object]]:
    """Billing attributes of the exported spans, by span name."""
    return {span.name: _billing(span.attributes or {}) for span in exporter.get_finished_spans()}


def _billing(attributes: Mapping[str, object]) -> dict[str, object]:
    prefix = "otel_usage."
    return {name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)}


ACME = {"account.id": "acme", "context": "customer"}


def test_a_span_in_scope_carries_every_billing_attribute(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    with attribution(account_id="acme", transaction_id="t1", usage_type="embedding"):
        provider.get_tracer("t").start_span("call").end()
    assert marks(exporter) == {
        "call": {**ACME, "transaction.id": "t1", "usage_type": "embedding"},
    }


def test_a_span_outside_any_scope_carries_none(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    provider.get_tracer("t").start_span("call").end()
    assert marks(exporter) == {"call": {}}


def test_every_span_in_scope_is_marked_whatever_it_is(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("t")
    with attribution(account_id="acme"), tracer.start_as_current_span("request"):
        tracer.start_span("named later what it is").end()
    assert marks(exporter) == {"request": ACME, "named later what it is": ACME}


def test_a_span_keeps_what_it_already_has(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    with attribution(account_id="acme", transaction_id="t1"):
        tracer = provider.get_tracer("t")
        tracer.start_span("mine", attributes={"otel_usage.transaction.id": "own"}).end()
    assert marks(exporter) == {"mine": {**ACME, "transaction.id": "own"}}


@pytest.mark.parametrize(
    ("own", "scope"),
    [
        ({"otel_usage.account.id": "globex"}, {"context": "system"}),
        ({"otel_usage.context": "system"}, {"account_id": "acme"}),
    ],
)
def test_a_span_that_says_who_pays_takes_neither_half_of_the_answer_from_the_scope(
    provider: TracerProvider, exporter: InMemorySpanExporter, own: dict[str, str], scope: dict[str, str]
) -> None:
    with attribution(**scope):  # type: ignore[arg-type]
        provider.get_tracer("t").start_span("call", attributes=own).end()
    assert marks(exporter) == {"call": _billing(own)}


def test_the_context_a_span_is_started_in_decides_before_the_current_one(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    with attribution(account_id="acme"):
        request = get_current()
    with attribution(context="system"):
        provider.get_tracer("t").start_span("call", context=request).end()
    assert marks(exporter) == {"call": ACME}


def test_a_span_started_in_an_empty_context_belongs_to_the_scope_its_code_runs_in(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    with attribution(account_id="acme"):
        provider.get_tracer("t").start_span("call", context=Context()).end()
    assert marks(exporter) == {"call": ACME}


def test_an_instrumentor_that_carries_the_parent_to_another_thread_carries_the_scope(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("t")
    with attribution(account_id="acme"):
        parent = trace.set_span_in_context(tracer.start_span("parent"))
    thread = threading.Thread(target=lambda: tracer.start_span("child", context=parent).end())
    thread.start()
    thread.join()
    assert marks(exporter) == {"child": ACME}


def test_threads_do_not_see_each_others_scopes(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    together = threading.Barrier(8)

    def work(account: str) -> None:
        with attribution(account_id=account):
            together.wait()
            provider.get_tracer("t").start_span(account).end()

    threads = [threading.Thread(target=work, args=(f"account-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert marks(exporter) == {
        f"account-{n}": {"account.id": f"account-{n}", "context": "customer"} for n in range(8)
    }


def test_an_inactive_processor_does_nothing(
    bare_provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    processor = AttributionSpanProcessor()
    processor.active = False
    bare_provider.add_span_processor(processor)
    with attribution(account_id="acme"):
        bare_provider.get_tracer("t").start_span("call").end()
    assert marks(exporter) == {"call": {}}


class BrokenSpan:
    @property
    def attributes(self) -> Mapping[str, object]:
        raise RuntimeError("broken")


def test_a_fault_is_logged_and_never_raised_into_the_application(caplog: pytest.LogCaptureFixture) -> None:
    with attribution(account_id="acme"):
        AttributionSpanProcessor().on_start(cast("Span", BrokenSpan()))
    assert "Could not put the billing attributes on a span" in caplog.text
