"""What the oracle knows of dialects: written down a second time, by hand, from the same sources.

Compare with `otel_usage.dialects`; nothing is imported from there, so that a slip of the pen shows.
"""

from collections.abc import Mapping
from typing import Any, Final

COUNTS: Final = {
    "input_tokens": [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
        "gen_ai.aggregated_usage.input_tokens",
        "gen_ai.response.prompt_tokens",
        "ai.prompt_tokens.used",
        "input_tokens",
    ],
    "output_tokens": [
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
        "gen_ai.aggregated_usage.output_tokens",
        "gen_ai.response.completion_tokens",
        "ai.completion_tokens.used",
        "output_tokens",
    ],
    "cache_read_tokens": [
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.aggregated_usage.cache_read.input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.input_tokens.cache_read",
        "cache_read_tokens",
    ],
    "cache_write_tokens": [
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
        "llm.token_count.prompt_details.cache_write",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.aggregated_usage.cache_creation.input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "cache_creation_tokens",
    ],
    "cache_write_1h_tokens": [
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
        "gen_ai.usage.details.ephemeral_1h_input_tokens",
        "gen_ai.aggregated_usage.details.ephemeral_1h_input_tokens",
    ],
    "reasoning_tokens": [
        "gen_ai.usage.reasoning.output_tokens",
        "ai.usage.outputTokenDetails.reasoningTokens",
        "ai.usage.reasoningTokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "gen_ai.usage.details.thoughts_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "codex.usage.reasoning_output_tokens",
    ],
    "input_audio_tokens": [
        "gen_ai.usage.audio.input_tokens",
        "llm.token_count.prompt_details.audio",
        "gen_ai.usage.details.input_audio_tokens",
    ],
    "cache_read_audio_tokens": [
        "gen_ai.usage.audio.cache_read.input_tokens",
        "gen_ai.usage.details.cache_audio_read_tokens",
    ],
    "output_audio_tokens": [
        "gen_ai.usage.audio.output_tokens",
        "llm.token_count.completion_details.audio",
        "gen_ai.usage.completion_tokens_details.audio_tokens",
        "gen_ai.usage.details.output_audio_tokens",
    ],
    "input_image_tokens": ["gen_ai.usage.image.input_tokens"],
    "output_image_tokens": ["gen_ai.usage.image.output_tokens"],
}
AUDIO_SECONDS: Final = ["otel_usage.audio.duration"]
QUANTITIES: Final = {
    "input_characters": ["otel_usage.input.characters", "metrics.character_count"],
    "web_searches": ["otel_usage.web_searches", "gen_ai.usage.server_tool_use.web_search_requests"],
    "rerank_searches": ["otel_usage.rerank_searches"],
    "output_images": ["otel_usage.output.images"],
}
TOTALS: Final = [
    "gen_ai.usage.total_tokens",
    "ai.usage.totalTokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "gen_ai.client.token.usage",
    "ai.total_tokens.used",
    "codex.usage.total_tokens",
]
ASIDE: Final = (
    *("gen_ai.usage.", "anthropic.usage.", "ai.usage.", "llm.usage.", "llm.token_count.", "llm.cost."),
    *("gen_ai.client.token.usage", "gen_ai.aggregated_usage.", "operation.cost", "gen_ai.cost."),
    *("ai.total_tokens.", "codex.usage.", "github.copilot.nano_aiu"),
)
"""What begins so is kept aside, if it is not one of the names here."""
DOCUMENTS: Final = (
    *("langfuse.observation.usage_details", "langsmith.metadata.usage_metadata", "gen_ai.usage.raw"),
    *("ai.response.providerMetadata", "metadata.usage_object", "output.value", "gen_ai.completion"),
)
"""Attributes that hold a document. The oracle reads none: give it requests without them."""

PROVIDER: Final = [
    *("gen_ai.provider.name", "gen_ai.system", "ai.model.provider", "llm.provider", "llm.system"),
]
REQUEST_MODEL: Final = [
    *("gen_ai.request.model", "ai.model.id", "llm.request.model_name", "ai.model_id", "model"),
]
RESPONSE_MODEL: Final = [
    *("gen_ai.response.model", "ai.response.model", "llm.response.model_name", "llm.model_name"),
    *("embedding.model_name", "langfuse.observation.model.name"),
]
RESPONSE_ID: Final = ["gen_ai.response.id", "ai.response.id", "request_id"]
SERVICE_TIER: Final = [
    "openai.response.service_tier",
    "gen_ai.openai.response.service_tier",
    "anthropic.response.service_tier",
    "gen_ai.response.service_tier",
    "speed",
]
REGION: Final = ["aws.region", "cloud.region"]
HOST: Final = ["server.address", "url.full", "gen_ai.openai.api_base"]
CLAUDE_CODE_NAMES: Final = {
    *("model", "request_id", "speed", "input_tokens", "output_tokens", "cache_read_tokens"),
    "cache_creation_tokens",
}
"""Read on spans of Claude Code only."""

