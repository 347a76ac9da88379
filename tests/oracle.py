"""The oracle: decode and extract written a second time, span by span, from the rules in words.

It parses with the generated classes (upb) and walks spans and attributes in plain Python. It shares the
vocabulary with the product (`model`), and nothing else: neither the names of the dialects nor any code.
Slow and plain on purpose; where it and the columns differ, one of them has misread a rule.

Rules: the docstrings of `otel_usage.extract`, `payer`, `usage`, `identity` and `model`;
names: OpenTelemetry's GenAI semantic conventions in their ages.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_usage.attributes import MAX_ID
from otel_usage.model import EARLIEST_NS, MAX_NAME, MAX_TOKENS, TOKEN_COLUMNS

Row = dict[str, Any]
Attributes = Mapping[str, AnyValue]

_INFERENCE: Final = {"chat", "generate_content", "text_completion", "embeddings"}
_OPERATION: Final = ["gen_ai.operation.name"]
_PROVIDER: Final = ["gen_ai.provider.name", "gen_ai.system"]
_INPUT: Final = ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"]
_OUTPUT: Final = ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"]
_COUNTS: Final = {
    "input_tokens": _INPUT,
    "output_tokens": _OUTPUT,
    "cache_read_tokens": ["gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"],
    "cache_write_tokens": [
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
    ],
    "cache_write_1h_tokens": ["anthropic.usage.cache_creation.ephemeral_1h_input_tokens"],
    "reasoning_tokens": ["gen_ai.usage.reasoning.output_tokens"],
    "input_audio_tokens": ["gen_ai.usage.audio.input_tokens"],
    "cache_read_audio_tokens": ["gen_ai.usage.audio.cache_read.input_tokens"],
    "output_audio_tokens": ["gen_ai.usage.audio.output_tokens"],
    "input_image_tokens": ["gen_ai.usage.image.input_tokens"],
    "output_image_tokens": ["gen_ai.usage.image.output_tokens"],
}
_SERVICE_TIER: Final = [
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "anthropic.response.service_tier",
]
_CONTEXTS: Final = {"", "customer", "system"}
_USAGE_TYPES: Final = {"", "text", "embedding", "audio_stt", "audio_tts"}
_EXCLUSIVE_SCOPES: Final = {
    "opentelemetry.instrumentation.botocore.bedrock-runtime",
    "opentelemetry.instrumentation.genai.bedrock",
}
_UNIQUE_RESPONSE_ID: Final = 20
_NOTHING: Final = (AnyValue(), AnyValue(string_value=""))


@dataclass(slots=True)
class Verdict:
    """What one request comes to."""

    received: int = 0
    ignored: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Span id in hex, and the field at fault (the first of possibly several)."""
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A span that is a call or a roll-up, and what it shares with others."""

    span: Span
    found: Attributes
    resource: Attributes
    scope: tuple[str, str]
    role: str


class _Rejected(Exception):
    def __init__(self, field_at_fault: str) -> None:
        super().__init__(field_at_fault)
        self.field = field_at_fault


def parse(body: bytes) -> ExportTraceServiceRequest:
    """The request. Raises google.protobuf.message.DecodeError if it is none."""
    return ExportTraceServiceRequest.FromString(body)


def verdict(
    request: ExportTraceServiceRequest, *, index: int, tenant: str, now_ns: int, max_clock_skew_ns: int
) -> Verdict:
    """The rows of one request, in wire order, and what became of its other spans."""
    result = Verdict()
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            scope = (scope_spans.scope.name, scope_spans.scope.version)
            for span in scope_spans.spans:
                result.received += 1
                found = _attributes(span.attributes)
                role = _role(found)
                if role is None:
                    result.ignored += 1
                    continue
                candidate = _Candidate(span, found, resource, scope, role)
                try:
                    row = _row(candidate, tenant, now_ns + max_clock_skew_ns)
                except _Rejected as rejection:
                    result.rejected.append((span.span_id.hex(), rejection.field))
                else:
                    result.rows.append({"request": index, **row})
    return result


def call_id(tenant: str, kind: str, key: bytes) -> bytes:
    """The identity of a call as `otel_usage.identity` describes it, with Python's integers."""
    lanes = [a + b for a, b in zip(_sums(tenant.encode(), "tenant"), _sums(key, kind), strict=True)]
    return b"".join((lane % 2**64 >> 32).to_bytes(4, "little") for lane in lanes)


