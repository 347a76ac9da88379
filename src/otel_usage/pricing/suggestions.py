"""Models of the price book whose names resemble one that it does not know. People choose; none is applied."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from genai_prices.types import ModelInfo, Provider

from otel_usage.model import MAX_NAME
from otel_usage.pricing.book import PriceBook, Source
from otel_usage.pricing.match import PROVIDERS, Match

_DATE: Final = re.compile(r"20\d{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])")
_NOISE: Final = re.compile(r"[^a-z0-9]+")
_PIECE: Final = 3
_LEAST_SHARED: Final = 0.7
"""How much of the shorter one of two names must be in the other: its pieces, weighed by how rare they are."""
_LEAST_ALIKE: Final = 0.4
_COMPARED: Final = 50


@dataclass(frozen=True, slots=True)
class _Known:
    """A model of the book, and the pieces of its name. `borrowed`: its provider has another's price."""

    key: str
    provider: str
    borrowed: bool
    text: str
    pieces: frozenset[str]


class Suggestions:
    """What the names in a price book resemble. Made once for a book; then a name takes a few milliseconds."""

    def __init__(self, book: PriceBook) -> None:
        self._known = list(_known(book))
        self._holders: dict[str, list[int]] = {}
        for number, known in enumerate(self._known):
            for piece in known.pieces:
                self._holders.setdefault(piece, []).append(number)
        # A piece that few models have tells more: those of `sonnet` more than those of `mini`.
        self._weight = {
            piece: 1 + math.log(len(self._known) / len(holders)) for piece, holders in self._holders.items()
        }
        self._whole = [sum(self._weight[piece] for piece in known.pieces) for known in self._known]

    def of(self, provider: str, name: str, most: int) -> Sequence[str]:
        """Keys (provider/model) of at most `most` models, the likest first; its own before others'."""
        text = _plain(name[:MAX_NAME])
        scores = self._scores(_pieces(text))
        owner = PROVIDERS.get(provider.lower(), provider.lower())
        alike = [number for number in scores if self._known[number].provider == owner] or [
            number for number in scores if not self._known[number].borrowed
        ]
        compared = sorted(alike, key=lambda number: (-scores[number], self._known[number].key))[:_COMPARED]
        likeness = {number: self._likeness(number, text) for number in compared}
        # Of names that are as like, the one without a region or the like before it.
        ranked = sorted(
            compared, key=lambda number: (-likeness[number], len(self._known[number].key), number)
        )
        return [self._known[number].key for number in ranked[:most] if likeness[number] >= _LEAST_ALIKE]

    def _scores(self, pieces: frozenset[str]) -> Mapping[int, float]:
        """Of the models that share enough with a name: the weight of what is shared to that of both names."""
        shared: dict[int, float] = {}
        for piece in pieces:
            for number in self._holders.get(piece, ()):
                shared[number] = shared.get(number, 0) + self._weight[piece]
        # A piece that no model has is the caller's own, as of `my-`: it says nothing against one.
        told = sum(self._weight.get(piece, 0) for piece in pieces)
        return {
            number: 2 * weight / (told + self._whole[number])
            for number, weight in shared.items()
            if weight >= _LEAST_SHARED * min(told, self._whole[number])
        }

    def _likeness(self, number: int, text: str) -> float:
        return difflib.SequenceMatcher(None, self._known[number].text, text, autojunk=False).ratio()


def _known(book: PriceBook) -> Iterator[_Known]:
    seen: set[str] = set()
    for source in book.sources:
        for provider, model, borrowed in _models(source):
            key = Match(source, provider, model, "", model.id).key
            if key not in seen and "*" not in model.id:
                seen.add(key)
                text = _plain(model.id)
                yield _Known(key, provider.id, borrowed, text, _pieces(text))


def _models(source: Source) -> Iterator[tuple[Provider, ModelInfo, bool]]:
    providers = {provider.id: provider for provider in source.providers}
    for provider in source.providers:
        for model in provider.models:
            yield provider, model, False
    for provider in source.providers:
        for name in provider.fallback_model_providers or ():
            for model in providers[name].models if name in providers else ():
                yield provider, model, True


def _plain(name: str) -> str:
    """A name without case, path, date and separators."""
    tail = name.lower().rsplit("/", 1)[-1]
    return _NOISE.sub("", _DATE.sub("", tail))


def _pieces(text: str) -> frozenset[str]:
    return frozenset(text[i : i + _PIECE] for i in range(max(1, len(text) - _PIECE + 1)))
