"""OpenTelemetry's GenAI semantic conventions, in all their ages.

Sources: semantic-conventions 1.25 to 1.44 (`docs/gen-ai`) and semantic-conventions-genai, which renamed
`cache_creation` to `cache_write` and added modality counts in 2026 (#440); Anthropic's SDK for the split of
cache writes by lifetime.
"""

from typing import Final

from otel_usage.dialects.dialect import (
    AGENT,
    CHAT,
    COMPLETION,
    CONTENT,
    EMBEDDINGS,
    IMAGE,
    RERANK,
    RETRIEVAL,
    SPEECH,
    TASK,
    TOOL,
    TRANSCRIPTION,
    WORKFLOW,
    Dialect,
    Kind,
)

OPERATION: Final = "gen_ai.operation.name"

OTEL_GENAI: Final = Dialect(
    title="OpenTelemetry GenAI: its own instrumentations, the Anthropic and Mistral SDKs, and many more",
    fields={
        "provider": ("gen_ai.provider.name", "gen_ai.system"),
        "request_model": ("gen_ai.request.model",),
        "response_model": ("gen_ai.response.model",),
        "response_id": ("gen_ai.response.id",),
        # The tier that was served: the one asked for is no price.
        "service_tier": (
            "openai.response.service_tier",
            "gen_ai.openai.response.service_tier",
            "anthropic.response.service_tier",
        ),
        "region": ("aws.region", "cloud.region"),
        "error_type": ("error.type",),
        "host": ("server.address", "url.full"),
        "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "cache_read_tokens": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
        ),
        "cache_write_tokens": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
        ),
        "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
        "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens",),
        "input_audio_tokens": ("gen_ai.usage.audio.input_tokens",),
        "cache_read_audio_tokens": ("gen_ai.usage.audio.cache_read.input_tokens",),
        "output_audio_tokens": ("gen_ai.usage.audio.output_tokens",),
        "input_image_tokens": ("gen_ai.usage.image.input_tokens",),
        "output_image_tokens": ("gen_ai.usage.image.output_tokens",),
        # Not of the conventions: gateways that pass on what Anthropic counts.
        "web_searches": ("gen_ai.usage.server_tool_use.web_search_requests",),
        "total_tokens": ("gen_ai.usage.total_tokens",),
    },
    kinds=[
        Kind(
            OPERATION,
            {
                "chat": CHAT,
                "generate_content": CONTENT,
                "text_completion": COMPLETION,
                "embeddings": EMBEDDINGS,
                "embedding": EMBEDDINGS,
                "rerank": RERANK,
                "image": IMAGE,
                "image_generation": IMAGE,
                "text_to_speech": SPEECH,
                "speech_to_text": TRANSCRIPTION,
                "invoke_agent": AGENT,
                "create_agent": "create_agent",
                "invoke_workflow": WORKFLOW,
                "execute_task": TASK,
                "execute_tool": TOOL,
                "retrieval": RETRIEVAL,
                "fetch_response": "fetch_response",
                "plan": "plan",
            },
        )
    ],
    prefixes=("gen_ai.usage.", "anthropic.usage."),
    cannot_tell=[
        "`opentelemetry.instrumentation.openai_v2`: cache reads, reasoning, the Responses API",
        "`opentelemetry.instrumentation.botocore`: a response id; cache counts of InvokeModel",
        "`opentelemetry.instrumentation.google_genai`: the calls of automatic function calling but the last",
        "embeddings: a response id",
        "streams of OpenAI without `include_usage`: any count",
        "all but the Anthropic SDK: how long cache writes live",
    ],
)
