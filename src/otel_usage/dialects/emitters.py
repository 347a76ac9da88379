"""Emitters by name: how directly they see a call, whose calls they make, and whose counts may be made up."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

VENDOR, INSTRUMENTOR, UNKNOWN, FRAMEWORK, LOG = 10, 8, 7, 6, 4
"""Ranks: a vendor's SDK that traces itself, an instrumentation of a vendor's SDK, one that is not known, a
framework or gateway above the SDK, a log record. (A roll-up has `identity.ROLLUP_RANK`.)"""

_FRAMEWORKS: Final = (
    *("ag2", "agno", "autogen", "beeai", "crewai", "dspy", "google_adk", "guardrails", "haystack"),
    *("instructor", "langchain", "langgraph", "litellm", "llamaindex", "llama_index", "mcp", "openai_agents"),
    *("agno_agents", "claude_agent_sdk", "pipecat", "portkey", "pydantic_ai", "smolagents", "strands_agents"),
)
RANKS: Final[Sequence[tuple[str, int]]] = (
    ("com.anthropic.sdk.*", VENDOR),
    ("com.anthropic.claude_code.*", VENDOR),
    ("mistralai_sdk_tracer", VENDOR),
    *((f"*instrumentation*{separator}{name}", FRAMEWORK) for name in _FRAMEWORKS for separator in (".", "-")),
    ("*instrumentation.genai.openai_agents", FRAMEWORK),
    *(
        (pattern, FRAMEWORK)
        for pattern in (
            *("ai", "gen_ai", "agent_framework", "gcp.vertex.agent", "langsmith", "litellm", "pydantic-ai"),
            *("semantic_kernel*", "microsoft.*", "strands.*", "traceloop.tracer"),
        )
    ),
    ("opentelemetry.instrumentation.*", INSTRUMENTOR),
    ("opentelemetry.util.genai.*", INSTRUMENTOR),
    ("openinference.instrumentation.*", INSTRUMENTOR),
    ("openlit.*", INSTRUMENTOR),
    ("logfire.*", INSTRUMENTOR),
    ("@*/*instrumentation-*", INSTRUMENTOR),
    ("codex*", INSTRUMENTOR),
    ("gemini-cli*", INSTRUMENTOR),
)
"""Patterns of names (as of `fnmatch`), the first that fits decides."""

PROVIDERS: Final[Sequence[tuple[str, str]]] = (
    ("com.anthropic.claude_code.*", "anthropic"),
    ("codex*", "openai"),
    ("gemini-cli*", "gcp.gemini"),
)
"""Whose calls an emitter makes, if it does not say."""

MODELS: Final[Sequence[tuple[str, str, str]]] = (
    ("com.anthropic.claude_code.tracing", "*anthropic.claude*", "aws.bedrock"),
    ("com.anthropic.claude_code.tracing", "arn:aws*", "aws.bedrock"),
    ("com.anthropic.claude_code.tracing", "claude*@*", "gcp.vertex_ai"),
)
"""Emitters that name one provider whoever serves the call, and models that give away who does."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Counts that an emitter makes up or is known to get wrong, and by which attributes they show.

    `has` is there and not false, `has_not` is not there.
    """

    scopes: Sequence[str]
    has: str
    has_not: str = ""


ESTIMATES: Final = (
    # Its cache counts come with the usage of the provider, always both, and only so. Before it had
    # `gen_ai.provider.name` it wrote none at all, and nothing can be told.
    Estimate(
        ("openlit.instrumentation.openai",),
        has="gen_ai.provider.name",
        has_not="gen_ai.usage.cache_read.input_tokens",
    ),
    # Of a stream it adds the output that the first event counts to that of the last, which contains it.
    Estimate(("opentelemetry.instrumentation.anthropic",), has="gen_ai.is_streaming"),
    Estimate(("opentelemetry.instrumentation.anthropic",), has="llm.is_streaming"),
)

MARKERS: Final = tuple(dict.fromkeys(name for each in ESTIMATES for name in (each.has, each.has_not) if name))
"""The attributes that show it."""

_REMEMBERED: Final = 4_096


@lru_cache(_REMEMBERED)
def rank(scope: str) -> int:
    """How directly the emitter sees a call."""
    return next((rank for pattern, rank in RANKS if fnmatchcase(scope, pattern)), UNKNOWN)


@lru_cache(_REMEMBERED)
def provider(scope: str) -> str:
    """Whose calls the emitter makes; empty if they may be anyone's."""
    return next((name for pattern, name in PROVIDERS if fnmatchcase(scope, pattern)), "")


@lru_cache(_REMEMBERED)
def by_model(scope: str, model: str) -> str:
    """Who serves a model, if the emitter's calls give that away; empty if not."""
    return next(
        (
            name
            for emitter, served, name in MODELS
            if fnmatchcase(scope, emitter) and fnmatchcase(model, served)
        ),
        "",
    )


@lru_cache(_REMEMBERED)
def estimates(scope: str) -> Sequence[Estimate]:
    """How counts show that this emitter made up or got wrong."""
    return [each for each in ESTIMATES if any(fnmatchcase(scope, pattern) for pattern in each.scopes)]