def _sums(text: bytes, place: str) -> list[int]:
    padded = text + b"\0" * (-len(text) % 4)
    words = [len(text) + 1, *(int.from_bytes(padded[i : i + 4], "little") for i in range(0, len(padded), 4))]
    words.insert(0, 1)  # what is added whatever the text
    stream = hashlib.shake_256(f"otel-usage call id: {place}".encode()).digest(len(words) * 32)
    factors = [int.from_bytes(stream[i : i + 8], "little") for i in range(0, len(stream), 8)]
    return [sum(word * factors[4 * i + lane] for i, word in enumerate(words)) for lane in range(4)]


def _attributes(entries: Iterable[KeyValue]) -> Attributes:
    """Of a name that is there twice, the last counts. What has no value, or empty text, is not there."""
    return {entry.key: entry.value for entry in entries if entry.value not in _NOTHING}


def _role(found: Attributes) -> str | None:
    """`inference`, `rollup`, or None: not ours."""
    operation = _text(found, _OPERATION)
    used = any(name in found for name in [*_INPUT, *_OUTPUT])
    provided = any(name in found for name in _PROVIDER)
    if not operation:
        return "inference" if provided and used else None
    if operation in _INFERENCE:
        return "inference"
    return "rollup" if used else None


def _row(candidate: _Candidate, tenant: str, latest_ns: int) -> Row:
    span, found, resource, scope = candidate.span, candidate.found, candidate.resource, candidate.scope
    if len(span.trace_id) != 16 or not any(span.trace_id):
        raise _Rejected("trace_id")
    if len(span.span_id) != 8 or not any(span.span_id):
        raise _Rejected("span_id")
    operation = _name(_text(found, _OPERATION))
    response_id = _text(found, ["gen_ai.response.id"])
    started_at, duration_ns = _times(span, latest_ns)
    embedding = operation == "embeddings"
    payer = _payer(found, resource, "embedding" if embedding else "text")
    usage = _usage(found, scope[0], embedding=embedding)
    return {
        "tenant": tenant,
        "started_at": started_at,
        "call_id": _identity(span, tenant, candidate.role, response_id),
        "version": _version(span.span_id, candidate.role, usage),
        "is_deleted": 0,
        "role": candidate.role,
        "duplicate_of": None,
        "signal": "span",
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "response_id": _name(response_id),
        "duration_ns": duration_ns,
        "operation": operation,
        "provider": _name(_text(found, _PROVIDER)),
        "request_model": _name(_text(found, ["gen_ai.request.model"])),
        "response_model": _name(_text(found, ["gen_ai.response.model"])),
        "service_tier": _name(_text(found, _SERVICE_TIER)),
        "service_name": _name(_text(resource, ["service.name"])),
        "scope_name": _name(scope[0]),
        "scope_version": _name(scope[1]),
        "error_type": _error(span, found),
        **payer,
        **usage,
    }


def _times(span: Span, latest_ns: int) -> tuple[int, int]:
    start = span.start_time_unix_nano or span.end_time_unix_nano
    if not EARLIEST_NS <= start <= latest_ns:
        raise _Rejected("start_time_unix_nano")
    return start, max(span.end_time_unix_nano - start, 0)


def _identity(span: Span, tenant: str, role: str, response_id: str) -> bytes:
    if role == "inference" and _UNIQUE_RESPONSE_ID <= len(response_id) <= MAX_ID:
        return call_id(tenant, "response", response_id.encode())
    return call_id(tenant, "span", span.trace_id + span.span_id)


def _version(span_id: bytes, role: str, usage: Row) -> int:
    rank = 8 if role == "inference" else 1
    detail = sum(usage[name] is not None for name in TOKEN_COLUMNS)
    return rank << 48 | detail << 40 | int.from_bytes(span_id, "big") * 0x9E3779B97F4A7C15 % 2**64 >> 24


