"""The metrics that count tokens: what a check of the bill is made from. They are never billed themselves.

Sources: OpenTelemetry's GenAI semantic conventions, 1.25 to those of 2026 (`docs/gen-ai/gen-ai-metrics.md`);
the documentation of Claude Code, Codex and Gemini CLI; captures of the other emitters, and of what their
input and output contain. An emitter's metric may say another thing than its span: OpenLLMetry's LangChain
instrumentor passes on Anthropic's own input in its metric, and the inclusive total on its span.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

INPUT: Final = "input"
"""All input, cached or not."""
UNCACHED_INPUT: Final = "uncached_input"
"""Input that was neither read from a cache nor written to one."""
CACHE_READ: Final = "cache_read"
CACHE_WRITE: Final = "cache_write"
OUTPUT: Final = "output"
"""All output, reasoning included."""
VISIBLE_OUTPUT: Final = "visible_output"
"""Output without reasoning."""
REASONING: Final = "reasoning"
TOKEN_TYPES: Final = (INPUT, UNCACHED_INPUT, CACHE_READ, CACHE_WRITE, OUTPUT, VISIBLE_OUTPUT, REASONING)
"""What a metric may count, as it can be found in the canonical counts of calls too."""

TYPE: Final = ("gen_ai.token.type", "token_type", "type")
"""The attribute that says which tokens a point counts, where a metric counts several."""
MODEL: Final = ("gen_ai.response.model", "gen_ai.request.model", "model")
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system")
OPERATION: Final = ("gen_ai.operation.name",)

ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Meter:
    """A metric that counts tokens.

    `counts` has the token type by the value of TYPE; a metric of one type has it by ANY. A value that is not
    there is of tokens that others count: a total.
    """

    metric: str
    counts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """What an emitter's points of a token type count instead. No providers: whichever it is."""

    scope: str
    said: str
    meant: str
    providers: Sequence[str] = ()


METERS: Final = (
    # `completion` and `prompt`: the words of 1.25 to 1.27.
    Meter(
        "gen_ai.client.token.usage",
        {"input": INPUT, "output": OUTPUT, "prompt": INPUT, "completion": OUTPUT},
    ),
    Meter("gen_ai.client.inference.usage.input_tokens", {ANY: INPUT}),
    Meter("gen_ai.client.inference.usage.output_tokens", {ANY: OUTPUT}),
    Meter("gen_ai.client.inference.usage.cache_read.input_tokens", {ANY: CACHE_READ}),
    Meter("gen_ai.client.inference.usage.cache_write.input_tokens", {ANY: CACHE_WRITE}),
    Meter("gen_ai.client.inference.usage.reasoning.output_tokens", {ANY: REASONING}),
    # OpenLIT 1.33.
    Meter("gen_ai.usage.input_tokens", {ANY: INPUT}),
    Meter("gen_ai.usage.output_tokens", {ANY: OUTPUT}),
    Meter("strands.event_loop.input.tokens", {ANY: INPUT}),
    Meter("strands.event_loop.output.tokens", {ANY: OUTPUT}),
    Meter("strands.event_loop.cache_read.input.tokens", {ANY: CACHE_READ}),
    Meter("strands.event_loop.cache_write.input.tokens", {ANY: CACHE_WRITE}),
    Meter(
        "claude_code.token.usage",
        {"input": UNCACHED_INPUT, "output": OUTPUT, "cacheRead": CACHE_READ, "cacheCreation": CACHE_WRITE},
    ),
    Meter(
        "codex.turn.token_usage",
        {
            "input": INPUT,
            "cached_input": CACHE_READ,
            "cache_write_input": CACHE_WRITE,
            "output": OUTPUT,
            "reasoning_output": REASONING,
        },
    ),
    Meter(
        "gemini_cli.token.usage",
        # What tools add to a prompt is input that `input` lacks.
        {
            "input": INPUT,
            "tool": INPUT,
            "cache": CACHE_READ,
            "output": VISIBLE_OUTPUT,
            "thought": REASONING,
        },
    ),
)

READINGS: Final = (
    Reading("opentelemetry.instrumentation.botocore.bedrock-runtime", INPUT, UNCACHED_INPUT),
    Reading("opentelemetry.instrumentation.genai.bedrock", INPUT, UNCACHED_INPUT),
    Reading("opentelemetry.instrumentation.bedrock", INPUT, UNCACHED_INPUT),
    Reading("opentelemetry.instrumentation.langchain", INPUT, UNCACHED_INPUT, ("anthropic",)),
    Reading("openlit.otel.metrics", INPUT, UNCACHED_INPUT, ("anthropic", "aws.bedrock")),
    Reading("openlit.otel.metrics", OUTPUT, VISIBLE_OUTPUT, ("gemini", "gcp.gemini", "gcp.vertex_ai")),
    Reading("opentelemetry.instrumentation.google_generativeai", OUTPUT, VISIBLE_OUTPUT),
    Reading("gemini-cli", OUTPUT, VISIBLE_OUTPUT),
)
