"""The meter for LLM spend. An application needs these names; the server is in the modules beside them."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["UsageInstrumentor", "__version__", "attribution", "record_usage"]

if TYPE_CHECKING:
    from otel_usage.instrumentation import UsageInstrumentor, attribution, record_usage
else:
    # Importing a module of the server runs this file: it must not bring in OpenTelemetry.
    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from otel_usage import instrumentation  # noqa: PLC0415 - when an application asks for it

        return getattr(instrumentation, name)