_VERCEL_TEXT: Final = ("generatetext", "streamtext", "generateobject", "streamobject")
KINDS: Final = {
    "gen_ai.operation.name": {
        **{name: name for name in ("chat", "generate_content", "text_completion", "embeddings", "rerank")},
        **{name: name for name in ("text_to_speech", "speech_to_text", "invoke_agent", "create_agent")},
        **{name: name for name in ("invoke_workflow", "execute_task", "execute_tool", "retrieval", "plan")},
        **dict.fromkeys(("completion", "acompletion", "responses", "aresponses", "llm_call"), "chat"),
        **dict.fromkeys(("anthropic_messages", "chat.completions", "chat.streaming_completions"), "chat"),
        **dict.fromkeys(("text.completions", "text.streaming_completions"), "text_completion"),
        **dict.fromkeys(("image", "image_generation", "aimage_generation"), "generate_image"),
        **dict.fromkeys(("speech", "aspeech"), "text_to_speech"),
        **dict.fromkeys(("transcription", "atranscription"), "speech_to_text"),
        "tts": "text_to_speech",
        "stt": "speech_to_text",
        "atext_completion": "text_completion",
        "embedding": "embeddings",
        "aembedding": "embeddings",
        "fetch_response": "fetch_response",
        "chain": "invoke_workflow",
    },
    "ai.operationId": {
        **{f"ai.{name}": "invoke_agent" for name in _VERCEL_TEXT},
        **{f"ai.{name}.{call}": "chat" for name in _VERCEL_TEXT for call in ("dogenerate", "dostream")},
        **{f"ai.{name}": "invoke_workflow" for name in ("embed", "embedmany", "rerank")},
        **{f"ai.{name}.doembed": "embeddings" for name in ("embed", "embedmany")},
        "ai.rerank.dorerank": "rerank",
        "ai.toolcall": "execute_tool",
    },
    "llm.request.type": {
        "chat": "chat",
        "completion": "text_completion",
        "embedding": "embeddings",
        "rerank": "rerank",
        "unknown": "chat",
        "responses": "chat",
        "acompletion": "chat",
        "aresponses": "chat",
    },
    "traceloop.span.kind": {
        "workflow": "invoke_workflow",
        "task": "execute_task",
        "agent": "invoke_agent",
        "tool": "execute_tool",
    },
    "openinference.span.kind": {
        "llm": "chat",
        "embedding": "embeddings",
        "reranker": "rerank",
        "agent": "invoke_agent",
        "chain": "invoke_workflow",
        "tool": "execute_tool",
        "retriever": "retrieval",
        "guardrail": "guardrail",
        "evaluator": "evaluator",
        "prompt": "prompt",
    },
    "langfuse.observation.type": {
        "generation": "chat",
        "embedding": "embeddings",
        "agent": "invoke_agent",
        "chain": "invoke_workflow",
        "tool": "execute_tool",
        "retriever": "retrieval",
        **{name: name for name in ("span", "event", "evaluator", "guardrail")},
    },
    "langsmith.span.kind": {
        "llm": "chat",
        "embedding": "embeddings",
        "chain": "invoke_workflow",
        "tool": "execute_tool",
        "retriever": "retrieval",
        **{name: name for name in ("prompt", "parser")},
    },
}
"""In the order in which they are asked."""
SPAN_NAMES: Final = {
    "agent run": "invoke_agent",
    "litellm_request": "chat",
    "raw_gen_ai_request": "raw_payload",
    "claude_code.llm_request": "chat",
    "handle_responses": "chat",
}
CALLS: Final = {"chat", "generate_content", "text_completion", "embeddings"}
CALLS_IF_USED: Final = {"rerank", "generate_image", "text_to_speech", "speech_to_text"}

HOSTS: Final = {
    "api.openai.com": "openai",
    "anthropic.com": "anthropic",
    "openai.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "mistral.ai": "mistral_ai",
    "api.x.ai": "x_ai",
}
"""Those that tests know of."""
REGIONAL_HOSTS: Final = {
    "bedrock-runtime.eu-central-1.amazonaws.com": ("aws.bedrock", "eu-central-1"),
    "vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com": ("aws.bedrock", "us-east-1"),
    "europe-west4-aiplatform.googleapis.com": ("gcp.vertex_ai", "europe-west4"),
    "eu.api.openai.com": ("openai", "eu"),
}
PROVIDERS: Final = {
    **{name: name for name in ("openai", "anthropic", "aws.bedrock", "gcp.gemini", "groq", "openrouter")},
    **{name: name for name in ("cohere", "gcp.vertex_ai", "gcp.gen_ai", "azure.ai.openai", "mistral_ai")},
    "aws": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "google": "gcp.gen_ai",
    "gemini": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "az.ai.openai": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
}
"""Those that tests know of."""
NO_PROVIDERS: Final = {
    *("strands-agents", "langchain", "langgraph", "microsoft.agent_framework", "gateway", "crewai"),
    *("litellm", "none", "null", "unknown", "_other"),
}
IMPLIED: Final = [
    ("com.anthropic.claude_code.*", "anthropic"),
    ("codex*", "openai"),
    ("gemini-cli*", "gcp.gemini"),
]

