"""What an emitter's input and output counts contain: decided by who wrote them, not by their names.

The specification says that input contains the cached tokens, and output the reasoning. The same attribute
means something else in what some emitters write; it cannot be read off the provider, nor off the name.
Sources: captures of each emitter against a provider whose counts were known, and its source code where a
version is named that was not captured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from otel_usage.dialects.version import Version

INCLUSIVE: Final = "inclusive"
"""input contains cache_read and cache_write, output contains reasoning."""
EXCLUDES_CACHE: Final = "excludes_cache"
EXCLUDES_CACHE_WRITE: Final = "excludes_cache_write"
EXCLUDES_REASONING: Final = "excludes_reasoning"
EXCLUDES_CACHE_AND_REASONING: Final = "excludes_cache_and_reasoning"

BY_SPECIFICATION: Final = "specification"
BY_EMITTER: Final = "emitter"
"""It is in the table below, or the document that carries the counts shows it."""
BY_ARITHMETIC: Final = "arithmetic"
"""Parts that exceed their whole, or the reported total, prove that the whole lacks them."""


@dataclass(frozen=True, slots=True)
class Lacks:
    """What the reported input and output do not contain."""

    cache_read: bool = False
    cache_write: bool = False
    reasoning: bool = False

    @property
    def name(self) -> str:
        """The value of `usage_convention`."""
        if self.cache_read:
            return EXCLUDES_CACHE_AND_REASONING if self.reasoning else EXCLUDES_CACHE
        if self.reasoning:
            return EXCLUDES_REASONING
        return EXCLUDES_CACHE_WRITE if self.cache_write else INCLUSIVE


NOTHING: Final = Lacks()
CACHE: Final = Lacks(cache_read=True, cache_write=True)
CACHE_WRITE: Final = Lacks(cache_write=True)
REASONING: Final = Lacks(reasoning=True)


@dataclass(frozen=True, slots=True)
class Convention:
    """What the counts of some emitters lack.

    `scopes` and `providers` are patterns as of `fnmatch`; a provider is matched as the emitter spells it, in
    lower case. The version is at least `since` and below `until`, if these are given. `has` and `has_not` are
    attributes by which ages of an emitter are told apart that writes no version.
    """

    scopes: Sequence[str]
    lacks: Lacks
    providers: Sequence[str] = ("*",)
    since: str = ""
    until: str = ""
    has: str = ""
    has_not: str = ""

    @property
    def conditional(self) -> bool:
        """Whether more than the emitter and its version decides if it fits."""
        return bool(self.has or self.has_not) or tuple(self.providers) != ("*",)


_ANTHROPIC_OR_BEDROCK: Final = ("anthropic*", "*.anthropic.*", "*bedrock*")

CONVENTIONS: Final = (
    Convention(("com.anthropic.claude_code.*",), CACHE),
    Convention(("com.anthropic.sdk.*",), NOTHING),
    Convention(("mistralai_sdk_tracer",), NOTHING),
    # OpenTelemetry: Bedrock's own numbers are passed on.
    Convention(("opentelemetry.instrumentation.botocore.*",), CACHE),
    Convention(("opentelemetry.instrumentation.genai.bedrock",), CACHE),
    Convention(
        (
            "opentelemetry.instrumentation.genai.*",
            "opentelemetry.util.genai.*",
            "opentelemetry.instrumentation.openai_v2",
            "opentelemetry.instrumentation.google_genai",
            "@opentelemetry/instrumentation-openai",
        ),
        NOTHING,
    ),
    # OpenLLMetry. OpenTelemetry's instrumentation of Vertex AI has the same name, and the same convention.
    Convention(("opentelemetry.instrumentation.bedrock",), CACHE),
    Convention(
        ("opentelemetry.instrumentation.google_generativeai", "opentelemetry.instrumentation.vertexai"),
        REASONING,
    ),
    Convention(
        tuple(
            f"opentelemetry.instrumentation.{name}"
            for name in (
                *("anthropic", "cohere", "groq", "langchain", "mistralai", "openai.v0", "openai.v1"),
                "openai_agents",
            )
        ),
        NOTHING,
    ),
    Convention(("@traceloop/instrumentation-anthropic",), CACHE),
    Convention(("@traceloop/instrumentation-openai",), NOTHING),
    # OpenInference: 0.1.45 passes Bedrock's own numbers on, 0.1.61 does not.
    Convention(("openinference.instrumentation.bedrock",), CACHE, until="0.1.46"),
    Convention(("openinference.instrumentation.bedrock",), NOTHING, since="0.1.61"),
    Convention(
        tuple(
            f"openinference.instrumentation.{name}"
            for name in (
                *(
                    "anthropic",
                    "crewai",
                    "google_genai",
                    "groq",
                    "langchain",
                    "litellm",
                    "mistralai",
                    "openai",
                ),
                *("openai_agents", "smolagents"),
            )
        ),
        NOTHING,
    ),
    Convention(("@arizeai/openinference-instrumentation-openai",), NOTHING),
    Convention(("openlit.instrumentation.anthropic", "openlit.instrumentation.bedrock"), CACHE),
    Convention(
        ("openlit.instrumentation.google_ai_studio", "openlit.instrumentation.vertexai"),
        REASONING,
    ),
    Convention(
        tuple(f"openlit.instrumentation.{name}" for name in ("cohere", "groq", "langchain", "openai")),
        NOTHING,
    ),
    # Before 1.39 all of OpenLIT was one emitter.
    Convention(("openlit.otel.tracing",), CACHE, providers=("anthropic", "*bedrock")),
    Convention(("openlit.otel.tracing",), REASONING, providers=("gemini", "vertex*", "gcp*")),
    Convention(("openlit.otel.tracing",), NOTHING),
    Convention(("pydantic-ai",), NOTHING, since="1.0"),
    Convention(("logfire.anthropic", "logfire.openai"), NOTHING),
    # The AI SDK writes no version. From 6 on it tells input in detail, from 7 on its scope has another name.
    Convention(("ai",), NOTHING, has="ai.usage.inputTokenDetails.cacheReadTokens"),
    Convention(("ai",), NOTHING, has="ai.usage.inputTokenDetails.noCacheTokens"),
    Convention(("ai",), CACHE, providers=_ANTHROPIC_OR_BEDROCK),
    Convention(("ai",), REASONING, providers=("google*",)),
    Convention(("ai", "gen_ai"), NOTHING),
    Convention(("langsmith",), NOTHING),
    # LiteLLM writes no version. Before it had operations, its input lacked what Anthropic wrote to the cache.
    Convention(("litellm",), CACHE_WRITE, providers=("anthropic",), has_not="gen_ai.operation.name"),
    Convention(("litellm",), NOTHING),
    # Strands writes no version. With these names came inclusive input; before, it was the provider's own.
    Convention(("strands.telemetry.tracer",), NOTHING, has="gen_ai.usage.cache_read.input_tokens"),
    Convention(("agent_framework",), NOTHING, providers=("openai", "azure*")),
    Convention(("gcp.vertex.agent",), NOTHING),
    Convention(("codex*",), NOTHING),
    Convention(("gemini-cli*",), REASONING),
)
"""The first that fits decides. An emitter that none fits is taken by the specification, unless its numbers
prove otherwise."""

MARKERS: Final = tuple(
    dict.fromkeys(name for each in CONVENTIONS for name in (each.has, each.has_not) if name)
)
"""The attributes that tell ages of an emitter apart."""

_REMEMBERED: Final = 4_096


def candidates(scope: str, version: str) -> Sequence[Convention]:
    """The conventions that may fit what this emitter wrote, in order."""
    return _candidates(scope, version)


def decide(conventions: Sequence[Convention], provider: str, markers: frozenset[str]) -> Lacks | None:
    """The first convention that fits the provider (in the emitter's words) and the attributes there are."""
    spelled = provider.lower()
    for each in conventions:
        if each.has and each.has not in markers:
            continue
        if each.has_not and each.has_not in markers:
            continue
        if any(fnmatchcase(spelled, pattern) for pattern in each.providers):
            return each.lacks
    return None


@lru_cache(_REMEMBERED)
def _candidates(scope: str, version: str) -> tuple[Convention, ...]:
    return tuple(
        each
        for each in CONVENTIONS
        if any(fnmatchcase(scope, pattern) for pattern in each.scopes)
        and _between(version, each.since, each.until)
    )


def _between(version: str, since: str, until: str) -> bool:
    if not since and not until:
        return True
    told = Version.parse(version)
    if told is None:
        return False
    return not (since and told < Version.of(since)) and not (until and told >= Version.of(until))
