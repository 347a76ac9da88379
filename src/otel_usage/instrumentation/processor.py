"""The span processor that writes the billing attributes in scope on every span."""

import logging
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from otel_usage.attributes import ACCOUNT_ID, CONTEXT
from otel_usage.instrumentation.billing import billing_attributes

_log = logging.getLogger(__name__)

_PAYER: Final = frozenset({ACCOUNT_ID, CONTEXT})


class AttributionSpanProcessor(SpanProcessor):
    """Marks each span started in an `attribution()` scope with who pays for it.

    Every span is marked, not only those that look like LLM calls. Some instrumentors give a span its
    nature only when it ends (OpenInference's LangChain tracer starts it with a name and nothing else),
    and an LLM span that left the scope, on another thread or in another service, finds its payer on
    the ancestors that did not. `docs/how-to/instrument-an-app.md` says what that costs.

    A span keeps what it already has. Account and context are one answer, to 'who pays?': a span that
    brings either takes neither from the scope. Nothing is ever raised into the application.
    """

    def __init__(self) -> None:
        self.active = True
        """False makes the processor do nothing: the SDK cannot take one back."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Write the attributes in scope where the span starts, else where the code runs."""
        if not self.active:
            return
        try:
            _mark(span, parent_context)
        except Exception:  # noqa: BLE001 - a billing mark is not worth a failed request
            _log.exception("Could not put the billing attributes on a span")


def _mark(span: Span, parent_context: Context | None) -> None:
    billing = billing_attributes(parent_context) or billing_attributes()
    if billing is None:
        return
    present = span.attributes or {}
    kept = _PAYER if not _PAYER.isdisjoint(present) else frozenset()
    missing = {name: value for name, value in billing.items() if name not in present and name not in kept}
    span.set_attributes(missing)
