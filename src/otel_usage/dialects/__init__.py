"""The attribute languages of LLM telemetry, as data: no code here reads a span."""

from functools import cache

from otel_usage.dialects import coding_agents, frameworks
from otel_usage.dialects.dialect import Dialect
from otel_usage.dialects.langfuse import LANGFUSE
from otel_usage.dialects.language import Language, merge
from otel_usage.dialects.openinference import OPENINFERENCE
from otel_usage.dialects.openlit import OPENLIT
from otel_usage.dialects.openllmetry import OPENLLMETRY
from otel_usage.dialects.otel_genai import OTEL_GENAI
from otel_usage.dialects.own import OWN
from otel_usage.dialects.vercel_ai import VERCEL_AI

SPAN_DIALECTS: tuple[Dialect, ...] = (
    OWN,
    OTEL_GENAI,
    VERCEL_AI,
    OPENLLMETRY,
    OPENINFERENCE,
    OPENLIT,
    LANGFUSE,
    frameworks.PYDANTIC_AI,
    frameworks.LANGSMITH,
    frameworks.LITELLM,
    frameworks.SEMANTIC_KERNEL,
    frameworks.SENTRY,
    frameworks.PIPECAT,
    coding_agents.CLAUDE_CODE,
    coding_agents.CODEX,
    coding_agents.GEMINI_CLI,
    coding_agents.COPILOT,
)
"""The dialects of spans, in the order in which their names are tried."""


@cache
def of_spans() -> Language:
    """All that attributes of spans may mean."""
    return merge(SPAN_DIALECTS)
