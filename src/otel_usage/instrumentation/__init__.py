"""What an application uses: who pays, and usage recorded by hand. Imports nothing of the server."""

from otel_usage.instrumentation.billing import Attribution, attribution
from otel_usage.instrumentation.instrumentor import UsageInstrumentor
from otel_usage.instrumentation.processor import AttributionSpanProcessor
from otel_usage.instrumentation.record import record_usage

__all__ = ["Attribution", "AttributionSpanProcessor", "UsageInstrumentor", "attribution", "record_usage"]
