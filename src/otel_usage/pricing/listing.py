"""The models of a price book, and their prices at a time: what a price list says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from genai_prices.types import ModelPrice

from otel_usage.pricing import rate
from otel_usage.pricing.book import PriceBook
from otel_usage.pricing.match import PROVIDERS, Match, find

_NS: Final = 1_000_000_000
_MEDIA: Final = ("audio", "image", "video")
_FREE: Final[rate.Prices] = {"requests_kcount": Decimal(0)}


@dataclass(frozen=True, slots=True)
class Tier:
    """The prices of calls with more than `start` input tokens."""

    start: int
    prices: rate.Prices


@dataclass(frozen=True, slots=True)
class Context:
    """The prices of calls that were served in a context, such as a service tier."""

    when: Mapping[str, str]
    prices: rate.Prices


@dataclass(frozen=True, slots=True)
class Listed:
    """A model and its prices: the lowest tier's, those of the dearer ones, and those of other contexts.

    `key` is provider/model in the source. `prices` is empty where the source knows the model, and no price.
    """

    key: str
    model_id: str
    provider: str
    name: str
    source: str
    context_window: int | None
    prices: rate.Prices
    tiers: Sequence[Tier]
    contexts: Sequence[Context]

    @property
    def model_type(self) -> str:
        """`text`, `multimodal`, `embedding`, `audio`, `rerank`, or `other`: by what has a price."""
        kinds = {
            medium for medium in _MEDIA for key in self.prices if medium in key or key == _SPOKEN.get(medium)
        }
        if "input_mtok" in self.prices and "output_mtok" in self.prices:
            return "multimodal" if kinds else "text"
        if "input_mtok" in self.prices and not kinds:
            return "embedding"
        if "audio" in kinds:
            return "audio"
        return "rerank" if "rerank_searches_kcount" in self.prices else "other"


_SPOKEN: Final = {"audio": "input_mchars"}


def models(book: PriceBook, at_ns: int, provider: str | None = None) -> Sequence[Listed]:
    """The models of the book, ordered by key; with `provider` only its own.

    The first source that has a key hides those after it.
    """
    found: dict[str, Match] = {}
    for match in _matches(book, provider):
        found.setdefault(match.key.lower(), match)
    at = datetime.fromtimestamp(at_ns // _NS, UTC)
    return [_listed(found[key], at) for key in sorted(found)]


def model(book: PriceBook, at_ns: int, name: str, provider: str = "") -> Listed | None:
    """The model that a call of this name to this provider is priced by; None if there is none."""
    found = find(book, provider, name, "")
    return _listed(found[0], datetime.fromtimestamp(at_ns // _NS, UTC)) if found else None


def _matches(book: PriceBook, provider: str | None) -> Iterator[Match]:
    wanted = (
        None if provider is None else {provider.lower(), PROVIDERS.get(provider.lower(), provider.lower())}
    )
    for source in book.sources:
        for owner in source.providers:
            if wanted is None or owner.id in wanted:
                for each in owner.models:
                    yield Match(source, owner, each, "", each.id)


def _listed(match: Match, at: datetime) -> Listed:
    price = match.model.get_prices(at)
    return Listed(
        key=match.key,
        model_id=match.model_id,
        provider=match.provider.id,
        name=match.model.name or match.model_id,
        source=str(match.source),
        context_window=match.model.context_window,
        prices=_FREE if match.free else rate.resolved(price, 0),
        tiers=[Tier(start, rate.resolved(price, start)) for start in rate.starts(price)[1:]],
        contexts=list(_contexts(match, price, at)) if match.own else [],
    )


def _contexts(match: Match, standard: ModelPrice, at: datetime) -> Iterator[Context]:
    seen: list[Mapping[str, str]] = []
    for variant in match.model.price_variants or ():
        active = variant.constraint is None or variant.constraint.active(at)
        if active and variant.when not in seen:
            seen.append(variant.when)
            price = match.model.get_prices(at, variant.when)
            if price != standard:
                yield Context(variant.when, rate.resolved(price, 0))