# Scope, and what input (read, write) and output (reasoning) lack; then what else must hold.
_NOTHING: Final = ""
CONVENTIONS: Final[list[tuple[str, str, Mapping[str, Any]]]] = [
    ("com.anthropic.claude_code.*", "read write", {}),
    ("com.anthropic.sdk.*", _NOTHING, {}),
    ("mistralai_sdk_tracer", _NOTHING, {}),
    ("opentelemetry.instrumentation.botocore.*", "read write", {}),
    ("opentelemetry.instrumentation.genai.bedrock", "read write", {}),
    ("opentelemetry.instrumentation.genai.*", _NOTHING, {}),
    ("opentelemetry.util.genai.*", _NOTHING, {}),
    ("opentelemetry.instrumentation.openai_v2", _NOTHING, {}),
    ("opentelemetry.instrumentation.google_genai", _NOTHING, {}),
    ("@opentelemetry/instrumentation-openai", _NOTHING, {}),
    ("opentelemetry.instrumentation.bedrock", "read write", {}),
    ("opentelemetry.instrumentation.google_generativeai", "reasoning", {}),
    ("opentelemetry.instrumentation.vertexai", "reasoning", {}),
    *(
        (f"opentelemetry.instrumentation.{name}", _NOTHING, {})
        for name in ("anthropic", "cohere", "groq", "langchain", "mistralai", "openai.v0", "openai.v1")
    ),
    ("opentelemetry.instrumentation.openai_agents", _NOTHING, {}),
    ("@traceloop/instrumentation-anthropic", "read write", {}),
    ("@traceloop/instrumentation-openai", _NOTHING, {}),
    ("openinference.instrumentation.bedrock", "read write", {"until": (0, 1, 46)}),
    ("openinference.instrumentation.bedrock", _NOTHING, {"since": (0, 1, 61)}),
    *(
        (f"openinference.instrumentation.{name}", _NOTHING, {})
        for name in (
            *("anthropic", "crewai", "google_genai", "groq", "langchain", "litellm", "mistralai", "openai"),
            *("openai_agents", "smolagents"),
        )
    ),
    ("@arizeai/openinference-instrumentation-openai", _NOTHING, {}),
    ("openlit.instrumentation.anthropic", "read write", {}),
    ("openlit.instrumentation.bedrock", "read write", {}),
    ("openlit.instrumentation.google_ai_studio", "reasoning", {}),
    ("openlit.instrumentation.vertexai", "reasoning", {}),
    *(
        (f"openlit.instrumentation.{name}", _NOTHING, {})
        for name in ("cohere", "groq", "langchain", "openai")
    ),
    ("openlit.otel.tracing", "read write", {"providers": ["anthropic", "*bedrock"]}),
    ("openlit.otel.tracing", "reasoning", {"providers": ["gemini", "vertex*", "gcp*"]}),
    ("openlit.otel.tracing", _NOTHING, {}),
    ("pydantic-ai", _NOTHING, {"since": (1,)}),
    ("logfire.anthropic", _NOTHING, {}),
    ("logfire.openai", _NOTHING, {}),
    ("ai", _NOTHING, {"has": "ai.usage.inputTokenDetails.cacheReadTokens"}),
    ("ai", _NOTHING, {"has": "ai.usage.inputTokenDetails.noCacheTokens"}),
    ("ai", "read write", {"providers": ["anthropic*", "*.anthropic.*", "*bedrock*"]}),
    ("ai", "reasoning", {"providers": ["google*"]}),
    ("ai", _NOTHING, {}),
    ("gen_ai", _NOTHING, {}),
    ("langsmith", _NOTHING, {}),
    ("litellm", "write", {"providers": ["anthropic"], "lacks": "gen_ai.operation.name"}),
    ("litellm", _NOTHING, {}),
    ("strands.telemetry.tracer", _NOTHING, {"has": "gen_ai.usage.cache_read.input_tokens"}),
    ("agent_framework", _NOTHING, {"providers": ["openai", "azure*"]}),
    ("gcp.vertex.agent", _NOTHING, {}),
    ("codex*", _NOTHING, {}),
    ("gemini-cli*", "reasoning", {}),
]
MARKS: Final = ["ai.usage.inputTokenDetails.noCacheTokens"]
"""Attributes that are known though no count is read from them, and so are not kept aside."""

RANKS: Final = [
    ("com.anthropic.*", 10),
    ("mistralai_sdk_tracer", 10),
    *((f"*instrumentation*.{name}", 6) for name in ("langchain", "openai_agents", "litellm", "smolagents")),
    *((f"*instrumentation*.{name}", 6) for name in ("crewai", "langgraph")),
    *((name, 6) for name in ("ai", "gen_ai", "agent_framework", "gcp.vertex.agent", "langsmith", "litellm")),
    *((name, 6) for name in ("pydantic-ai", "strands.*", "traceloop.tracer")),
    *((f"{name}.instrumentation.*", 8) for name in ("opentelemetry", "openinference")),
    ("openlit.*", 8),
    *((name, 8) for name in ("opentelemetry.util.genai.*", "logfire.*", "@*/*instrumentation-*")),
    *((name, 8) for name in ("codex*", "gemini-cli*")),
    ("*", 7),
]
