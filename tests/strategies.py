"""Hypothesis strategies: OTLP trace requests as emitters send them, and as they never should.

Whole ExportTraceServiceRequests with several resources, scopes and spans: calls in every age of the GenAI
names, roll-ups, spans that are no call, counts of every kind and quality, broken ids and times.
`mutated` damages the bytes of real requests.

A request is made up from a seed that hypothesis draws, in plain Python: drawing each attribute would take
fifty times as long, and the columns want many spans. Shrinking finds the fewest requests, not the
smallest; a failing test prints their seeds, and the rows that differ.
"""

import math
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_usage.attributes import MAX_ID
from otel_usage.model import MAX_NAME, MAX_TOKENS
from tests.spans import value

NOW_NS: Final = 1_795_500_000 * 10**9
"""When generated requests are received, unless a test says otherwise."""
_DAY_NS: Final = 86_400 * 10**9
_DEEPEST: Final = 2


@dataclass(frozen=True, slots=True)
class _Age:
    """The names an emitter of some year uses."""

    provider: Sequence[str]
    totals: Sequence[str]
    parts: Sequence[str]
    models: Sequence[str] = ("gen_ai.request.model", "gen_ai.response.model")
    response_id: str = "gen_ai.response.id"
    kind: str = "gen_ai.operation.name"
    calls: Sequence[str] = ("chat", "generate_content", "text_completion", "embeddings")
    others: Sequence[str] = (
        *("invoke_agent", "execute_tool", "retrieval", "rerank", "Chat", "", "мечта"),
        *("speech_to_text", "text_to_speech", "transcription", "tts"),
    )