def _error(span: Span, found: Attributes) -> str:
    told = _name(_text(found, ["error.type"]))
    return told or ("_OTHER" if span.status.code == Status.STATUS_CODE_ERROR else "")


def _payer(found: Attributes, resource: Attributes, usage_type: str) -> Row:
    for name in ("account.id", "transaction.id", "context", "usage_type"):
        _stated(found, name)
    level = next(
        (
            (name, attributes)
            for name, attributes in (("span", found), ("resource", resource))
            if _stated(attributes, "account.id") or _stated(attributes, "context")
        ),
        ("unattributed", found),
    )
    attribution, attributes = level
    account_id, context = _stated(attributes, "account.id"), _stated(attributes, "context")
    if not account_id and context != "system":
        attribution = "unattributed"
    return {
        "account_id": account_id,
        "context": context or ("customer" if account_id else "system"),
        "attribution": attribution,
        "transaction_id": _stated(found, "transaction.id") or _stated(resource, "transaction.id"),
        "usage_type": _stated(found, "usage_type") or _stated(resource, "usage_type") or usage_type,
    }


def _stated(attributes: Attributes, name: str) -> str:
    """A billing attribute of a span or a resource. Raises _Rejected if it is none."""
    attribute = f"otel_usage.{name}"
    text = _spelled(attributes.get(attribute))
    known = {"context": _CONTEXTS, "usage_type": _USAGE_TYPES}.get(name)
    if text is None or len(text) > MAX_ID or (known is not None and text not in known):
        raise _Rejected(attribute)
    return text


def _usage(found: Attributes, scope_name: str, *, embedding: bool) -> Row:
    counts = {name: _count(found, aliases) for name, aliases in _COUNTS.items()}
    cached = (counts["cache_read_tokens"] or 0) + (counts["cache_write_tokens"] or 0)
    told = counts["input_tokens"]
    if scope_name in _EXCLUSIVE_SCOPES:
        convention = ("exclusive", "emitter")
    elif told is not None and cached > told:
        convention = ("exclusive", "arithmetic")
    else:
        convention = ("inclusive", "specification")
    if told is not None and convention[0] == "exclusive":
        counts["input_tokens"] = told + cached
    missing = told is None or (counts["output_tokens"] is None and not embedding)
    return {
        "usage_status": "missing" if missing else "reported",
        "usage_convention": convention[0],
        "convention_source": convention[1],
        **counts,
    }


def _count(found: Attributes, aliases: Sequence[str]) -> int | None:
    """The first of the aliases that is there; None: not reported. Raises _Rejected if it is no count."""
    name = next((alias for alias in aliases if alias in found), None)
    if name is None:
        return None
    value = found[name]
    count: float
    match value.WhichOneof("value"):
        case None:
            return None
        case "int_value":
            count = value.int_value
        case "double_value":
            if value.double_value != value.double_value:  # NaN
                return None
            count = value.double_value
        case "string_value" if value.string_value and set(value.string_value) <= set("0123456789"):
            count = int(value.string_value)
        case _:
            raise _Rejected(name)
    if not 0 <= count <= MAX_TOKENS or count != int(count):
        raise _Rejected(name)
    return int(count)


def _text(found: Attributes, aliases: Sequence[str]) -> str:
    """The first of the aliases that is there, as text; empty if none is or it is none."""
    return _spelled(next((found[alias] for alias in aliases if alias in found), None)) or ""


def _spelled(value: AnyValue | None) -> str | None:
    """Text, or a whole number in digits; empty: no value; None: something else."""
    match value.WhichOneof("value") if value is not None else None:
        case None:
            return ""
        case "string_value":
            assert value is not None
            return value.string_value
        case "int_value":
            assert value is not None
            return str(value.int_value)
        case _:
            return None


def _name(text: str) -> str:
    return text if len(text) <= MAX_NAME else text[:MAX_NAME] + "…"
