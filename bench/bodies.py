"""Request bodies: few are built, every request sent is distinct.

An LLM span has 15 attributes and takes about 640 bytes, an HTTP span 8 and about 360. Trace, span and
response ids end in a marker of fixed length; `stamp` replaces it by the number of the request.
"""

import random
import time
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

_BINARY_MARKER: Final = b"\xf7\x5a\xc3\x19"
_TEXT_MARKER: Final = b"@marker@"
_SPREAD_NS: Final = 60_000_000_000
_ACCOUNTS: Final = 200
_MODELS: Final = (
    ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ("openai", "gpt-4.1", "gpt-4.1-2025-04-14"),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    ("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001"),
    ("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash"),
)


def body(spans: int, *, llm_share: float = 1.0, seed: int = 0) -> bytes:
    """One request of `spans` spans of one service, of which a share are LLM calls of this minute."""
    rng = random.Random(seed)
    now = time.time_ns()
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend(
        _attributes({"service.name": "shop-assistant", "service.version": "4.2.1", "host.name": "web-7"})
    )
    llm = resource.scope_spans.add()
    llm.scope.name, llm.scope.version = "opentelemetry.instrumentation.genai.openai", "1.3b0"
    http = resource.scope_spans.add()
    http.scope.name, http.scope.version = "opentelemetry.instrumentation.httpx", "0.66b2"
    for _ in range(spans):
        if rng.random() < llm_share:
            _llm_span(llm, rng, now)
        else:
            _http_span(http, rng, now)
    return request.SerializeToString()


def stamp(template: bytes, number: int) -> bytes:
    """The body as request `number`: with trace, span and response ids no other number has."""
    binary = template.replace(_BINARY_MARKER, number.to_bytes(4, "big"))
    return binary.replace(_TEXT_MARKER, b"%08x" % number)


def _llm_span(scope: ScopeSpans, rng: random.Random, now: int) -> None:
    provider, asked, answered = rng.choice(_MODELS)
    input_tokens = rng.randrange(50, 20_000)
    span = _span(scope, rng, now, f"chat {asked}", Span.SPAN_KIND_CLIENT)
    span.attributes.extend(
        _attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": provider,
                "gen_ai.request.model": asked,
                "gen_ai.request.max_tokens": 4096,
                "gen_ai.request.temperature": 0.2,
                "gen_ai.response.model": answered,
                "gen_ai.response.id": f"chatcmpl-{rng.randbytes(4).hex()}{_TEXT_MARKER.decode()}",
                "gen_ai.response.finish_reasons": ["stop"],
                "gen_ai.usage.input_tokens": input_tokens,
                "gen_ai.usage.output_tokens": rng.randrange(1, 4_000),
                "gen_ai.usage.cache_read.input_tokens": rng.randrange(input_tokens // 2),
                "server.address": "llm.example",
                "server.port": 443,
                "otel_usage.account.id": f"acct_{rng.randrange(_ACCOUNTS):05d}",
                "otel_usage.transaction.id": f"txn_{rng.randbytes(4).hex()}",
            }
        )
    )


def _http_span(scope: ScopeSpans, rng: random.Random, now: int) -> None:
    span = _span(scope, rng, now, "GET", Span.SPAN_KIND_CLIENT)
    span.attributes.extend(
        _attributes(
            {
                "http.request.method": "GET",
                "url.full": f"https://catalog.example/v1/items/{rng.randrange(10**9)}?expand=price",
                "url.scheme": "https",
                "server.address": "catalog.example",
                "server.port": 443,
                "network.protocol.version": "1.1",
                "http.response.status_code": 200,
                "user_agent.original": "python-httpx/0.28.1",
            }
        )
    )


def _span(scope: ScopeSpans, rng: random.Random, now: int, name: str, kind: Span.SpanKind.ValueType) -> Span:
    start = now - rng.randrange(_SPREAD_NS)
    return scope.spans.add(
        trace_id=rng.randbytes(12) + _BINARY_MARKER,
        span_id=rng.randbytes(4) + _BINARY_MARKER,
        parent_span_id=rng.randbytes(8),
        name=name,
        kind=kind,
        start_time_unix_nano=start,
        end_time_unix_nano=start + rng.randrange(100_000_000, 9_000_000_000),
    )


def _attributes(values: dict[str, str | float | list[str]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in values.items()]


def _any(value: str | float | list[str]) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=item) for item in value]))