_AGES: Final = (
    _Age(
        provider=["gen_ai.provider.name"],
        totals=["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"],
        parts=[
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_write.input_tokens",
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.audio.input_tokens",
            "gen_ai.usage.audio.output_tokens",
            "gen_ai.usage.audio.cache_read.input_tokens",
            "gen_ai.usage.image.input_tokens",
            "gen_ai.usage.image.output_tokens",
            "gen_ai.usage.text.input_tokens",
        ],
    ),
    _Age(
        provider=["gen_ai.system", "gen_ai.provider.name"],
        totals=[
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.prompt_tokens",
            "gen_ai.usage.completion_tokens",
        ],
        parts=[
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.thoughts_tokens",
            "gen_ai.usage.details.ephemeral_1h_input_tokens",
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.client.token.usage",
            "operation.cost",
        ],
    ),
    _Age(
        provider=["gen_ai.system"],
        totals=["gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens"],
        parts=[
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "llm.usage.total_tokens",
        ],
        kind="llm.request.type",
        calls=["chat", "completion", "embedding", "unknown"],
        others=["rerank", "tool"],
    ),
    _Age(
        provider=["llm.provider", "llm.system"],
        totals=["llm.token_count.prompt", "llm.token_count.completion"],
        parts=[
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_write",
            "llm.token_count.completion_details.reasoning",
            "llm.token_count.prompt_details.audio",
            "llm.token_count.total",
        ],
        models=["llm.request.model_name", "llm.model_name"],
        kind="openinference.span.kind",
        calls=["LLM", "EMBEDDING"],
        others=["AGENT", "CHAIN", "RERANKER", "GUARDRAIL", "UNKNOWN"],
    ),
    _Age(
        provider=["gen_ai.system", "ai.model.provider"],
        totals=[
            "ai.usage.inputTokens",
            "ai.usage.outputTokens",
            "gen_ai.usage.input_tokens",
            "ai.usage.tokens",
        ],
        parts=[
            "ai.usage.cachedInputTokens",
            "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.inputTokenDetails.cacheWriteTokens",
            "ai.usage.inputTokenDetails.noCacheTokens",
            "ai.usage.reasoningTokens",
            "ai.usage.totalTokens",
        ],
        models=["ai.model.id", "ai.response.model", "gen_ai.response.model"],
        response_id="ai.response.id",
        kind="ai.operationId",
        calls=["ai.generateText.doGenerate", "ai.streamText.doStream", "ai.embedMany.doEmbed"],
        others=["ai.generateText", "ai.embedMany", "ai.toolCall", "ai.other"],
    ),
    _Age(
        provider=["gen_ai.system"],
        totals=["input_tokens", "output_tokens"],
        parts=["cache_read_tokens", "cache_creation_tokens"],
        models=["model", "gen_ai.request.model"],
        response_id="request_id",
        kind="span.type",
        calls=["llm_request"],
        others=["interaction"],
    ),
)
_KINDS: Final = (
    ("gen_ai.operation.name", "chat"),
    ("gen_ai.operation.name", "responses"),
    ("gen_ai.operation.name", "invoke_workflow"),
    ("traceloop.span.kind", "workflow"),
    ("langfuse.observation.type", "generation"),
    ("langsmith.span.kind", "chain"),
    ("openinference.span.kind", "LLM"),
)
_NAMES: Final = (
    *("chat gpt-4o", "GET", "", "цепочка", "claude_code.llm_request", "handle_responses", "agent run"),
    "raw_gen_ai_request",
)
_PROVIDERS: Final = (
    *("openai", "OpenAI", "anthropic", "aws.bedrock", "gcp.gemini", "", "никто", "anthropic.messages"),
    *("openai.responses", "amazon-bedrock", "google.vertex.chat", "strands-agents", "Langchain", "aws"),
)
_HOSTS: Final = (
    *("api.openai.com", "EU.api.openai.com:443", "https://my-deployment.openai.azure.com/openai/v1?x=1"),
    *("bedrock-runtime.eu-central-1.amazonaws.com", "europe-west4-aiplatform.googleapis.com", "llm.example"),
    *("127.0.0.1", "http://user@api.groq.com/openai/v1", "openrouter.ai.", "notopenrouter.ai", "", "://"),
)
_MODELS: Final = (
    *("gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash"),
    *("text-embedding-3-small", "my-deployment", "модель", "", "us.anthropic.claude-opus-4-1", "claude-x@1"),
)
_RESPONSE_IDS: Final = (
    *("chatcmpl-0123456789abcdef", "chatcmpl-fedcba9876543210", "resp_0123456789abcdef"),
    *("chatcmpl-007", "x" * 19, "x" * 20, "", "ж" * 19, "ж" * 20, "ж" * 40, "r" * MAX_ID, "r" * (MAX_ID + 1)),
)
_SCOPES: Final = (
    ("opentelemetry.instrumentation.openai_v2", "2.4b0"),
    ("opentelemetry.instrumentation.genai.openai", "1.3b0"),
    ("opentelemetry.instrumentation.genai.bedrock", "1.3b0"),
    ("opentelemetry.instrumentation.botocore.bedrock-runtime", "0.66b2"),
    ("opentelemetry.instrumentation.google_generativeai", "0.21.5"),
    ("opentelemetry.instrumentation.langchain", "0.62.4"),
    ("openinference.instrumentation.bedrock", "0.1.45"),
    ("openinference.instrumentation.bedrock", "0.1.50"),
    ("openinference.instrumentation.bedrock", "0.1.61"),
    ("openlit.instrumentation.openai", ""),
    ("openlit.instrumentation.anthropic", ""),
    ("openlit.otel.tracing", ""),
    ("com.anthropic.sdk.python", "2.12.0"),
    ("com.anthropic.claude_code.tracing", "2.1.328"),
    ("com.anthropic.claude_code.tracing", "2.1.328"),
    ("ai", ""),
    ("ai", ""),
    ("litellm", ""),
    ("pydantic-ai", "1.0.10"),
    ("pydantic-ai", "0.9"),
    ("strands.telemetry.tracer", ""),
    ("codex_cli_rs", ""),
    ("", ""),
    ("", ""),
    ("приложение", "v" * (MAX_NAME + 1)),
    ("s" * (MAX_NAME + 1), "1"),
)
_BILLING: Final = (
    ("otel_usage.account.id", ("acct-1", "acct-2", "счёт", "")),
    ("otel_usage.transaction.id", ("txn-1", "txn-2", "")),
    ("otel_usage.context", ("customer", "system")),
    ("otel_usage.usage_type", ("text", "embedding", "audio_stt", "audio_tts", "")),
)
_QUANTITIES: Final = (
    *("otel_usage.input.characters", "otel_usage.web_searches", "otel_usage.rerank_searches"),
    *("metrics.character_count", "gen_ai.usage.server_tool_use.web_search_requests"),
    "otel_usage.output.images",
)
_AUDIO: Final = "otel_usage.audio.duration"
_SECONDS: Final = (
    *(0, 1, 59, 604_800, 0.0, 12.0, 3.27, 0.1 + 0.2, 5e-10, 1.5e-9, 2.5e-9, 604_799.999_999_999_9, -0.0),
    *("30", "12.5", "0.0000000015", "604800.0", "604800.000"),
)
_ODD_SECONDS: Final = (
    *(-1, 604_801, -0.5, 604_800.1, math.nan, math.inf, 1e300, 2**63 - 1),
    *("1e3", "-1", ".5", "5.", " 7", "x", "604800.0000000001", "9" * 40),
)
_ODD_TEXTS: Final = (
    *("", " ", "\0", "acct\n1", "Customer", "true", "0", "nan", "null"),
    *("x" * MAX_ID, "x" * (MAX_ID + 1), "é" * MAX_ID, "é" * (MAX_ID + 1), "ж" * 5_000, "\U0001f9fe" * 64),
    *("a" * 125, "a" * 126, "a" * 127, "a" * 128, "a" * 129, "a" * 16_383, "a" * 16_384),
)
_ODD_NUMBERS: Final = (
    *(-1, -(2**63), 2**63 - 1, MAX_TOKENS, MAX_TOKENS + 1),
    *(2**power + step for power in (7, 14, 21, 28, 35, 42, 49, 56, 62) for step in (-1, 0)),
)
_ODD_FLOATS: Final = (
    *(math.nan, math.inf, -math.inf, -0.0, 0.5, -1.0, 12.0, 1e300, 5e-324),
    *(float(MAX_TOKENS), MAX_TOKENS + 1.0, MAX_TOKENS - 0.5),
)
_ODD_DIGITS: Final = (
    *("-1", "+7", " 7", "7 ", "1.0", "1e3", "1_000", "1,000", "x", "", "9" * 40),
    *("\N{ARABIC-INDIC DIGIT SEVEN}", "\N{SUPERSCRIPT TWO}"),
    *("000012", str(MAX_TOKENS), str(MAX_TOKENS + 1)),
)


