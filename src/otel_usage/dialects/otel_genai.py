"""OpenTelemetry's GenAI semantic conventions, in all their ages.

For each canonical field the attribute names that carry it, the newest first. Sources: semantic-conventions
1.25 to 1.44 (`docs/gen-ai`) and semantic-conventions-genai, which renamed `cache_creation` to `cache_write`
and added modality counts in 2026 (#440); Anthropic's SDK for the split of cache writes by lifetime.
"""

from collections.abc import Mapping
from typing import Final

Aliases = tuple[str, ...]

OPERATION: Final[Aliases] = ("gen_ai.operation.name",)
PROVIDER: Final[Aliases] = ("gen_ai.provider.name", "gen_ai.system")
REQUEST_MODEL: Final[Aliases] = ("gen_ai.request.model",)
RESPONSE_MODEL: Final[Aliases] = ("gen_ai.response.model",)
RESPONSE_ID: Final[Aliases] = ("gen_ai.response.id",)
SERVICE_TIER: Final[Aliases] = (
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "anthropic.response.service_tier",
)
"""The tier that was served. The one asked for is no price."""
ERROR_TYPE: Final[Aliases] = ("error.type",)

TOKENS: Final[Mapping[str, Aliases]] = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "cache_read_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
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
}

INFERENCE: Final = ("chat", "generate_content", "text_completion", "embeddings")
"""Operations that are one call to a model. Every other operation repeats or has no usage of its own."""
EMBEDDINGS: Final = "embeddings"
