"""How providers and their models are called: in spans, and in LiteLLM's data."""

import re
from collections.abc import Sequence
from typing import Final

GOOGLE: Final = "google"
"""Google, by a name that does not say whether its Gemini API or Vertex AI."""

_PROVIDERS: Final = {
    "azure_ai": "azure",
    "azure_text": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "codestral": "mistral",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "fireworks_ai-embedding-models": "fireworks",
    "github_copilot": "github-copilot",
    "moonshot": "moonshotai",
    "text-completion-codestral": "mistral",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai": "vertex",
    "voyage": "voyageai",
    "xai": "x-ai",
}
"""LiteLLM's names of providers that genai-prices, and so we, call otherwise."""

_SPOKEN: Final = {
    "aws": ("aws.bedrock", "aws_bedrock", "amazon_bedrock", "amazon.bedrock", "amazon-bedrock", "bedrock"),
    "azure": (
        "azure.ai.openai",
        "azure.ai.inference",
        "az.ai.openai",
        "az.ai.inference",
        "azure_openai",
        "azure-openai",
    ),
    "cohere": ("cohere_ai",),
    "fireworks": ("fireworks_ai", "fireworks-ai", "fireworks.ai"),
    "gemini": ("gcp.gemini", "google_gemini", "google-gla"),
    "google": ("gcp.gen_ai", "google_genai", "google-genai"),
    "mistral": ("mistral_ai", "mistralai", "mistral.ai"),
    "moonshotai": ("moonshot_ai",),
    "perplexity": ("perplexity_ai",),
    "together": ("together_ai", "together-ai", "togetherai"),
    "vertex": ("gcp.vertex_ai", "vertex_ai", "vertexai", "google_vertexai", "google-vertex", "google_vertex"),
    "voyageai": ("voyage", "voyage_ai"),
    "watsonx": ("ibm.watsonx.ai", "watsonx.ai"),
    "x-ai": ("x_ai", "x.ai", "xai"),
}
"""What spans call a provider, beside its id: the conventions' names, of all ages, and those of SDKs."""

_NAMES_AGAIN: Final = {
    "azure": re.compile(r"^(?:global|global-standard|speech)/(.+)$"),
    "fireworks": re.compile(r"^accounts/fireworks/models/(.+)$"),
    "vertex": re.compile(r"^[^/]+/(.+)$"),
}
"""Paths that say where a model is routed to, or whose it is, and nothing about its price. What says a region,
a commitment or another product is none of them: such a price is only found by its whole name."""


def provider_id(litellm_provider: str) -> str:
    """Our id of a provider that LiteLLM calls so."""
    if litellm_provider.startswith("vertex_ai-"):
        return "vertex"
    return _PROVIDERS.get(litellm_provider, litellm_provider)


def provider_ids(name: str) -> Sequence[str]:
    """Our ids of a provider that a span calls so: a source may know it by any of them."""
    lower = name.strip().lower()
    known = next((key for key, names in _SPOKEN.items() if lower == key or lower in names), lower)
    return {
        "gemini": ("gemini", GOOGLE),
        "vertex": ("vertex", GOOGLE),
        GOOGLE: (GOOGLE, "gemini", "vertex"),
    }.get(known, (known,))


def spoken(provider: str) -> Sequence[str]:
    """Our id of a provider, and what spans call it."""
    return (provider, *_SPOKEN.get(provider, ()))


def every_name(provider: str) -> Sequence[str]:
    """As `spoken`, with all names of Google's for Google."""
    return tuple(dict.fromkeys(name for each in provider_ids(provider) for name in spoken(each)))


def model_names(litellm_provider: str, key: str) -> Sequence[str]:
    """The names of a model that LiteLLM has under `key`, the surest first."""
    names = [key]
    first, _, rest = key.partition("/")
    if rest and litellm_provider.replace("-", "_").startswith(first.replace("-", "_")):
        names.append(rest)
    again = _NAMES_AGAIN.get(provider_id(litellm_provider))
    if again is not None and (found := again.match(names[-1])):
        names.append(found[1])
    return names
