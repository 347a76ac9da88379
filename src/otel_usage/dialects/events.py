"""Log records that tell a call to a model: the events of coding agents, and OpenTelemetry's.

Sources: the documentation and source of Claude Code, Codex and Gemini CLI; OpenTelemetry's GenAI semantic
conventions (`gen_ai.client.inference.operation.details`), and captures of the instrumentations that write it.
"""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Final

from otel_usage.dialects.dialect import CONTENT, TOTAL, Dialect
from otel_usage.dialects.event import MILLISECOND, Event, Hint, Identity
from otel_usage.dialects.language import Language, merge
from otel_usage.dialects.otel_genai import OTEL_GENAI
from otel_usage.dialects.own import OWN
from otel_usage.dialects.providers import BEDROCK, VERTEX
from otel_usage.model import TOKEN_COLUMNS

_DETAILS: Final = "gen_ai.client.inference.operation.details"


CLAUDE_CODE: Final = Dialect(
    title="Claude Code's events, and those of agents that speak as it does",
    fields={
        "request_model": ("model",),
        "response_id": ("request_id",),
        "service_tier": ("speed",),
        "input_tokens": ("input_tokens",),
        "output_tokens": ("output_tokens",),
        "cache_read_tokens": ("cache_read_tokens",),
        "cache_write_tokens": ("cache_creation_tokens",),
    },
    prefixes=("cost_usd",),
    cannot_tell=["how long cache writes live", "reasoning, which its output contains"],
)
CLAUDE_CODE_ERROR: Final = Dialect(
    title="Claude Code's errors",
    fields={
        "request_model": ("model",),
        "response_id": ("request_id",),
        "error_type": ("error.type", "error_type", "status_code"),
    },
)
_CLAUDE_CODE_SCOPES: Final = ("com.anthropic.claude_code*",)
_CLAUDE_CODE_HINTS: Final = (
    Hint("model", "*anthropic.claude*", BEDROCK),
    Hint("model", "arn:aws*", BEDROCK),
    Hint("model", "claude*@*", VERTEX),
    Hint("model", "claude*", "anthropic"),
)
_CLAUDE_CODE_IDENTITY: Final = Identity(
    family="claude_code",
    attributes=[
        ("session.id",),
        ("client_request_id",),
        ("event.sequence",),
        ("attempt",),
        ("model",),
        ("input_tokens",),
        ("output_tokens",),
        ("cache_read_tokens",),
    ],
)

CODEX: Final = Dialect(
    title="Codex's events",
    fields={
        "request_model": ("model", "slug"),
        "input_tokens": ("input_token_count",),
        "output_tokens": ("output_token_count",),
        "cache_read_tokens": ("cached_token_count",),
        "cache_write_tokens": ("cache_write_token_count",),
        "reasoning_tokens": ("reasoning_token_count",),
        # Named for tools, it is the sum of input and output.
        TOTAL: ("tool_token_count",),
    },
    prefixes=("tool_token_count",),
    cannot_tell=["a response id", "the service tier", "the provider, if it is not OpenAI"],
)
_CODEX_IDENTITY: Final = Identity(
    family="codex",
    attributes=[
        ("conversation.id",),
        ("model", "slug"),
        *((name,) for field in TOKEN_COLUMNS for name in CODEX.fields.get(field, ())),
    ],
    # The two records of an event read the clock one after the other. And a conversation grows: two calls of
    # one, with the same counts throughout, are not seconds apart.
    step_ns=10_000 * MILLISECOND,
)

GEMINI_CLI: Final = Dialect(
    title="Gemini CLI's events",
    fields={
        "request_model": ("model",),
        "input_tokens": ("input_token_count",),
        "output_tokens": ("output_token_count",),
        "cache_read_tokens": ("cached_content_token_count",),
        "reasoning_tokens": ("thoughts_token_count",),
        TOTAL: ("total_token_count",),
    },
    prefixes=("tool_token_count", "total_token_count"),
    cannot_tell=["a response id: only its second record of a call has it"],
)
GEMINI_CLI_ERROR: Final = Dialect(
    title="Gemini CLI's errors",
    fields={"request_model": ("model",), "error_type": ("error.type", "error_type", "status_code")},
)
_GEMINI_CLI_HINTS: Final = (Hint("auth_type", "vertex-ai", VERTEX),)
_GEMINI_CLI_IDENTITY: Final = Identity(
    family="gemini_cli",
    attributes=[
        ("session.id",),
        ("model", "gen_ai.request.model"),
        ("input_token_count", "gen_ai.usage.input_tokens"),
        ("output_token_count", "gen_ai.usage.output_tokens"),
    ],
)

