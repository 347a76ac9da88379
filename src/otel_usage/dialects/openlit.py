"""OpenLIT. It follows OpenTelemetry's names; these are what it has besides, or had once.

Source: its `semcov` module, and captures of 1.45.
"""

from typing import Final

from otel_usage.dialects.dialect import Dialect

OPENLIT: Final = Dialect(
    title="OpenLIT: `openlit.instrumentation.*`, before 1.39 `openlit.otel.tracing`",
    fields={
        "cache_read_tokens": ("gen_ai.usage.prompt_tokens_details.cached_tokens",),
        "cache_write_tokens": ("gen_ai.usage.prompt_tokens_details.cache_creation_tokens",),
        "reasoning_tokens": ("gen_ai.usage.completion_tokens_details.reasoning_tokens",),
        "output_audio_tokens": ("gen_ai.usage.completion_tokens_details.audio_tokens",),
        # An attribute, though it has the name of a metric.
        "total_tokens": ("gen_ai.client.token.usage",),
    },
    prefixes=("gen_ai.client.token.usage",),
    cannot_tell=[
        "streams without usage: it counts the text by itself (with OpenAI that shows: `estimated`)",
        "1.33: cache reads and writes",
        "how long cache writes live",
    ],
)
