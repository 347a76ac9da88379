"""Langfuse's SDKs. Their counts are in a document, `langfuse.observation.usage_details`.

Source: captures of the Python SDK 3.3 and 5.0 and of the JavaScript SDK 5.11.
"""

from typing import Final

from otel_usage.dialects.dialect import AGENT, CHAT, EMBEDDINGS, RETRIEVAL, TOOL, WORKFLOW, Dialect, Kind

LANGFUSE: Final = Dialect(
    title="Langfuse SDK: `langfuse-sdk`",
    fields={"response_model": ("langfuse.observation.model.name",)},
    kinds=[
        Kind(
            "langfuse.observation.type",
            {
                "generation": CHAT,
                "embedding": EMBEDDINGS,
                "agent": AGENT,
                "chain": WORKFLOW,
                "tool": TOOL,
                "retriever": RETRIEVAL,
                "span": "span",
                "event": "event",
                "evaluator": "evaluator",
                "guardrail": "guardrail",
            },
        )
    ],
    cannot_tell=["provider and response id", "3.3, embeddings: any count"],
)