DETAILS: Final = Dialect(
    title="OpenTelemetry's event of a call, which has the attributes of its span",
    fields=OTEL_GENAI.fields,
    kinds=OTEL_GENAI.kinds,
    prefixes=OTEL_GENAI.prefixes,
    cannot_tell=["Google ADK: the model, the operation and a response id", "OpenLIT: the provider"],
)
GEMINI_CLI_DETAILS: Final = replace(
    DETAILS,
    title="Gemini CLI's second record of each call",
    cannot_tell=["cache reads and reasoning: its first record of a call has them"],
)
_DETAILS_TELL: Final = tuple(
    name
    for field in ("input_tokens", "output_tokens", "response_id", "error_type")
    for name in DETAILS.fields[field]
)
_DETAILS_IDENTITY: Final = Identity(
    family="details", attributes=[(name,) for name in _DETAILS_TELL], in_trace=True
)
_QUANTITIES_TELL: Final = tuple(name for names in OWN.fields.values() for name in names)

EVENTS: Final = (
    # Its other events with the request id of a call (`assistant_response`, `api_refusal`) tell no usage.
    Event(
        dialect=CLAUDE_CODE,
        identity=_CLAUDE_CODE_IDENTITY,
        names=("claude_code.api_request",),
        short_names=("api_request",),
        short_scopes=_CLAUDE_CODE_SCOPES,
        hints=_CLAUDE_CODE_HINTS,
    ),
    Event(
        dialect=CLAUDE_CODE_ERROR,
        identity=_CLAUDE_CODE_IDENTITY,
        names=("claude_code.api_error",),
        short_names=("api_error",),
        short_scopes=_CLAUDE_CODE_SCOPES,
        failed=True,
        hints=_CLAUDE_CODE_HINTS,
    ),
    # Of all the events of a response only the one with counts is its usage.
    Event(
        dialect=CODEX,
        identity=_CODEX_IDENTITY,
        names=("codex.sse_event", "codex.websocket_event"),
        when={"event.kind": "response.completed"},
        tells=(*CODEX.fields["input_tokens"], *CODEX.fields["output_tokens"]),
    ),
    Event(
        dialect=GEMINI_CLI,
        identity=_GEMINI_CLI_IDENTITY,
        names=("gemini_cli.api_response",),
        operation=CONTENT,
        more_input=("tool_token_count",),
        hints=_GEMINI_CLI_HINTS,
    ),
    Event(
        dialect=GEMINI_CLI_ERROR,
        identity=_GEMINI_CLI_IDENTITY,
        names=("gemini_cli.api_error",),
        failed=True,
        operation=CONTENT,
        hints=_GEMINI_CLI_HINTS,
    ),
    Event(
        dialect=GEMINI_CLI_DETAILS,
        identity=_GEMINI_CLI_IDENTITY,
        names=(_DETAILS,),
        scopes=("gemini-cli*",),
        tells=_DETAILS_TELL,
        operation=CONTENT,
        hints=_GEMINI_CLI_HINTS,
        identified_by_response=False,
    ),
    # OpenLIT's records of streams are of no span, and have these counts whether the provider told any or not.
    # Its spans have them only if it did.
    Event(
        dialect=DETAILS,
        identity=_DETAILS_IDENTITY,
        names=(_DETAILS,),
        scopes=("openlit.instrumentation.openai",),
        tells=_DETAILS_TELL,
        zero_if_made_up=("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
        hints=(Hint("gen_ai.operation.name", "*", "openai"),),
    ),
    # Some emitters write it twice for a call: once for what was asked, without any of these.
    Event(
        dialect=DETAILS,
        identity=_DETAILS_IDENTITY,
        names=(_DETAILS,),
        tells=(*_DETAILS_TELL, *_QUANTITIES_TELL),
    ),
)
"""The first whose name and emitter fit decides what a log record is. One that none fits tells no call."""

_REMEMBERED: Final = 4_096


@cache
def language(index: int) -> Language:
    """What the attributes of an event of EVENTS mean: its own names come before OpenTelemetry's."""
    return merge((EVENTS[index].dialect, OWN, OTEL_GENAI))


@lru_cache(_REMEMBERED)
def number(name: str, scope: str) -> int:
    """The index in EVENTS of what an emitter calls so; -1 if it tells no call."""
    for index, event in enumerate(EVENTS):
        if name in event.names and _fits(scope, event.scopes or ("*",)):
            return index
        if name in event.short_names and _fits(scope, event.short_scopes):
            return index
    return -1


def _fits(scope: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(scope, pattern) for pattern in patterns)