def examples(count: int) -> settings:
    """Settings of a property test: how many examples, the same in every run.

    With FUZZ=n in the environment n times as many, new ones. No deadline, since the machine may be shared;
    no phase that explains, since it traces every line.
    """
    more = int(os.environ.get("FUZZ", "0"))
    return settings(
        max_examples=count * (more or 1),
        derandomize=not more,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow],
    )


@dataclass(frozen=True, slots=True)
class Made:
    """A request made up from a seed. A failing test prints the seed, not the request."""

    seed: int
    broken: bool = True
    distinct: bool = False
    max_spans: int = 6

    @property
    def request(self) -> ExportTraceServiceRequest:
        """The request. Seed 0, which hypothesis shrinks to, has no span."""
        rng = random.Random(self.seed)
        request = ExportTraceServiceRequest()
        for _ in range(rng.randrange(4) if self.seed else 0):
            resource_spans = request.resource_spans.add()
            if rng.random() < 0.8:
                resource_spans.resource.attributes.extend(_resource(rng, broken=self.broken))
            for _ in range(rng.randrange(4)):
                scope_spans = resource_spans.scope_spans.add()
                spans = rng.randint(0, self.max_spans)
                scope_spans.spans.extend(_span(rng, broken=self.broken) for _ in range(spans))
                if self.distinct:
                    _give_ids(scope_spans.spans, rng)
                if rng.random() < 0.8:
                    scope_spans.scope.name, scope_spans.scope.version = rng.choice(_SCOPES)
        return request

    @property
    def body(self) -> bytes:
        """The request, encoded."""
        return self.request.SerializeToString()


