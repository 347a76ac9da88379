"""The spans of coding agents; their log events are in `events`, their metrics in `metrics`.

Sources: the documentation and source of Claude Code, Codex, Gemini CLI and Copilot.
"""

from typing import Final

from otel_usage.dialects.dialect import CHAT, Dialect, Kind
from otel_usage.dialects.otel_genai import OPERATION

CLAUDE_CODE: Final = Dialect(
    title="Claude Code's spans (beta)",
    fields={
        "request_model": ("model",),
        "response_id": ("request_id",),
        "service_tier": ("speed",),
        "input_tokens": ("input_tokens",),
        "output_tokens": ("output_tokens",),
        "cache_read_tokens": ("cache_read_tokens",),
        "cache_write_tokens": ("cache_creation_tokens",),
    },
    span_names={"claude_code.llm_request": CHAT},
    scopes=("com.anthropic.claude_code.*",),
    cannot_tell=[
        "the provider behind it, unless the name of the model gives it away",
        "how long cache writes live",
    ],
)

CODEX: Final = Dialect(
    title="Codex's spans",
    fields={
        "reasoning_tokens": ("codex.usage.reasoning_output_tokens",),
        "total_tokens": ("codex.usage.total_tokens",),
    },
    span_names={"handle_responses": CHAT},
    prefixes=("codex.usage.",),
    cannot_tell=["the model, cache writes and a response id"],
)

GEMINI_CLI: Final = Dialect(
    title="Gemini CLI's spans",
    fields={},
    kinds=[Kind(OPERATION, {"llm_call": CHAT})],
    cannot_tell=["thoughts, cache reads and a response id: its log records tell them"],
)

COPILOT: Final = Dialect(
    title="GitHub Copilot's spans",
    fields={},
    prefixes=("github.copilot.nano_aiu",),
)
