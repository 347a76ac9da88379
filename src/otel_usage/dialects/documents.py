"""Documents that emitters put into one attribute, as data: which attribute, and where in it things are.

Measured on captures of the emitters named here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from otel_usage.dialects.usage_objects import Paths


@dataclass(frozen=True, slots=True)
class Document:
    """An attribute that holds a document, and where in it things are."""

    title: str
    attribute: str
    usage: Paths
    """Usage objects, the most telling first: a later one fills what earlier ones leave out."""
    response_id: Paths = ()
    """The id of the response itself. Other ids in it, of messages, tools and earlier responses, are not."""
    service_tier: Paths = ()
    beside: tuple[str, str] | None = None
    """If any: an attribute, and the text it must have (empty: any), for the document to be the emitter's own.
    Without it the attribute may hold what the model wrote, which can be made to look like usage."""


_MESSAGE: Final = "generations.*.0.message.kwargs"  # LangChain's LLMResult, of one prompt

_RESPONSE_USAGE: Final[Paths] = (
    "usage",
    "usage_metadata",
    "usageMetadata",
    "data.usage",
    "token_usage",
    "llm_output.usage",
    "llm_output.token_usage",
    "llmOutput.tokenUsage",
    f"{_MESSAGE}.response_metadata.usage",
    f"{_MESSAGE}.response_metadata.token_usage",
    f"{_MESSAGE}.usage_metadata",
)
_RESPONSE_IDS: Final[Paths] = (
    "id",
    "response_id",
    "responseId",
    "data.id",
    "llm_output.id",
    f"{_MESSAGE}.response_metadata.id",
    "raw",
)
_RESPONSE_TIERS: Final[Paths] = (
    "service_tier",
    "usage.service_tier",
    "llm_output.service_tier",
    "llm_output.usage.service_tier",
    f"{_MESSAGE}.response_metadata.service_tier",
    f"{_MESSAGE}.response_metadata.usage.service_tier",
)

DOCUMENTS: Final[Sequence[Document]] = (
    Document("Langfuse: usage, and nowhere else", "langfuse.observation.usage_details", usage=("",)),
    Document(
        "LangSmith: usage with cached, reasoning and audio tokens",
        "langsmith.metadata.usage_metadata",
        usage=("",),
    ),
    Document(
        "Logfire: the provider's usage object",
        "gen_ai.usage.raw",
        usage=("",),
        service_tier=("service_tier",),
    ),
    Document(
        "Vercel AI SDK: by provider, what the SDK has no name for",
        "ai.response.providerMetadata",
        usage=("*.usage", "*.usageMetadata", "*"),
        response_id=("*.responseId",),
        service_tier=("*.serviceTier", "*.usage.service_tier"),
    ),
    Document(
        "LiteLLM: usage with cached and reasoning tokens, as Python prints it",
        "metadata.usage_object",
        usage=("",),
        service_tier=("service_tier",),
    ),
    Document(
        "OpenInference: the provider's response, or LangChain's",
        "output.value",
        usage=_RESPONSE_USAGE,
        response_id=_RESPONSE_IDS,
        service_tier=_RESPONSE_TIERS,
        beside=("output.mime_type", "application/json"),
    ),
    Document(
        "LangSmith: the provider's response, or LangChain's",
        "gen_ai.completion",
        usage=_RESPONSE_USAGE,
        response_id=_RESPONSE_IDS,
        service_tier=_RESPONSE_TIERS,
        beside=("langsmith.span.kind", ""),
    ),
)
"""In the order they are believed: a later one fills what earlier ones leave out."""

RESPONSE_MARKS: Final[Paths] = (
    "model",
    "model_name",
    "model_version",
    "modelVersion",
    "usage",
    "usage_metadata",
    "serviceTier",
    "token_usage",
)
"""What stands beside the id of a response, and not beside any other id."""
RESPONSE_PRINTED: Final = r"ChatCompletion\(id='([!-~]+?)'"
"""A response as Python prints it, from its start to the end of its id: smolagents' `raw`."""
