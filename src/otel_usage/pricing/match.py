"""Which entry of the price data a call is priced by.

Nothing is matched by likeness: a name is looked up as it is, then without a resource prefix, and what is
not found is unknown. The rule that found it is kept on the row.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from genai_prices.data_snapshot import find_provider_by_id
from genai_prices.types import ModelInfo, Provider

_PROVIDERS: Final = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "vertex_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "fireworks_ai": "fireworks",
    "together_ai": "together",
}
"""The conventions' provider names that genai-prices does not know, or takes for another."""

_PREFIX: Final = re.compile(
    r"^(models/|publishers/[^/]+/models/|accounts/fireworks/models/|arn:aws[^/]*/)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Match:
    """A model of the price data, and how it was found."""

    provider: Provider
    model: ModelInfo
    rule: str

    @property
    def key(self) -> str:
        """Its name in the price data."""
        return f"{self.provider.id}/{self.model.id}"

    @property
    def own(self) -> bool:
        """Whether the provider has prices of its own for it, not another's as a stand-in."""
        return any(self.model is model for model in self.provider.models)


def find(
    providers: Sequence[Provider], provider: str, response_model: str, request_model: str
) -> Match | None:
    """The model that answered, else the one asked for.

    A provider that is not known is inferred from the model: if it was not named, from any name of the model;
    if it was, only from the exact id.
    """
    known = (
        find_provider_by_id(list(providers), _PROVIDERS.get(provider.lower(), provider)) if provider else None
    )
    for rule, name in _names(provider, response_model, request_model):
        if known is not None:
            if model := known.find_model(name, all_providers=list(providers)):
                return Match(known, model, rule)
        elif inferred := _inferred(providers, name, exact=bool(provider)):
            return Match(*inferred, f"{rule}, provider_inferred")
    return None


def _names(provider: str, response_model: str, request_model: str) -> Iterator[tuple[str, str]]:
    for rule, text in (("response_model", response_model.strip()), ("request_model", request_model.strip())):
        if text:
            yield rule, text
            bare = _PREFIX.sub("", text)
            if provider and text.lower().startswith(f"{provider.lower()}/"):  # as LiteLLM names models
                bare = text[len(provider) + 1 :]
            if bare != text:
                yield f"{rule}, prefix_removed", bare


def _inferred(providers: Sequence[Provider], name: str, *, exact: bool) -> tuple[Provider, ModelInfo] | None:
    for provider in providers:
        if provider.model_match is not None and provider.model_match.is_match(name.lower()):
            model = provider.find_model(name, all_providers=list(providers))
            return (provider, model) if model and (not exact or model.id.lower() == name.lower()) else None
    return None
