"""The two wires of OTLP. Each turns a request into bytes for the one door, and its outcome into an answer."""

from otel_usage.receiver.grpc import grpc_server
from otel_usage.receiver.http import http_app

__all__ = ["grpc_server", "http_app"]
