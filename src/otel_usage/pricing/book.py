"""The price book: one canonical document of all price sources, named by the hash of its bytes.

    {"schema": 1, "sources": [{"name", "version", "providers": [...]}, ...]}

Sources are in order of precedence. Their providers and models are in the form of genai-prices' data, which
can say all there is to say: matching, dates, hours of the day, context tiers, service tiers. A model may say
`"free": true`: it costs nothing, and that is meant.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

from genai_prices.types import ClauseEquals, ClauseOr, ModelInfo, Provider, _providers_from_raw

from otel_usage.model import Permanent
from otel_usage.pricing.model_index import ModelIndex

SCHEMA: Final = 1
"""The form of the document."""
GENAI_PRICES: Final = "genai-prices"
"""The source whose data decides by itself what a name means."""
BUNDLED: Final = "book.json.gz"
"""The book that comes with this version, in `data`."""

_NAME_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One origin of prices, at one version."""

    name: str
    version: str
    providers: Sequence[Provider]
    free: frozenset[tuple[str, str]] = frozenset()
    """Models, as provider id and model id, that cost nothing."""
    _named: Mapping[str, Mapping[str, ModelInfo]] = field(default_factory=dict)
    _ids: Mapping[str, Sequence[tuple[Provider, ModelInfo]]] = field(default_factory=dict)
    index: ModelIndex = field(default_factory=lambda: ModelIndex(()))
    """Which provider and model a name is of."""

    @classmethod
    def of(
        cls,
        name: str,
        version: str,
        providers: Iterable[Provider],
        free: Iterable[tuple[str, str]] = (),
    ) -> "Source":
        """A source of providers, with what finds a model fast where names are told one by one."""
        every = list(providers)
        ids: dict[str, list[tuple[Provider, ModelInfo]]] = {}
        for provider in every:
            for model in provider.models:
                ids.setdefault(model.id.lower(), []).append((provider, model))
        # genai-prices looks up a name that it does not know once more, with its date spelled out.
        plain = every if name != GENAI_PRICES else ()
        named = {each.id: names for each in plain if (names := _names(each)) is not None}
        return cls(name, version, every, frozenset(free), named, ids, ModelIndex(every))

    def __str__(self) -> str:
        """What a priced row names it by."""
        return f"{self.name}@{self.version}"

    def model(self, provider: Provider, name: str) -> ModelInfo | None:
        """The model that the provider calls so."""
        if provider.id in self._named:
            return self._named[provider.id].get(name.lower())
        return self.index.model(provider, name)

    def only(self, model_id: str) -> tuple[Provider, ModelInfo] | None:
        """The model of this id, if no two providers have one."""
        found = self._ids.get(model_id.lower(), ())
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True, eq=False)
class PriceBook:
    """All prices there are, in order of precedence. Never changed: other prices are another book."""

    id: str
    """SHA-256 of its canonical JSON, in hex."""
    sources: Sequence[Source]

    @property
    def name(self) -> str:
        """Which prices these are, in short: the `price_book` of every row priced with them."""
        return f"sha256:{self.id[:_NAME_DIGITS]}"

    @classmethod
    def load(cls, body: bytes) -> "PriceBook":
        """The book of a canonical document. Raises Permanent if it is none."""
        try:
            document = json.loads(body)
            if document["schema"] != SCHEMA:
                raise Permanent(f"The price book is of schema {document['schema']}, not {SCHEMA}.")
            sources = [_source(each) for each in document["sources"]]
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise Permanent(f"That is no price book: {error}.") from error
        return cls(hashlib.sha256(body).hexdigest(), sources)

    @classmethod
    def of(cls, *sources: Source) -> "PriceBook":
        """A book of sources that come from no document. Its id says which they are, not what is in them."""
        return cls(hashlib.sha256(" ".join(map(str, sources)).encode()).hexdigest(), sources)

    @classmethod
    def bundled(cls) -> "PriceBook":
        """The book that comes with this version. Nothing is downloaded."""
        return cls.load(bundled_body())


def bundled_body() -> bytes:
    """The canonical JSON of the book that comes with this version."""
    return gzip.decompress(resources.files(__package__).joinpath("data", BUNDLED).read_bytes())


def _source(document: Mapping[str, Any]) -> Source:
    # genai-prices asks for a name and an address pattern of each provider, which price nothing.
    raw = [{"name": each["id"], "api_pattern": "", **each} for each in document["providers"]]
    free = [
        (provider["id"], model["id"])
        for provider in raw
        for model in provider["models"]
        if model.get("free") is True
    ]
    return Source.of(document["name"], document["version"], _providers_from_raw(raw), free)


def _names(provider: Provider) -> Mapping[str, ModelInfo] | None:
    """The provider's models by all their names, in lower case; None if some are told by a pattern."""
    names: dict[str, ModelInfo] = {}
    if provider.fallback_model_providers:
        return None
    for model in provider.models:
        clauses = model.match.or_ if isinstance(model.match, ClauseOr) else [model.match]
        for clause in clauses:
            if not isinstance(clause, ClauseEquals):
                return None
            names.setdefault(clause.equals.lower(), model)
    return names
