"""Which entry of the price book a call is priced by.

Nothing is matched by likeness: a name is looked up as it is, then without a resource prefix, and what is
not found is unknown. The rule that found it is kept on the row.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from genai_prices.types import ModelInfo, Provider

from otel_usage.pricing.book import GENAI_PRICES, PriceBook, Source

PROVIDERS: Final = {
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
_FINE_TUNED: Final = re.compile(r"^(ft:[^:]+):", re.IGNORECASE)
"""OpenAI's name of a fine-tuned model: the base, which the price is of, then whose it is."""
_DATE: Final = re.compile(r"[-@](20\d{2}-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01]))$")


@dataclass(frozen=True, slots=True)
class Match:
    """A model of the price book, and how it was found: by which of its names, as spelled in `name`."""

    source: Source
    provider: Provider
    model: ModelInfo
    rule: str
    name: str
    inferred: bool = False
    """Whether the provider is the model's, and not the one that was named."""

    @property
    def key(self) -> str:
        """Its name in the source."""
        prefix = f"{self.provider.id}/"
        return self.model.id if self.model.id.startswith(prefix) else prefix + self.model.id

    @property
    def model_id(self) -> str:
        """What the model is called. A source that has its models under paths has them by their names too."""
        return self.name if "/" in self.model.id and self.source.name != GENAI_PRICES else self.model.id

    @property
    def own(self) -> bool:
        """Whether the provider has prices of its own for it, not another's as a stand-in."""
        return any(self.model is model for model in self.provider.models)

    @property
    def free(self) -> bool:
        """Whether it costs nothing, and that is meant."""
        return (self.provider.id, self.model.id) in self.source.free


def find(book: PriceBook, provider: str, response_model: str, request_model: str) -> list[Match]:
    """The model that answered, else the one asked for: in each source that knows it, in their order.

    A provider that a source does not know is inferred from the model: if it was not named, from any name of
    the model; if it was, only from the exact id, and only if no source has the model of that very provider.
    """
    for told, text in (("response_model", response_model.strip()), ("request_model", request_model.strip())):
        found = [match for source in book.sources if text and (match := _find(source, provider, told, text))]
        if found:
            return [match for match in found if not (provider and match.inferred)] or found
    return []


def _find(source: Source, provider: str, told: str, text: str) -> Match | None:
    known = _provider(source, provider) if provider else None
    for rule, name in _spellings(source, provider, told, text):
        if known is not None:
            if model := source.model(known, name):
                return Match(source, known, model, rule, name)
        elif inferred := _inferred(source, name, exact=bool(provider)):
            return Match(source, *inferred, f"{rule}, provider_inferred", name, inferred=True)
    return None


def _provider(source: Source, name: str) -> Provider | None:
    mapped = PROVIDERS.get(name.lower(), name) if source.name == GENAI_PRICES else name.lower()
    return source.index.provider(mapped)


def _spellings(source: Source, provider: str, told: str, text: str) -> Iterator[tuple[str, str]]:
    """The names to look up, and the rules that made them."""
    yield told, text
    bare = _PREFIX.sub("", text)
    if provider and text.lower().startswith(f"{provider.lower()}/"):  # as LiteLLM names models
        bare = text[len(provider) + 1 :]
    if bare != text:
        yield f"{told}, prefix_removed", bare
    if tuned := _FINE_TUNED.match(bare):
        yield f"{told}, fine_tuned", tuned[1]
    # Last, and not where it would be a guess: genai-prices knows which dates are of which price.
    if source.name != GENAI_PRICES and (undated := _DATE.sub("", bare)) != bare:
        yield f"{told}, date_removed", undated


def _inferred(source: Source, name: str, *, exact: bool) -> tuple[Provider, ModelInfo] | None:
    if provider := source.index.provider_of(name):
        model = source.model(provider, name)
        return (provider, model) if model and (not exact or model.id.lower() == name.lower()) else None
    return None if source.name == GENAI_PRICES else source.only(name)
