"""Usage objects, as data: how providers' APIs and SDKs spell the usage of a call, and what the numbers mean.

As the providers' API references describe them, and as measured on captures of the emitters named here.

A *path* is keys joined by dots. In a path `*` is each value of an object, or the item of a list that has just
one; a number is an item of a list; `key=value` those items of a list that say so; and the empty path is the
object itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from otel_usage.dialects.conventions import CACHE, CACHE_WRITE, NOTHING, REASONING, Lacks

Paths = tuple[str, ...]
"""Where one thing may be, in order: the first that is there counts."""

CACHE_WRITE_5M: Final = "cache_write_5m_tokens"
"""A part of cache_write beside cache_write_1h: some documents tell the parts and no sum."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the numbers of a usage object may mean."""

    lacks: Lacks = NOTHING
    """What its input and output leave out."""
    input_parts: str = ""
    """If any: a pattern (re) of the keys whose counts stand beside the input, and belong to it. Without one
    they are the cached tokens that it lacks."""
    output_parts: str = ""
    """The same of the output. Without one it is the reasoning."""


_AS_SPECIFIED: Final = Reading()


@dataclass(frozen=True, slots=True)
class Shape:
    """One spelling of a usage object. It is of the first shape whose conditions it meets."""

    title: str
    marks: Paths
    """It has at least one of these keys."""
    fields: Mapping[str, Paths]
    """By canonical field (also CACHE_WRITE_5M), where its count is."""
    readings: Sequence[Reading] = (_AS_SPECIFIED,)
    """The first whose input and output add up to the total, or else the first: a total settles what a count
    means where emitters differ, and is never a source of counts."""
    total: Paths = ()
    requires: Paths = ()
    """It has all of these keys."""
    without: Paths = ()
    """It has none of these."""
    seconds: Mapping[str, Paths] = field(default_factory=dict)
    """By canonical duration, where its seconds are."""


_OPENAI_CHAT: Final[Mapping[str, Paths]] = {
    "input_tokens": ("prompt_tokens",),
    "output_tokens": ("completion_tokens",),
    "cache_read_tokens": (
        "prompt_tokens_details.cached_tokens",
        "cache_read_input_tokens",  # LiteLLM
        "prompt_cache_hit_tokens",  # DeepSeek
        "cached_tokens",  # Moonshot
    ),
    "cache_write_tokens": (
        "prompt_tokens_details.cache_write_tokens",
        "prompt_tokens_details.cache_creation_tokens",
        "cache_creation_input_tokens",
    ),
    CACHE_WRITE_5M: ("prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens",),
    "cache_write_1h_tokens": (
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
    ),
    "reasoning_tokens": ("completion_tokens_details.reasoning_tokens",),
    "input_audio_tokens": ("prompt_tokens_details.audio_tokens",),
    "output_audio_tokens": ("completion_tokens_details.audio_tokens",),
    "input_image_tokens": ("prompt_tokens_details.image_tokens",),
    "output_image_tokens": ("completion_tokens_details.image_tokens",),
    # LiteLLM
    "web_searches": ("server_tool_use.web_search_requests", "prompt_tokens_details.web_search_requests"),
}