def requests(*, broken: bool = True, distinct: bool = False, max_spans: int = 6) -> st.SearchStrategy[Made]:
    """A request of up to 3 resources with up to 3 scopes each, with up to `max_spans` spans each.

    If `broken`, some spans are what no emitter should send; otherwise each is valid. If `distinct`, no two
    spans show the same response id.
    """
    seeds = st.integers(0, 2**32 - 1)
    return seeds.map(lambda seed: Made(seed, broken=broken, distinct=distinct, max_spans=max_spans))


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """A real request, damaged one to four times: cut off, bits flipped, bytes changed, lost or spliced in."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["truncate", "flip", "set", "delete", "splice"])):
            case "truncate":
                del data[at:]
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "delete":
                del data[at : at + draw(st.integers(1, 30))]
            case "splice":
                donor = draw(st.sampled_from(originals))
                begin = draw(st.integers(0, len(donor)))
                data[at:at] = donor[begin : begin + draw(st.integers(1, 200))]
    return bytes(data)


def respelled(request: ExportTraceServiceRequest, seed: int) -> bytes:
    """The same request, its attributes encoded in all the ways that protobuf allows and nobody uses."""
    rng = random.Random(seed)
    body = b""
    for resource_spans in request.resource_spans:
        scopes = b"".join(
            _field(
                2,
                _bare(scope_spans, "spans")
                + b"".join(_respelled_span(span, rng) for span in scope_spans.spans),
            )
            for scope_spans in resource_spans.scope_spans
        )
        body += _field(1, _bare(resource_spans, "scope_spans") + scopes)
    return body


def _respelled_span(span: Span, rng: random.Random) -> bytes:
    entries = b"".join(
        _field(9, _respelled_entry(pair, rng), longer=rng.randrange(2)) for pair in span.attributes
    )
    return _field(2, entries + _bare(span, "attributes"))


def _respelled_entry(pair: KeyValue, rng: random.Random) -> bytes:
    key, value = _field(1, pair.key.encode()), _field(2, pair.value.SerializeToString())
    empty, former = AnyValue(string_value=""), AnyValue(string_value="x").SerializeToString()
    unknown = rng.choice([_field(15, b"unknown"), b"\x78\x07", b"\x7b\x7c"])
    return rng.choice(
        [
            key + value,
            value + key,
            _field(1, b"gen_ai.operation.name") + key + value,
            _field(1, pair.key.encode(), longer=2) + value,
            key + _field(2, pair.value.SerializeToString(), longer=rng.randrange(3)),
            unknown + key + value,
            key + unknown + value,
            key + value + unknown,
            # Protobuf merges values, here the last counts: the same, unless the last is empty.
            key
            + (_field(2, AnyValue(int_value=3).SerializeToString()) if pair.value.ByteSize() else b"")
            + value,
            # Nor is empty text seen behind another one: it would have to be decoded to be passed over.
            key + _field(2, (b"" if pair.value == empty else former) + pair.value.SerializeToString()),
            value if not pair.key else key + value,
        ]
    )


def _bare(message: Message, name: str) -> bytes:
    """The message without one of its fields, encoded."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.ClearField(name)
    return copy.SerializeToString()


def _field(number: int, content: bytes, *, longer: int = 0) -> bytes:
    """A length-delimited field; its length takes `longer` bytes more than it needs."""
    length, digits = len(content), bytearray()
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    digits.append(length | (128 if longer else 0))
    digits += bytes([128] * (longer - 1) + [0]) if longer else b""
    return bytes([number << 3 | 2]) + bytes(digits) + content


