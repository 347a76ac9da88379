"""Vercel's AI SDK, 3.3 to 7. Version 7 follows OpenTelemetry's names.

An outer span (`ai.generateText`) sums up, or repeats, its inner ones (`ai.generateText.doGenerate`), which
are the calls.
Source: captures of 4, 6 and 7, and the SDK's telemetry documentation.
"""

from collections.abc import Mapping
from typing import Final

from otel_usage.dialects.dialect import AGENT, CHAT, EMBEDDINGS, RERANK, TOOL, WORKFLOW, Dialect, Kind

_TEXT: Final = ("generateText", "streamText", "generateObject", "streamObject")
_OPERATIONS: Final[Mapping[str, str]] = (
    {f"ai.{function}": AGENT for function in _TEXT}
    | {f"ai.{function}.{call}": CHAT for function in _TEXT for call in ("doGenerate", "doStream")}
    | {f"ai.{function}": WORKFLOW for function in ("embed", "embedMany", "rerank")}
    | {f"ai.{function}.doEmbed": EMBEDDINGS for function in ("embed", "embedMany")}
    | {"ai.rerank.doRerank": RERANK, "ai.toolCall": TOOL}
)

VERCEL_AI: Final = Dialect(
    title="Vercel AI SDK: `ai` and `@ai-sdk/otel`",
    fields={
        "provider": ("ai.model.provider",),
        "request_model": ("ai.model.id",),
        "response_model": ("ai.response.model",),
        "response_id": ("ai.response.id",),
        "input_tokens": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens"),
        "output_tokens": ("ai.usage.outputTokens", "ai.usage.completionTokens"),
        "cache_read_tokens": ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
        "cache_write_tokens": ("ai.usage.inputTokenDetails.cacheWriteTokens",),
        "reasoning_tokens": ("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
        "total_tokens": ("ai.usage.totalTokens",),
    },
    kinds=[Kind("ai.operationId", _OPERATIONS)],
    prefixes=("ai.usage.",),
    cannot_tell=[
        "7: reasoning, unless the option `usage` is on; how long cache writes live",
        "4: counts of streams without usage, which it writes as NaN",
        "embeddings: a response id",
    ],
)
