"""Which providers and models of a source a name is of: what genai-prices' rules say, without trying each.

A rule is a text that a name equals, begins with, ends with or contains, a regular expression, or several of
these; the first model whose rule a name meets is the one. A name that is not known meets none of thousands,
and names come from outside: so rules are kept by their texts here, and only few are tried.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ModelInfo,
    Provider,
    _normalize_compact_dated_ref,
)

Rule: TypeAlias = (
    ClauseAnd | ClauseContains | ClauseEndsWith | ClauseEquals | ClauseOr | ClauseRegex | ClauseStartsWith
)

_Numbered: TypeAlias = tuple[int, str, Rule | None]
"""A rule, its number, and a text that all contain that meet it. None: and all that contain it do."""

_LITERAL_START: Final = re.compile(r"\^((?:[a-z0-9/_@:-]|\\[.\[\]/-])+)(?![*+?{])")
"""What a regular expression without alternatives begins with, where every text that it finds begins so."""
_NONE: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Rules:
    """Numbered rules. All texts are in lower case, and so must be what is asked for."""

    equal: Mapping[str, int]
    starts: Mapping[int, Mapping[str, int]]
    """By length, so that of a name one beginning of each length is looked up."""
    ends: Mapping[int, Mapping[str, int]]
    started: Mapping[int, Mapping[str, Sequence[_Numbered]]]
    """Those that only what begins with a text can meet: by that."""
    others: Sequence[_Numbered]

    @classmethod
    def of(cls, rules: Iterable[Rule | None]) -> Self:
        """The rules, numbered in their order. None is a rule that nothing meets."""
        equal: dict[str, int] = {}
        starts: dict[int, dict[str, int]] = {}
        ends: dict[int, dict[str, int]] = {}
        started: dict[int, dict[str, list[_Numbered]]] = {}
        others: list[_Numbered] = []
        for number, one in _alternatives(rules):
            match one:
                case ClauseEquals(equals=text):
                    equal.setdefault(text.lower(), number)
                case ClauseStartsWith(starts_with=text):
                    starts.setdefault(len(text.lower()), {}).setdefault(text.lower(), number)
                case ClauseEndsWith(ends_with=text):
                    ends.setdefault(len(text.lower()), {}).setdefault(text.lower(), number)
                case ClauseContains(contains=text):
                    others.append((number, text.lower(), None))
                case _:
                    start, part = _start(one), _part(one)
                    same = started.setdefault(len(start), {}).setdefault(start, []) if start else others
                    same.append((number, part, one))
        return cls(equal, starts, ends, started, others)

    def first(self, text: str) -> int | None:
        """The number of the first rule that the text, in lower case, meets."""
        found = self.equal.get(text, _NONE)
        for length, texts in self.starts.items():
            found = min(found, texts.get(text[:length], _NONE))
        for length, texts in self.ends.items():
            if len(text) >= length:
                found = min(found, texts.get(text[len(text) - length :], _NONE))
        for length, slower in self.started.items():
            if rules := slower.get(text[:length]):
                found = _first(rules, text, found)
        found = _first(self.others, text, found)
        return None if found == _NONE else found


class ModelIndex:
    """The providers of a source, and their models, by all their names. Made once for a source."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._providers = providers
        self._ids = {provider.id: provider for provider in reversed(providers)}
        self._named = Rules.of(provider.provider_match for provider in providers)
        self._inferred = Rules.of(provider.model_match for provider in providers)
        self._models = {
            id(provider): Rules.of(model.match for model in provider.models) for provider in providers
        }

    def provider(self, name: str) -> Provider | None:
        """The provider of this name: `find_provider_by_id` of genai-prices."""
        text = name.lower().strip()
        return self._ids.get(text) or self._numbered(self._named.first(text))

    def provider_of(self, model: str) -> Provider | None:
        """The first provider that says of a name, in any case, that its models are called so."""
        return self._numbered(self._inferred.first(model.lower()))

    def model(self, provider: Provider, name: str) -> ModelInfo | None:
        """The model that the provider, one of these, calls so: its `find_model`."""
        text = name.lower()
        found = self._match(provider, text)
        # Once more with the date spelled out, if it is told in eight digits.
        if found is None and (dated := _normalize_compact_dated_ref(text)) != text:
            return self._match(provider, dated)
        return found

    def _match(self, provider: Provider, text: str) -> ModelInfo | None:
        """The provider's own model, else that of one that it falls back on."""
        fallbacks = (self._ids.get(each) for each in provider.fallback_model_providers or ())
        for one in (provider, *fallbacks):
            if one is not None and (number := self._models[id(one)].first(text)) is not None:
                return one.models[number]
        return None

    def _numbered(self, number: int | None) -> Provider | None:
        return None if number is None else self._providers[number]


def _alternatives(rules: Iterable[Rule | None]) -> Iterator[tuple[int, Rule]]:
    """The rules, and those that are alternatives in them, with the number of each."""
    for number, rule in enumerate(rules):
        if isinstance(rule, ClauseOr):
            for _, one in _alternatives(rule.or_):
                yield number, one
        elif rule is not None:
            yield number, rule


def _start(rule: Rule) -> str:
    """A text that all begin with that meet the rule; empty if none is seen."""
    match rule:
        case ClauseAnd(and_=all_of):
            return max((_start(each) for each in all_of), key=len, default="")
        case ClauseStartsWith(starts_with=text) | ClauseEquals(equals=text):
            return text.lower()
        case ClauseRegex(regex=regex) if "|" not in regex and (start := _LITERAL_START.match(regex)):
            return start[1].replace("\\", "")
    return ""


def _part(rule: Rule) -> str:
    """A text that all contain that meet the rule; empty if none is seen."""
    match rule:
        case ClauseAnd(and_=all_of):
            return max((_part(each) for each in all_of), key=len, default="")
        case (
            ClauseContains(contains=text)
            | ClauseStartsWith(starts_with=text)
            | ClauseEndsWith(ends_with=text)
        ):
            return text.lower()
    return ""


def _first(rules: Sequence[_Numbered], text: str, found: int) -> int:
    """The number of the first of some rules that the text meets, or `found` if that is before."""
    for number, part, rule in rules:
        if number >= found:
            break
        if part in text and (rule is None or rule.is_match(text)):
            return number
    return found