def moved_to(now_ns: int, found: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """The request as if made around `now_ns` instead of NOW_NS: for a server that looks at the clock."""
    moved = ExportTraceServiceRequest.FromString(found.SerializeToString())
    for resource_spans in moved.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                for name in ("start_time_unix_nano", "end_time_unix_nano"):
                    old = getattr(span, name)
                    if NOW_NS - 30 * _DAY_NS < old <= NOW_NS + 30 * _DAY_NS:
                        setattr(span, name, old - NOW_NS + now_ns)
    return moved


def now() -> int:
    """The real time, in nanoseconds."""
    return time.time_ns()


def _span(rng: random.Random, *, broken: bool) -> Span:
    """An LLM call of some age, a roll-up, no call at all, or (if `broken`) attributes nobody planned."""
    odd = broken and rng.random() < 0.4
    make: Callable[..., list[KeyValue]] = rng.choices(
        [_llm, _http, _soup if broken else _llm], weights=[12, 3, 2]
    )[0]
    start = NOW_NS - rng.randrange(2 * _DAY_NS)
    span = Span(
        trace_id=rng.randbytes(16),
        span_id=rng.randbytes(8),
        parent_span_id=rng.choice([b"", rng.randbytes(8)]),
        name=rng.choice(_NAMES),
        start_time_unix_nano=start,
        end_time_unix_nano=start + rng.randrange(60 * 10**9),
        attributes=make(rng, odd=odd),
        trace_state=rng.choice(["", "vendor=1"]),
    )
    if rng.random() < 0.3:
        span.status.code = rng.choice(
            [Status.STATUS_CODE_UNSET, Status.STATUS_CODE_OK, Status.STATUS_CODE_ERROR]
        )
    if rng.random() < 0.2:
        span.events.add(name="gen_ai.choice").attributes.extend(_llm(rng, odd=odd))
    if odd and rng.random() < 0.3:
        _spoil(span, rng)
    return span


def _give_ids(spans: Iterable[Span], rng: random.Random) -> None:
    """Response ids that no other span has, where there is one."""
    for span in spans:
        for attribute in span.attributes:
            if attribute.key in {age.response_id for age in _AGES}:
                attribute.value.string_value = f"chatcmpl-{rng.randbytes(12).hex()}"


def _spoil(span: Span, rng: random.Random) -> None:
    """Ids and times that are wrong, or just unusual."""
    match rng.randrange(4):
        case 0:
            span.trace_id = rng.choice(
                [b"", b"\0" * 16, rng.randbytes(15), rng.randbytes(17), b"\0" * 15 + b"\1"]
            )
        case 1:
            span.span_id = rng.choice([b"", b"\0" * 8, rng.randbytes(7), rng.randbytes(9), b"\1" + b"\0" * 7])
        case 2:
            span.parent_span_id = rng.randbytes(rng.randrange(20))
        case 3:
            odd = [0, 0, 1, 10**18, 1_577_836_800 * 10**9, NOW_NS, 2**63 - 1, 2**63, 2**64 - 1]
            odd += [NOW_NS + _DAY_NS + step for step in (-1, 0, 1)]
            span.start_time_unix_nano = rng.choice([span.start_time_unix_nano, *odd])
            span.end_time_unix_nano = rng.choice([span.end_time_unix_nano, *odd])


def _llm(rng: random.Random, *, odd: bool) -> list[KeyValue]:
    """A span of a GenAI emitter: most names present, some missing; if odd, twice, wrong or impossible."""
    age = rng.choice(_AGES)
    operation = rng.choice(age.calls if rng.random() < 0.8 else age.others)
    found = [
        *_some(rng, 0.85, [(age.kind, operation)]),
        *_some(rng, 0.1, [rng.choice(_KINDS)]),
        *_some(rng, 0.9, [(name, rng.choice(_PROVIDERS)) for name in age.provider]),
        *_some(rng, 0.8, [(name, rng.choice(_MODELS)) for name in age.models]),
        *_some(rng, 0.4, [(age.response_id, rng.choice(_RESPONSE_IDS))]),
        *_some(rng, 0.4, [(name, rng.choice(values)) for name, values in _BILLING]),
        *_some(rng, 0.2, [("gen_ai.openai.response.service_tier", rng.choice(["default", "flex"]))]),
        *_some(rng, 0.2, [("openai.response.service_tier", rng.choice(["priority", "auto", "normal"]))]),
        *_some(rng, 0.2, [("error.type", rng.choice(["timeout", "429", "é" * (MAX_NAME + 1)]))]),
        *_some(rng, 0.4, [("server.address", rng.choice(_HOSTS))]),
        *_some(rng, 0.1, [("url.full", rng.choice(_HOSTS)), ("cloud.region", "eu-west-1")]),
    ]
    totals = [name for name in age.totals if rng.random() < 0.8]
    parts = rng.sample(age.parts, rng.randrange(len(age.parts)))
    most = 1 if rng.random() < 0.05 else 20_000
    told = {name: rng.randrange(most) for name in totals}
    told |= {name: rng.randrange(1 + most // 2) for name in parts}
    if rng.random() < 0.2:  # a total that may prove what input and output lack
        told["gen_ai.usage.total_tokens"] = sum(rng.sample(list(told.values()), rng.randint(0, len(told))))
    found += [KeyValue(key=name, value=_count(rng, count, odd=odd)) for name, count in told.items()]
    if rng.random() < 0.15:
        more = _quantities(rng, odd=odd)
        found = [each for each in found if each.key not in {other.key for other in more}] + more
    if odd and rng.random() < 0.5:
        found.extend(_soup(rng, odd=odd))
    if odd and rng.random() < 0.3:
        name, _ = rng.choice(_BILLING)
        found.append(KeyValue(key=name, value=_any(rng)))
    rng.shuffle(found)
    return found


def _quantities(rng: random.Random, *, odd: bool) -> list[KeyValue]:
    """What calls are paid by beside tokens."""
    names = rng.sample(_QUANTITIES, rng.randrange(3))
    found = [KeyValue(key=name, value=_count(rng, rng.randrange(3), odd=odd)) for name in names]
    if rng.random() < 0.6:
        seconds: int | float | str = rng.choice(_ODD_SECONDS if odd and rng.random() < 0.3 else _SECONDS)
        found.append(KeyValue(key=_AUDIO, value=value(seconds)))
        if not odd or rng.random() < 0.7:  # else it may be heard or made, which is no valid call
            usage_type = rng.choice(["audio_stt", "audio_tts"])
            found.append(KeyValue(key="otel_usage.usage_type", value=value(usage_type)))
    return found


def _http(rng: random.Random, *, odd: bool) -> list[KeyValue]:
    """A span that is no LLM call."""
    found = [
        KeyValue(key="http.request.method", value=AnyValue(string_value="GET")),
        KeyValue(key="http.response.status_code", value=AnyValue(int_value=rng.randrange(200, 600))),
    ]
    if odd:
        found.extend(KeyValue(key=f"http.{name}", value=_any(rng)) for name in range(rng.randrange(3)))
    return found


def _soup(rng: random.Random, *, odd: bool) -> list[KeyValue]:
    """Attributes nobody planned: known names with any value, unknown names, the same name twice."""
    del odd
    known = [
        name
        for age in _AGES
        for group in (age.provider, age.totals, age.parts, age.models, [age.kind, age.response_id])
        for name in group
    ]
    known += [name for name, _ in _BILLING]
    known += [*_QUANTITIES, _AUDIO]
    known += ["gen_ai.operation.name", "gen_ai.request.model", "gen_ai.response.model", "gen_ai.response.id"]
    known += ["error.type", "service.name", "openai.response.service_tier", "", "имя", "gen_ai.usage"]
    known += ["gen_ai.usage.total_tokens", "gen_ai.usage.новое", "gen_ai.cost.total_cost", "server.address"]
    known += [name for name, _ in _KINDS]
    exact = [KeyValue(key=rng.choice(known), value=_any(rng)) for _ in range(rng.randrange(1, 6))]
    return exact + [
        KeyValue(key=_near(rng.choice(known), rng), value=_any(rng)) for _ in range(rng.randrange(4))
    ]


def _near(name: str, rng: random.Random) -> str:
    """A name that is another, though it looks alike."""
    at = rng.randrange(len(name) + 1)
    other = name[:at] + rng.choice("abtxж._") + name[at + 1 :]
    return rng.choice(
        [other, other, name[:at], name[at:], f"x{name}", f"{name}x", name.upper(), "x" * 200 + name]
    )


def _resource(rng: random.Random, *, broken: bool) -> list[KeyValue]:
    odd = broken and rng.random() < 0.15
    services = [("service.name", name) for name in ("shop", "bot", "", "служба", "s" * (MAX_NAME + 1))]
    found = _some(rng, 0.3, services)
    if rng.random() < 0.4:
        found += _some(rng, 0.5, [(name, rng.choice(values)) for name, values in _BILLING])
    if odd:
        found += _soup(rng, odd=odd)
    rng.shuffle(found)
    return found


def _some(rng: random.Random, share: float, texts: Sequence[tuple[str, str]]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in texts if rng.random() < share
    ]


def _count(rng: random.Random, count: int, *, odd: bool) -> AnyValue:
    """A token count as an integer, now and then as a double or digits; if odd, sometimes none at all."""
    if odd and rng.random() < 0.2:
        return rng.choice(
            [
                AnyValue(int_value=rng.choice(_ODD_NUMBERS)),
                AnyValue(double_value=rng.choice(_ODD_FLOATS)),
                AnyValue(string_value=rng.choice(_ODD_DIGITS)),
                _any(rng),
            ]
        )
    form = rng.random()
    if form < 0.8:
        return AnyValue(int_value=count)
    return AnyValue(double_value=float(count)) if form < 0.9 else AnyValue(string_value=str(count))


def _any(rng: random.Random, depth: int = 0) -> AnyValue:
    """Every type of AnyValue: nested, empty, and with no type at all."""
    leaves: list[Callable[[], AnyValue]] = [
        AnyValue,
        lambda: AnyValue(string_value=rng.choice(_ODD_TEXTS)),
        lambda: AnyValue(string_value=rng.choice([*_ODD_DIGITS, *_MODELS])),
        lambda: AnyValue(bool_value=rng.choice([True, False])),
        lambda: AnyValue(int_value=rng.choice([rng.randrange(1000), *_ODD_NUMBERS])),
        lambda: AnyValue(double_value=rng.choice([rng.random(), *_ODD_FLOATS])),
        lambda: AnyValue(bytes_value=rng.randbytes(rng.randrange(12))),
    ]
    if depth == _DEEPEST or rng.random() < 0.8:
        return rng.choice(leaves)()
    inner = [_any(rng, depth + 1) for _ in range(rng.randrange(3))]
    if rng.random() < 0.5:
        return AnyValue(array_value=ArrayValue(values=inner))
    pairs = [KeyValue(key=str(number), value=value) for number, value in enumerate(inner)]
    return AnyValue(kvlist_value=KeyValueList(values=pairs))
