"""The oracle: decode and extract written a second time, span by span, from the rules in words.

It parses with the generated classes (upb) and walks spans and attributes in plain Python. It shares the
vocabulary with the product (`model`), and nothing else: its names of the dialects are its own
(`oracle_tables`). Slow and plain on purpose; where it and the columns differ, one of them has misread a rule.

Rules: the docstrings of `otel_usage.extract`, `observe`, `payer`, `served`, `usage`, `quantities`,
`leftovers`, `identity` and `model`. It reads no documents inside attributes: it is given requests without
them (`without_documents`).
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_usage.attributes import MAX_ID
from otel_usage.model import EARLIEST_NS, MAX_NAME, MAX_TOKENS, QUANTITY_COLUMNS, TOKEN_COLUMNS
from tests import oracle_tables as tables

Row = dict[str, Any]
Attributes = Mapping[str, AnyValue]

_CONTEXTS: Final = {"", "customer", "system"}
_USAGE_TYPES: Final = {"", "text", "embedding", "audio_stt", "audio_tts"}
_BILLING: Final = ("account.id", "transaction.id", "context", "usage_type")
_BY_OPERATION: Final = {
    "embeddings": "embedding",
    "speech_to_text": "audio_stt",
    "text_to_speech": "audio_tts",
}
_WEEK: Final = 604_800
_UNIQUE_RESPONSE_ID: Final = 20
_STATUSES: Final = ["missing", "estimated", "reported"]
_KEPT_ASIDE: Final = 64
_NOTHING: Final = (AnyValue(), AnyValue(string_value=""))
_KNOWN: Final = {
    *(name for aliases in tables.COUNTS.values() for name in aliases),
    *(name for aliases in tables.QUANTITIES.values() for name in aliases),
    *tables.MARKS,
    *tables.DOCUMENTS,
}


@dataclass(slots=True)
class Verdict:
    """What one request comes to."""

    received: int = 0
    ignored: int = 0
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Span id in hex, and the field at fault (the first of possibly several)."""
    rows: list[Row] = field(default_factory=list)
    claims: list[Row] = field(default_factory=list)
    emitters: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """By name: received, ignored, rejected."""

    def count(self, emitter: str, *, ignored: int = 0, rejected: int = 0) -> None:
        """One more span of an emitter."""
        before = self.emitters.get(emitter, (0, 0, 0))
        self.emitters[emitter] = (before[0] + 1, before[1] + ignored, before[2] + rejected)
        self.received += 1
        self.ignored += ignored


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A span that is a call or a roll-up, and what it shares with others."""

    span: Span
    found: Attributes
    resource: Attributes
    scope: tuple[str, str]
    operation: str
    role: str


class _Rejected(Exception):
    def __init__(self, field_at_fault: str) -> None:
        super().__init__(field_at_fault)
        self.field = field_at_fault


def parse(body: bytes) -> ExportTraceServiceRequest:
    """The request. Raises google.protobuf.message.DecodeError if it is none."""
    return ExportTraceServiceRequest.FromString(body)


def without_documents(body: bytes) -> bytes:
    """The request without the attributes that hold documents."""
    request = parse(body)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                kept = [each for each in span.attributes if each.key not in tables.DOCUMENTS]
                del span.attributes[:]
                span.attributes.extend(kept)
    return request.SerializeToString()


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
                found = _valid_for(scope[0], _attributes(span.attributes))
                operation, role = _what(span, found)
                if role is None:
                    result.claims += _claims(span, found, tenant)
                    result.count(_name(scope[0]), ignored=1)
                    continue
                candidate = _Candidate(span, found, resource, scope, operation, role)
                try:
                    row = _row(candidate, tenant, now_ns + max_clock_skew_ns)
                except _Rejected as rejection:
                    result.rejected.append((span.span_id.hex(), rejection.field))
                    result.count(_name(scope[0]), rejected=1)
                else:
                    result.rows.append({"request": index, **row})
                    result.count(_name(scope[0]))
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
    found: dict[str, AnyValue] = {}
    for entry in entries:
        if entry.value not in _NOTHING:
            found.pop(entry.key, None)  # so that it stands where the last one does
            found[entry.key] = entry.value
    return found


def _valid_for(scope_name: str, found: Attributes) -> Attributes:
    if fnmatchcase(scope_name, "com.anthropic.claude_code.*"):
        return found
    return {name: value for name, value in found.items() if name not in tables.CLAUDE_CODE_NAMES}


def _what(span: Span, found: Attributes) -> tuple[str, str | None]:
    """The operation, and the role: `inference`, `rollup`, or None, not ours."""
    told = [tables.COUNTS["input_tokens"], tables.COUNTS["output_tokens"], tables.AUDIO_SECONDS]
    used = any(_has(found, names) for names in (*told, *tables.QUANTITIES.values()))
    operation = _operation(span, found, used=used)
    if operation in tables.CALLS or (used and operation in tables.CALLS_IF_USED):
        return operation, "inference"
    return operation, "rollup" if used else None


def _operation(span: Span, found: Attributes, *, used: bool) -> str:
    said = [name for name in tables.KINDS if name in found]
    for name in said:
        known = tables.KINDS[name].get(_text(found, [name]).lower())
        if known is not None:
            return known
    if said:
        return _name(_text(found, said))
    provided = _has(found, tables.PROVIDER)
    by_name = tables.SPAN_NAMES.get(span.name.lower())
    if by_name is not None and (used or provided):
        return by_name
    named = provided or _has(found, [*tables.REQUEST_MODEL, *tables.RESPONSE_MODEL])
    return "chat" if used and named else ""


def _row(candidate: _Candidate, tenant: str, latest_ns: int) -> Row:
    span, found, resource, scope = candidate.span, candidate.found, candidate.resource, candidate.scope
    if len(span.trace_id) != 16 or not any(span.trace_id):
        raise _Rejected("trace_id")
    if len(span.span_id) != 8 or not any(span.span_id):
        raise _Rejected("span_id")
    response_id = _text(found, tables.RESPONSE_ID)
    started_at, duration_ns = _times(span, latest_ns)
    embedding = candidate.operation == "embeddings"
    payer = _payer(found, resource, _BY_OPERATION.get(candidate.operation, "text"))
    usage = _usage(candidate, payer["usage_type"], embedding=embedding)
    return {
        "tenant": tenant,
        "started_at": started_at,
        "call_id": _identity(span, tenant, candidate.role, response_id),
        "version": _version(candidate, usage, payer),
        "is_deleted": 0,
        "role": candidate.role,
        "duplicate_of": None,
        "signal": "span",
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": _parent(span),
        "response_id": _name(response_id),
        "duration_ns": duration_ns,
        "operation": candidate.operation,
        "service_name": _name(_text(resource, ["service.name"])),
        "scope_name": _name(scope[0]),
        "scope_version": _name(scope[1]),
        "writer": "",
        "other_usage": _aside(found),
        **_service(candidate, answered=bool(response_id) or usage["usage_status"] != "missing"),
        **payer,
        **usage,
    }


def _parent(span: Span) -> bytes:
    return span.parent_span_id if len(span.parent_span_id) == 8 else bytes(8)


def _times(span: Span, latest_ns: int) -> tuple[int, int]:
    start = span.start_time_unix_nano or span.end_time_unix_nano
    if not EARLIEST_NS <= start <= latest_ns:
        raise _Rejected("start_time_unix_nano")
    return start, max(span.end_time_unix_nano - start, 0)


def _identity(span: Span, tenant: str, role: str, response_id: str) -> bytes:
    if role == "inference" and _UNIQUE_RESPONSE_ID <= len(response_id) <= MAX_ID:
        return call_id(tenant, "response", response_id.encode())
    return call_id(tenant, "span", span.trace_id + span.span_id)


def _version(candidate: _Candidate, usage: Row, payer: Row) -> int:
    scope = candidate.scope[0]
    rank = next(rank for pattern, rank in tables.RANKS if fnmatchcase(scope, pattern))
    if candidate.role == "rollup":
        rank = 1
    detail = sum(usage[name] is not None for name in (*TOKEN_COLUMNS, *QUANTITY_COLUMNS))
    named = payer["attribution"] != "unattributed" or _named(candidate.found) or _named(candidate.resource)
    tie = int.from_bytes(candidate.span.span_id, "big") * 0x9E3779B97F4A7C15 % 2**64 >> 25
    status = _STATUSES.index(usage["usage_status"])
    return (status << 50 | detail << 44 | rank << 40 | named << 39 | tie) << 12


# Who pays


def _named(attributes: Attributes) -> bool:
    return any(_spelled(attributes.get(f"otel_usage.{name}")) for name in ("account.id", "context"))


def _payer(found: Attributes, resource: Attributes, usage_type: str) -> Row:
    for name in _BILLING:
        _stated(found, name)
    attribution, attributes = next(
        ((name, each) for name, each in (("span", found), ("resource", resource)) if _names_payer(each)),
        ("unattributed", found),
    )
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


def _names_payer(attributes: Attributes) -> bool:
    return bool(_stated(attributes, "account.id") or _stated(attributes, "context"))


def _stated(attributes: Attributes, name: str) -> str:
    """A billing attribute of a span or a resource. Raises _Rejected if it is none."""
    attribute = f"otel_usage.{name}"
    text = _spelled(attributes.get(attribute))
    known = {"context": _CONTEXTS, "usage_type": _USAGE_TYPES}.get(name)
    if text is None or len(text) > MAX_ID or (known is not None and text not in known):
        raise _Rejected(attribute)
    return text


def _claims(span: Span, found: Attributes, tenant: str) -> list[Row]:
    """What the span claims: nothing, or one row."""
    if len(span.trace_id) != 16 or not any(span.trace_id) or len(span.span_id) != 8 or not any(span.span_id):
        return []
    try:
        account_id, transaction_id, context, _ = (_stated(found, name) for name in _BILLING)
    except _Rejected:
        return []
    if not (account_id or transaction_id or context):
        return []
    return [
        {
            "tenant": tenant,
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_span_id": _parent(span),
            "started_at": min(span.start_time_unix_nano or span.end_time_unix_nano, 2**63 - 1),
            "account_id": account_id,
            "context": context,
            "transaction_id": transaction_id,
        }
    ]


# Who answered


def _service(candidate: _Candidate, *, answered: bool) -> Row:
    found = candidate.found
    told = _name(_text(found, ["error.type"]))
    error = told or ("_OTHER" if candidate.span.status.code == Status.STATUS_CODE_ERROR else "")
    asked, model = (_name(_text(found, names)) for names in (tables.REQUEST_MODEL, tables.RESPONSE_MODEL))
    if error and not answered:
        asked, model = asked or model, ""
    by_host, region = _host(_name(_text(found, tables.HOST)))
    implied = next((name for pattern, name in tables.IMPLIED if fnmatchcase(candidate.scope[0], pattern)), "")
    tier = _name(_text(found, tables.SERVICE_TIER))
    given_away = _given_away(candidate.scope[0], _name(_text(found, tables.REQUEST_MODEL)))
    return {
        "provider": by_host or given_away or _provider(_name(_text(found, tables.PROVIDER))) or implied,
        "region": region or _name(_text(found, tables.REGION)),
        "request_model": asked,
        "response_model": model,
        "service_tier": "standard" if tier == "normal" else tier,
        "error_type": error,
    }


def _given_away(scope: str, model: str) -> str:
    if scope != "com.anthropic.claude_code.tracing":
        return ""
    if "anthropic.claude" in model or model.startswith("arn:aws"):
        return "aws.bedrock"
    return "gcp.vertex_ai" if model.startswith("claude") and "@" in model else ""


def _host(text: str) -> tuple[str, str]:
    """Provider and region by a host name or a URL."""
    name = re.sub(r"^[a-zA-Z0-9+.-]+://", "", text.strip())
    name = re.split(r"[/:?#]", re.sub(r"^[^/@]*@", "", name))[0].lower().rstrip(".")
    if name in tables.REGIONAL_HOSTS:
        return tables.REGIONAL_HOSTS[name]
    return next(
        (provider for host, provider in tables.HOSTS.items() if f".{name}".endswith(f".{host}")), ""
    ), ""


def _provider(text: str) -> str:
    name = text.strip().lower()
    if name in tables.NO_PROVIDERS:
        return ""
    while name:
        if name in tables.PROVIDERS:
            return tables.PROVIDERS[name]
        name = name.rpartition(".")[0]
    return text


# How much


def _usage(candidate: _Candidate, usage_type: str, *, embedding: bool) -> Row:
    found = candidate.found
    counts = {name: _count(found, aliases) for name, aliases in tables.COUNTS.items()}
    lacks, source = _convention(candidate, counts)
    for whole, parts in (
        ("input_tokens", {"read": "cache_read_tokens", "write": "cache_write_tokens"}),
        ("output_tokens", {"reasoning": "reasoning_tokens"}),
    ):
        told = counts[whole]
        if told is not None:
            counts[whole] = told + sum(counts[name] or 0 for part, name in parts.items() if part in lacks)
    quantities = _quantities(candidate, usage_type)
    if not embedding and not any(counts.values()):
        counts = dict.fromkeys(counts)
        quantities = quantities if any(quantities.values()) else dict.fromkeys(quantities)
    missing = counts["input_tokens"] is None or (counts["output_tokens"] is None and not embedding)
    by_something_else = usage_type.startswith("audio_") or candidate.operation in (
        *("rerank", "speech_to_text", "text_to_speech"),
    )
    enough = by_something_else and any(each is not None for each in quantities.values())
    enough |= bool(quantities["output_images"])
    streams = [found[name] for name in ("gen_ai.is_streaming", "llm.is_streaming") if name in found]
    made_up = (candidate.role == "inference" and not embedding) and (
        (
            candidate.scope[0] == "openlit.instrumentation.openai"
            and "gen_ai.provider.name" in found
            and "gen_ai.usage.cache_read.input_tokens" not in found
        )
        or (
            candidate.scope[0] == "opentelemetry.instrumentation.anthropic"
            and any(value.SerializeToString() != b"\x10\x00" for value in streams)
        )
    )
    return {
        "usage_status": ("reported" if enough else "missing")
        if missing
        else ("estimated" if made_up else "reported"),
        "usage_convention": _convention_name(lacks),
        "convention_source": source,
        **counts,
        **quantities,
    }


def _quantities(candidate: _Candidate, usage_type: str) -> dict[str, int | None]:
    found = candidate.found
    told = {name: _count(found, aliases) for name, aliases in tables.QUANTITIES.items()}
    by_operation = _BY_OPERATION.get(candidate.operation)
    said = usage_type if usage_type in {"audio_stt", "audio_tts"} else by_operation
    column = {"audio_stt": "input_audio_ns", "audio_tts": "output_audio_ns"}.get(said or "")
    if column is None and candidate.role == "rollup":
        return dict.fromkeys(QUANTITY_COLUMNS) | told
    audio = _audio_ns(found)
    if column is None and audio is not None:
        raise _Rejected(tables.AUDIO_SECONDS[0])
    return dict.fromkeys(QUANTITY_COLUMNS) | told | ({column: audio} if column else {})


def _audio_ns(found: Attributes) -> int | None:
    """The audio in nanoseconds; None: not reported. Raises _Rejected if it is no duration."""
    (name,) = tables.AUDIO_SECONDS
    value = found.get(name, AnyValue())
    match value.WhichOneof("value"):
        case None:
            return None
        case "int_value":
            seconds = Fraction(value.int_value)
        case "double_value" if math.isnan(value.double_value):
            return None
        case "double_value" if math.isfinite(value.double_value):
            seconds = Fraction(repr(value.double_value))
        case "string_value" if re.fullmatch(r"[0-9]{1,9}([.][0-9]{1,30})?", value.string_value):
            seconds = Fraction(value.string_value)
        case _:
            raise _Rejected(name)
    if not 0 <= seconds <= _WEEK:
        raise _Rejected(name)
    return round(seconds * 10**9)


def _convention(candidate: _Candidate, counts: Mapping[str, int | None]) -> tuple[set[str], str]:
    """What input and output lack, and how that is known."""
    provider = _name(_text(candidate.found, tables.PROVIDER)).lower()
    for pattern, lacks, conditions in tables.CONVENTIONS:
        if fnmatchcase(candidate.scope[0], pattern) and _holds(conditions, candidate, provider):
            return set(lacks.split()), "emitter"
    proven = _proven(candidate.found, counts)
    return proven, "arithmetic" if proven else "specification"


def _holds(conditions: Mapping[str, Any], candidate: _Candidate, provider: str) -> bool:
    version = re.match(r"\s*[vV]?(\d+(?:\.\d+)*)", candidate.scope[1])
    numbers = tuple(int(number) for number in version[1].split(".")) if version else None
    judged = {
        "providers": any(fnmatchcase(provider, pattern) for pattern in conditions.get("providers", [])),
        "has": conditions.get("has") in candidate.found,
        "lacks": conditions.get("lacks") not in candidate.found,
        "since": numbers is not None and numbers >= conditions.get("since", ()),
        "until": numbers is not None and numbers < conditions.get("until", ()),
    }
    return all(judged[name] for name in conditions)


def _proven(found: Attributes, counts: Mapping[str, int | None]) -> set[str]:
    """What the numbers prove to be lacking."""
    told, answer = counts["input_tokens"], counts["output_tokens"]
    cached = (counts["cache_read_tokens"] or 0) + (counts["cache_write_tokens"] or 0)
    reasoning = counts["reasoning_tokens"] or 0
    cache, thoughts = told is not None and cached > told, answer is not None and reasoning > answer
    if told is not None and answer is not None and cached != reasoning:
        rest = _total(found) - told - answer
        cache |= rest > 0 and cached > 0 and rest in {cached, cached + reasoning}
        thoughts |= rest > 0 and reasoning > 0 and rest in {reasoning, cached + reasoning}
    return ({"read", "write"} if cache else set()) | ({"reasoning"} if thoughts else set())


def _total(found: Attributes) -> int:
    """The total that is reported; 0 if none is, or it is no count."""
    try:
        return _count(found, tables.TOTALS) or 0
    except _Rejected:
        return 0


def _convention_name(lacks: set[str]) -> str:
    if "read" in lacks:
        return "excludes_cache_and_reasoning" if "reasoning" in lacks else "excludes_cache"
    if "reasoning" in lacks:
        return "excludes_reasoning"
    return "excludes_cache_write" if "write" in lacks else "inclusive"


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


def _aside(found: Attributes) -> str:
    """What is told of usage and cost that no count is read from, as a JSON object; empty if nothing is."""
    names = [name for name in found if name.startswith(tables.ASIDE) and name not in _KNOWN]
    told = {name: _plain(found[name]) for name in names[:_KEPT_ASIDE]}
    kept = {name: value for name, value in told.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else ""


def _plain(value: AnyValue) -> str | float | None:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value[:MAX_NAME]
        case "bool_value" | "int_value" as kind:
            number: int = getattr(value, kind)
            return number
        case "double_value" if math.isfinite(value.double_value):
            return value.double_value
        case _:
            return None


# Texts


def _has(found: Attributes, aliases: Sequence[str]) -> bool:
    return any(alias in found for alias in aliases)


def _text(found: Attributes, aliases: Sequence[str]) -> str:
    """The first of the aliases that is there, as text; empty if none is or it is none."""
    return _spelled(next((found[alias] for alias in aliases if alias in found), None)) or ""


def _spelled(value: AnyValue | None) -> str | None:
    """Text, or a whole number in digits; empty: no value; None: something else."""
    if value is None:
        return ""
    match value.WhichOneof("value"):
        case None:
            return ""
        case "string_value":
            return value.string_value
        case "int_value":
            return str(value.int_value)
        case _:
            return None


def _name(text: str) -> str:
    """A text of at most MAX_NAME characters; a longer one ends in an ellipsis."""
    return text if len(text) <= MAX_NAME else text[:MAX_NAME] + "\N{HORIZONTAL ELLIPSIS}"
