"""The REST API: record a call, list calls, sum them up; and the health of the server."""

from otel_usage.api.routes import app

__all__ = ["app"]
