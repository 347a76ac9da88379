"""OpenInference: Arize's conventions, in Python and JavaScript.

Source: openinference-semantic-conventions (`trace`), and captures of its instrumentations.
"""

from typing import Final

from otel_usage.dialects.dialect import (
    AGENT,
    CHAT,
    EMBEDDINGS,
    RERANK,
    RETRIEVAL,
    TOOL,
    WORKFLOW,
    Dialect,
    Kind,
)

OPENINFERENCE: Final = Dialect(
    title="OpenInference: `openinference.instrumentation.*` and `@arizeai/openinference-*`",
    fields={
        "provider": ("llm.provider", "llm.system"),
        "request_model": ("llm.request.model_name",),
        # The model that answered where that is known, else the one asked for.
        "response_model": ("llm.response.model_name", "llm.model_name", "embedding.model_name"),
        "input_tokens": ("llm.token_count.prompt",),
        "output_tokens": ("llm.token_count.completion",),
        "cache_read_tokens": (
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ),
        "cache_write_tokens": ("llm.token_count.prompt_details.cache_write",),
        "reasoning_tokens": ("llm.token_count.completion_details.reasoning",),
        "input_audio_tokens": ("llm.token_count.prompt_details.audio",),
        "output_audio_tokens": ("llm.token_count.completion_details.audio",),
        "total_tokens": ("llm.token_count.total",),
    },
    kinds=[
        Kind(
            "openinference.span.kind",
            {
                "LLM": CHAT,
                "EMBEDDING": EMBEDDINGS,
                "RERANKER": RERANK,
                "AGENT": AGENT,
                "CHAIN": WORKFLOW,
                "TOOL": TOOL,
                "RETRIEVER": RETRIEVAL,
                "GUARDRAIL": "guardrail",
                "EVALUATOR": "evaluator",
                "PROMPT": "prompt",
            },
        )
    ],
    prefixes=("llm.token_count.", "llm.cost."),
    cannot_tell=[
        "a response id, except inside `output.value`",
        "how long cache writes live, and the service tier, except inside `output.value`",
        "`openinference.instrumentation.anthropic` before 1.0, streams: cache reads and writes",
        "`openinference.instrumentation.crewai` by itself, Groq streams: any count",
    ],
)
