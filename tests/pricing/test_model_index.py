"""The index of names gives the answers that genai-prices gives when it tries each rule."""

from collections.abc import Sequence
from functools import cache
from typing import Final

import pytest
from genai_prices.data_snapshot import find_provider_by_id
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
)
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.pricing.book import PriceBook, Source
from otel_usage.pricing.model_index import Rule, Rules

_letters: Final = st.text("abA-1", max_size=3)
_simple: Final[st.SearchStrategy[Rule]] = st.one_of(
    st.builds(ClauseEquals, _letters),
    st.builds(ClauseStartsWith, _letters),
    st.builds(ClauseEndsWith, _letters),
    st.builds(ClauseContains, _letters),
    st.builds(
        ClauseRegex,
        st.sampled_from(
            ["^ab", "^ab*", "^a|b", "^(a|1)b", r"^a\d", r"^a-?1$", "b$", "^1{2}", r"^a\-b", "(?i)A", "^$"]
        ),
    ),
)
_rules: Final = st.recursive(
    _simple,
    lambda inner: (
        st.builds(ClauseOr, st.lists(inner, max_size=3)) | st.builds(ClauseAnd, st.lists(inner, max_size=3))
    ),
    max_leaves=5,
)


@cache
def sources() -> Sequence[Source]:
    return PriceBook.bundled().sources


@cache
def texts() -> Sequence[str]:
    """All that the rules of the book speak of, the ids of its models, and what mutations are made of."""
    found: dict[str, None] = {}
    for source in sources():
        for provider in source.providers:
            found |= dict.fromkeys(
                [provider.id, *_told(provider.provider_match), *_told(provider.model_match)]
            )
            for model in provider.models:
                found |= dict.fromkeys([model.id, *_told(model.match)])
    return list(found)


def _told(rule: object) -> list[str]:
    """The texts in a rule."""
    match rule:
        case None:
            return []
        case str():
            return [rule.strip("^$").replace("\\d{8}", "20260102").replace("\\", "")]
        case list():
            return [text for each in rule for text in _told(each)]
    return [text for each in vars(rule).values() for text in _told(each)]


def _mutations(text: str) -> list[str]:
    half = len(text) // 2
    return [
        text,
        text.upper(),
        text[:half],
        text[half:],
        text[:-1],
        text[1:],
        f"{text}-20251211",
        f"x/{text}",
        f"{text} ",
    ]


def walk(source: Source, provider: Provider, name: str) -> ModelInfo | None:
    """The plain walk of genai-prices."""
    return provider.find_model(name, all_providers=list(source.providers))


def inferred(source: Source, name: str) -> Provider | None:
    return next(
        (each for each in source.providers if each.model_match and each.model_match.is_match(name.lower())),
        None,
    )


@pytest.mark.parametrize("part", range(4))
def test_all_names_of_the_book_and_what_resembles_them_have_the_model_that_a_walk_finds(part: int) -> None:
    """Each name of all, with its mutations, at the provider that has it and at another: in turn."""
    checked = 0
    for source in sources():
        for turn, provider in enumerate(source.providers):
            own = [text for model in provider.models for text in (model.id, *_told(model.match))]
            others = texts()[turn :: 4 * len(source.providers)]
            for name in [*dict.fromkeys(own)][part::4] + [*others][part::4]:
                for each in (
                    _mutations(name) if len(provider.models) < 100 else [name, f"{name}-20251211", name[:-1]]
                ):
                    assert source.index.model(provider, each) is walk(source, provider, each), each
                    checked += 1
    assert checked > 10_000


def test_all_names_of_the_book_are_of_the_provider_that_a_walk_finds() -> None:
    for source in sources():
        every = list(source.providers)
        for text in texts()[:: 1 if source.name == "genai-prices" else 5]:
            for each in (text, f" {text.upper()} ", text[:-1], f"x{text}"):
                assert source.index.provider(each) is find_provider_by_id(every, each), each
                assert source.index.provider_of(each) is inferred(source, each), each


@given(st.data())
def test_any_name_has_the_model_that_a_walk_finds(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(sources()))
    provider = data.draw(st.sampled_from(source.providers))
    piece = st.sampled_from(texts()) | st.text(max_size=12) | st.sampled_from(["-", "/", "@", "20260102"])
    name = "".join(data.draw(st.lists(piece, max_size=3)))
    cut = data.draw(st.integers(0, len(name)))
    for each in (name, name[cut:], name[:cut]):
        assert source.index.model(provider, each) is walk(source, provider, each)
        assert source.index.provider(each) is find_provider_by_id(list(source.providers), each)
        assert source.index.provider_of(each) is inferred(source, each)


@given(st.lists(st.none() | _rules, max_size=6), st.text("ab-1", max_size=5))
def test_of_any_rules_the_first_that_a_text_meets_is_found(rules: list[Rule | None], text: str) -> None:
    met = [number for number, rule in enumerate(rules) if rule is not None and rule.is_match(text)]
    assert Rules.of(rules).first(text) == (met[0] if met else None)
