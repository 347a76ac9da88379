"""Where spans come from: resources and scopes, decoded once for each that differs.

An exporter repeats its resource and its scopes in every request, so what was decoded is remembered.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from otel_usage.model import Permanent, Resource, Scope
from otel_usage.otlp.values import unwrap

_REMEMBERED = 4_096  # of each; they are as large as their senders made them
_Origin = TypeVar("_Origin")


def resources(encoded: pa.BinaryArray) -> Sequence[Resource]:
    """The resources. Raises Permanent if one is malformed."""
    return _each(encoded, _resource)


def scopes(encoded: pa.BinaryArray) -> Sequence[Scope]:
    """The instrumentation scopes. Raises Permanent if one is malformed."""
    return _each(encoded, _scope)


def _each(encoded: pa.BinaryArray, decode: Callable[[bytes], _Origin]) -> Sequence[_Origin]:
    try:
        return [decode(each) for each in encoded.to_pylist()]  # one by one: they are few beside the spans
    except DecodeError as error:
        raise Permanent(f"not an ExportTraceServiceRequest: {error}") from error


@lru_cache(_REMEMBERED)
def _resource(encoded: bytes) -> Resource:
    return Resource({each.key: unwrap(each.value) for each in ResourceMessage.FromString(encoded).attributes})


@lru_cache(_REMEMBERED)
def _scope(encoded: bytes) -> Scope:
    scope = InstrumentationScope.FromString(encoded)
    return Scope(scope.name, scope.version)