SHAPES: Final[Sequence[Shape]] = (
    Shape(
        title="Gemini `usageMetadata`, in JSON's and in Python's spelling",
        marks=("promptTokenCount", "prompt_token_count", "candidatesTokenCount", "candidates_token_count"),
        fields={
            "input_tokens": ("promptTokenCount", "prompt_token_count"),
            "output_tokens": ("candidatesTokenCount", "candidates_token_count"),
            "cache_read_tokens": ("cachedContentTokenCount", "cached_content_token_count"),
            "reasoning_tokens": ("thoughtsTokenCount", "thoughts_token_count"),
            "input_audio_tokens": (
                "promptTokensDetails.modality=AUDIO.tokenCount",
                "prompt_tokens_details.modality=AUDIO.token_count",
            ),
            "cache_read_audio_tokens": (
                "cacheTokensDetails.modality=AUDIO.tokenCount",
                "cache_tokens_details.modality=AUDIO.token_count",
            ),
            "output_audio_tokens": (
                "candidatesTokensDetails.modality=AUDIO.tokenCount",
                "candidates_tokens_details.modality=AUDIO.token_count",
            ),
            "input_image_tokens": (
                "promptTokensDetails.modality=IMAGE.tokenCount",
                "prompt_tokens_details.modality=IMAGE.token_count",
            ),
            "output_image_tokens": (
                "candidatesTokensDetails.modality=IMAGE.tokenCount",
                "candidates_tokens_details.modality=IMAGE.token_count",
            ),
        },
        readings=(
            Reading(
                REASONING,
                input_parts="toolUsePromptTokenCount|tool_use_prompt_token_count",
            ),
            _AS_SPECIFIED,
        ),
        total=("totalTokenCount", "total_token_count"),
    ),
    Shape(
        title="LiteLLM of 2025, which left cache writes out of `prompt_tokens` and of the total",
        marks=("prompt_tokens",),
        fields=_OPENAI_CHAT,
        readings=(Reading(CACHE_WRITE),),
        requires=("prompt_tokens_details.text_tokens", "cache_creation_input_tokens"),
        without=("prompt_tokens_details.cache_creation_tokens",),
    ),
    Shape(
        title="OpenAI chat completions and those who follow them; xAI leaves reasoning out of the output",
        marks=("prompt_tokens", "completion_tokens"),
        fields=_OPENAI_CHAT,
        readings=(_AS_SPECIFIED, Reading(REASONING)),
        total=("total_tokens",),
    ),
    Shape(
        title="Langfuse: the parts of input and output stand beside them (older JavaScript versions: inside)",
        marks=("input", "output"),
        fields={
            "input_tokens": ("input",),
            "output_tokens": ("output",),
            "cache_read_tokens": (
                "input_cache_read",
                "input_cached_tokens",
                "cache_read_input_tokens",
                "input_flex_cache_read",
                "input_priority_cache_read",
                "cached_content_token_count",
            ),
            "cache_write_tokens": (
                "input_cache_creation",
                "input_cache_write_tokens",
                "input_cache_creation_tokens",
                "cache_creation_input_tokens",
            ),
            CACHE_WRITE_5M: (
                "input_ephemeral_5m_input_tokens",
                "cache_creation_ephemeral_5m_input_tokens",
            ),
            "cache_write_1h_tokens": (
                "input_ephemeral_1h_input_tokens",
                "cache_creation_ephemeral_1h_input_tokens",
            ),
            "reasoning_tokens": (
                "output_reasoning",
                "output_reasoning_tokens",
                "output_flex_reasoning",
                "output_priority_reasoning",
                "thoughts_token_count",
            ),
            "input_audio_tokens": ("input_audio", "input_audio_tokens"),
            "output_audio_tokens": ("output_audio", "output_audio_tokens"),
            "input_image_tokens": ("input_image", "input_image_tokens"),
            "output_image_tokens": ("output_image", "output_image_tokens"),
        },
        readings=(
            Reading(
                Lacks(cache_read=True, cache_write=True, reasoning=True),
                # What was billed at the priority tier is said a second time.
                input_parts=r"input_(?!priority).+|cached_modality_.+|cache_(read|creation)_input_tokens",
                output_parts=r"output_(?!priority).+|thoughts_token_count",
            ),
            _AS_SPECIFIED,
        ),
        total=("total",),
    ),
    Shape(
        title="Bedrock Converse; of the Vercel AI SDK only the cached tokens are spelled so",
        marks=(
            "inputTokens",
            "outputTokens",
            "cacheReadInputTokens",
            "cacheWriteInputTokens",
            "cacheCreationInputTokens",
        ),
        fields={
            "input_tokens": ("inputTokens",),
            "output_tokens": ("outputTokens",),
            "cache_read_tokens": ("cacheReadInputTokens",),
            "cache_write_tokens": ("cacheWriteInputTokens", "cacheCreationInputTokens"),
            CACHE_WRITE_5M: ("cacheDetails.ttl=5m.inputTokens",),
            "cache_write_1h_tokens": ("cacheDetails.ttl=1h.inputTokens",),
        },
        readings=(Reading(CACHE),),
    ),
    Shape(
        title="Anthropic messages",
        marks=("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"),
        fields={
            "input_tokens": ("input_tokens",),
            "output_tokens": ("output_tokens",),
            "cache_read_tokens": ("cache_read_input_tokens",),
            "cache_write_tokens": ("cache_creation_input_tokens",),
            CACHE_WRITE_5M: ("cache_creation.ephemeral_5m_input_tokens",),
            "cache_write_1h_tokens": ("cache_creation.ephemeral_1h_input_tokens",),
            "reasoning_tokens": ("output_tokens_details.thinking_tokens",),
            "web_searches": ("server_tool_use.web_search_requests",),
        },
        readings=(Reading(CACHE),),
    ),
    Shape(
        title="OpenAI responses, LangChain's `usage_metadata`, and others that follow OpenTelemetry's totals",
        marks=("input_tokens", "output_tokens"),
        fields={
            "input_tokens": ("input_tokens",),
            "output_tokens": ("output_tokens",),
            "cache_read_tokens": (
                "input_tokens_details.cached_tokens",
                "input_token_details.cached_tokens",
                "input_token_details.cache_read",
                "input_token_details.flex_cache_read",
                "input_token_details.priority_cache_read",
            ),
            "cache_write_tokens": (
                "input_tokens_details.cache_write_tokens",
                "input_token_details.cache_creation",
            ),
            CACHE_WRITE_5M: ("input_token_details.ephemeral_5m_input_tokens",),
            "cache_write_1h_tokens": ("input_token_details.ephemeral_1h_input_tokens",),
            "reasoning_tokens": (
                "output_tokens_details.reasoning_tokens",
                "output_token_details.reasoning_tokens",
                "output_token_details.reasoning",
                "output_token_details.flex_reasoning",
                "output_token_details.priority_reasoning",
            ),
            "input_audio_tokens": (
                "input_tokens_details.audio_tokens",
                "input_token_details.audio_tokens",
                "input_token_details.audio",
            ),
            "cache_read_audio_tokens": ("input_token_details.cached_tokens_details.audio_tokens",),
            "output_audio_tokens": (
                "output_tokens_details.audio_tokens",
                "output_token_details.audio_tokens",
                "output_token_details.audio",
            ),
            "input_image_tokens": ("input_tokens_details.image_tokens", "input_token_details.image_tokens"),
            "output_image_tokens": ("output_tokens_details.image_tokens",),
        },
    ),
    Shape(
        title="OpenAI chat completions as JavaScript libraries spell them",
        marks=("promptTokens", "completionTokens"),
        fields={
            "input_tokens": ("promptTokens",),
            "output_tokens": ("completionTokens",),
            "cache_read_tokens": ("promptTokensDetails.cachedTokens",),
            "reasoning_tokens": ("completionTokensDetails.reasoningTokens",),
        },
    ),
    Shape(
        title="Vercel AI SDK, what its OpenAI and DeepSeek providers add to input and output",
        marks=("cachedPromptTokens", "promptCacheHitTokens", "reasoningTokens"),
        fields={
            "cache_read_tokens": ("cachedPromptTokens", "promptCacheHitTokens"),
            "reasoning_tokens": ("reasoningTokens",),
        },
    ),
    Shape(
        title="OpenAI transcriptions that are paid by the length of the audio",
        marks=("seconds",),
        fields={},
        seconds={"input_audio_ns": ("seconds",)},
        requires=("type",),
    ),
    Shape(
        title="Cohere's billed units of a reranking",
        marks=("search_units",),
        fields={"rerank_searches": ("search_units",)},
    ),
)
"""The usage objects that are known. Any other is not read."""
