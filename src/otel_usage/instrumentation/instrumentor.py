"""The instrumentor, for `opentelemetry-instrument` and for a line of code."""

import logging
from collections.abc import Collection
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined] # it opts out of typing
    BaseInstrumentor,
)
from opentelemetry.trace import TracerProvider

from otel_usage.instrumentation.processor import AttributionSpanProcessor

_log = logging.getLogger(__name__)


class UsageInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Makes `attribution()` reach the spans of the current tracer provider.

    `instrument()` adds an `AttributionSpanProcessor` to the global SDK tracer provider, or to the one
    passed as `tracer_provider`. Doing it twice changes nothing; `uninstrument()` makes the processor
    inert. Without an SDK tracer provider it warns, changes nothing, and can be called again later.

    Under `opentelemetry-instrument` it needs no code: the SDK is configured before instrumentors load.
    """

    # BaseInstrumentor is a singleton and runs __init__ at every UsageInstrumentor(): state lives here.
    _processors: ClassVar[WeakKeyDictionary[TracerProvider, AttributionSpanProcessor]] = WeakKeyDictionary()
    _processor: AttributionSpanProcessor | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing: it instruments no library, only OpenTelemetry itself."""
        return ()

    def instrument(self, **kwargs: Any) -> None:  # noqa: ANN401 -- as the base class has it
        """Add the processor, or make it active again. Takes `tracer_provider`."""
        super().instrument(**kwargs)
        # Lest the base class refuse a second try, when there is a provider.
        self._is_instrumented_by_opentelemetry = self._processor is not None

    def _instrument(self, **kwargs: Any) -> None:  # noqa: ANN401
        provider: TracerProvider = kwargs.get("tracer_provider") or trace.get_tracer_provider()
        add_span_processor = getattr(provider, "add_span_processor", None)
        if add_span_processor is None:
            _log.warning(
                "attribution() has no effect yet: there is no OpenTelemetry SDK tracer provider (found %s). "
                "Call UsageInstrumentor().instrument() after trace.set_tracer_provider(...), or run the "
                "application with opentelemetry-instrument and opentelemetry-distro installed",
                type(provider).__name__,
            )
            return
        self._processor = self._processors.get(provider)
        if self._processor is None:
            self._processor = self._processors[provider] = AttributionSpanProcessor()
            add_span_processor(self._processor)
        self._processor.active = True

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ANN401, ARG002
        if self._processor is not None:
            self._processor.active = False
            self._processor = None
