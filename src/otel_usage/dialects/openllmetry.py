"""OpenLLMetry (Traceloop), in Python and JavaScript, from 2023 on.

Since 0.5x it follows OpenTelemetry's names; these are what it has besides, and had before.
Source: opentelemetry-semantic-conventions-ai, and captures of 0.40, 0.62 and 0.27 (JavaScript).
"""

from typing import Final

from otel_usage.dialects.dialect import (
    AGENT,
    CHAT,
    COMPLETION,
    EMBEDDINGS,
    RERANK,
    TASK,
    TOOL,
    WORKFLOW,
    Dialect,
    Kind,
)

OPENLLMETRY: Final = Dialect(
    title="OpenLLMetry: the Traceloop SDK and `opentelemetry-instrumentation-*` by Traceloop",
    fields={
        "host": ("gen_ai.openai.api_base",),
        "input_tokens": ("llm.usage.prompt_tokens",),
        "output_tokens": ("llm.usage.completion_tokens",),
        "reasoning_tokens": ("gen_ai.usage.reasoning_tokens", "llm.usage.reasoning_tokens"),
        "total_tokens": ("llm.usage.total_tokens",),
    },
    kinds=[
        Kind(
            "llm.request.type",
            {
                "chat": CHAT,
                "completion": COMPLETION,
                "embedding": EMBEDDINGS,
                "rerank": RERANK,
                "unknown": CHAT,  # a call to a model whose method has no name in this list
            },
        ),
        Kind("traceloop.span.kind", {"workflow": WORKFLOW, "task": TASK, "agent": AGENT, "tool": TOOL}),
    ],
    prefixes=("llm.usage.",),
    cannot_tell=[
        "Google: thoughts; the calls of automatic function calling but the last",
        "Bedrock InvokeModel: cache reads and writes",
        "JavaScript, OpenAI: cache reads, reasoning; streams: any count",
        "JavaScript, Anthropic: a response id",
        "audio, how long cache writes live",
        "0.40: reasoning",
    ],
)
