"""Frameworks, gateways and SDKs that follow another dialect, and what they add to it.

Sources: captures of pydantic-ai 1.0 and 2.68, Logfire 5.2, LangSmith, LiteLLM 1.74 and 1.106; the source of
Semantic Kernel and of Pipecat, and Sentry's published conventions.
"""

from typing import Final

from otel_usage.dialects.dialect import (
    AGENT,
    CHAT,
    COMPLETION,
    EMBEDDINGS,
    IMAGE,
    PAYLOAD,
    RETRIEVAL,
    SPEECH,
    TOOL,
    TRANSCRIPTION,
    WORKFLOW,
    Dialect,
    Kind,
)
from otel_usage.dialects.otel_genai import OPERATION

PYDANTIC_AI: Final = Dialect(
    title="pydantic-ai and the Logfire SDK",
    fields={
        "cache_read_tokens": (
            "gen_ai.usage.details.cache_read_tokens",
            "gen_ai.usage.details.cache_read_input_tokens",
            "gen_ai.aggregated_usage.cache_read.input_tokens",
        ),
        "cache_write_tokens": (
            "gen_ai.usage.details.cache_write_tokens",
            "gen_ai.usage.details.cache_creation_input_tokens",
            "gen_ai.aggregated_usage.cache_creation.input_tokens",
        ),
        "cache_write_1h_tokens": (
            "gen_ai.usage.details.ephemeral_1h_input_tokens",
            "gen_ai.aggregated_usage.details.ephemeral_1h_input_tokens",
        ),
        "reasoning_tokens": (
            "gen_ai.usage.details.reasoning_tokens",
            "gen_ai.usage.details.thoughts_tokens",
        ),
        "input_audio_tokens": ("gen_ai.usage.details.input_audio_tokens",),
        "cache_read_audio_tokens": ("gen_ai.usage.details.cache_audio_read_tokens",),
        "output_audio_tokens": ("gen_ai.usage.details.output_audio_tokens",),
        # Of agents: the sum of their calls.
        "input_tokens": ("gen_ai.aggregated_usage.input_tokens",),
        "output_tokens": ("gen_ai.aggregated_usage.output_tokens",),
    },
    span_names={"agent run": AGENT},
    prefixes=("gen_ai.aggregated_usage.", "operation.cost"),
    cannot_tell=[
        "pydantic-ai 1.0, OpenAI: cache reads",
        "Logfire's record of a stream: a response id",
    ],
)

LANGSMITH: Final = Dialect(
    title="LangSmith's OpenTelemetry export",
    fields={"service_tier": ("gen_ai.response.service_tier",)},
    kinds=[
        Kind(
            "langsmith.span.kind",
            {
                "llm": CHAT,
                "embedding": EMBEDDINGS,
                "chain": WORKFLOW,
                "tool": TOOL,
                "retriever": RETRIEVAL,
                "prompt": "prompt",
                "parser": "parser",
            },
        ),
        Kind(OPERATION, {"chain": WORKFLOW}),
    ],
    cannot_tell=["LangChain: a response id, except inside `gen_ai.completion`"],
)

LITELLM: Final = Dialect(
    title="LiteLLM's `otel` callback",
    fields={},
    kinds=[
        Kind(
            OPERATION,
            {
                "completion": CHAT,
                "acompletion": CHAT,
                "responses": CHAT,
                "aresponses": CHAT,
                "anthropic_messages": CHAT,
                "atext_completion": COMPLETION,
                "aembedding": EMBEDDINGS,
                "aimage_generation": IMAGE,
                "speech": SPEECH,
                "aspeech": SPEECH,
                "transcription": TRANSCRIPTION,
                "atranscription": TRANSCRIPTION,
            },
        ),
        Kind("llm.request.type", {"responses": CHAT, "acompletion": CHAT, "aresponses": CHAT}),
    ],
    span_names={"litellm_request": CHAT, "raw_gen_ai_request": PAYLOAD},
    prefixes=("gen_ai.cost.",),
    cannot_tell=[
        "cache reads and writes and reasoning, except inside `metadata.usage_object`",
        "streams without usage: it writes 0 and 0, which is taken as missing",
        "embeddings and the Responses API: a response id",
    ],
)

SEMANTIC_KERNEL: Final = Dialect(
    title="Semantic Kernel before 1.38, and who kept its words",
    fields={
        "input_tokens": ("gen_ai.response.prompt_tokens",),
        "output_tokens": ("gen_ai.response.completion_tokens",),
    },
    kinds=[
        Kind(
            OPERATION,
            {
                "chat.completions": CHAT,
                "chat.streaming_completions": CHAT,
                "text.completions": COMPLETION,
                "text.streaming_completions": COMPLETION,
            },
        )
    ],
)

SENTRY: Final = Dialect(
    title="Sentry's SDKs",
    fields={
        "request_model": ("ai.model_id",),
        "input_tokens": ("ai.prompt_tokens.used",),
        "output_tokens": ("ai.completion_tokens.used",),
        "cache_read_tokens": (
            "gen_ai.usage.input_tokens.cached",
            "gen_ai.usage.input_tokens.cache_read",
        ),
        "cache_write_tokens": ("gen_ai.usage.input_tokens.cache_write",),
        "reasoning_tokens": ("gen_ai.usage.output_tokens.reasoning",),
        "total_tokens": ("ai.total_tokens.used",),
    },
    prefixes=("ai.total_tokens.",),
)

PIPECAT: Final = Dialect(
    title="Pipecat",
    fields={"input_characters": ("metrics.character_count",)},
    kinds=[Kind(OPERATION, {"tts": SPEECH, "stt": TRANSCRIPTION})],
    cannot_tell=["speech to text: how much audio it was"],
)
