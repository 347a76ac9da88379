"""Where telemetry comes from: resources and scopes, decoded once for each that differs.

An exporter repeats its resource and its scopes in every request, so what was decoded is remembered.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeVar

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from otel_usage.model import Permanent, Resource, Scope
from otel_usage.otlp.values import unwrap

_REMEMBERED: Final = 4_096  # of each
_SMALL: Final = 4_096  # bytes: larger ones are not remembered, so that senders cannot fill our memory
_Origin = TypeVar("_Origin")


def resources(encoded: pa.BinaryArray) -> Sequence[Resource]:
    """The resources. Raises Permanent if one is malformed."""
    return _each(encoded, _resource, _small_resource)


def scopes(encoded: pa.BinaryArray) -> Sequence[Scope]:
    """The instrumentation scopes. Raises Permanent if one is malformed."""
    return _each(encoded, _scope, _small_scope)


def _each(
    encoded: pa.BinaryArray, decode: Callable[[bytes], _Origin], remembered: Callable[[bytes], _Origin]
) -> Sequence[_Origin]:
    try:
        # One by one: they are few beside the spans.
        return [(remembered if len(each) <= _SMALL else decode)(each) for each in encoded.to_pylist()]
    except DecodeError as error:
        raise Permanent(f"not a Resource or an InstrumentationScope: {error}") from error


def _resource(encoded: bytes) -> Resource:
    told = ((each.key, unwrap(each.value)) for each in ResourceMessage.FromString(encoded).attributes)
    return Resource({key: value for key, value in told if value not in (None, "")})


def _scope(encoded: bytes) -> Scope:
    scope = InstrumentationScope.FromString(encoded)
    return Scope(scope.name, scope.version)


@lru_cache(_REMEMBERED)
def _small_resource(encoded: bytes) -> Resource:
    return _resource(encoded)


@lru_cache(_REMEMBERED)
def _small_scope(encoded: bytes) -> Scope:
    return _scope(encoded)
