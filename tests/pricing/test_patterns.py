"""Patterns of model names: what they mean, and whether two mean a name in common."""

import itertools
import re
import time
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.pricing.patterns import Pattern

_LITERALS: Final = 4
_PATTERNS: Final = st.text("ab*", max_size=7).filter(lambda text: len(text.replace("*", "")) <= _LITERALS)
_NAMES: Final = [
    "".join(letters) for size in range(2 * _LITERALS + 1) for letters in itertools.product("ab", repeat=size)
]
"""Two patterns that mean a name in common mean one in which each letter is said by one of them."""


def _means(pattern: str, name: str) -> bool:
    """The same, by regular expressions."""
    expression = ".*".join(map(re.escape, pattern.split("*")))
    return re.fullmatch(expression, name, re.DOTALL) is not None


@pytest.mark.parametrize(
    ("pattern", "name", "means"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "GPT-4o", True),
        ("GPT-4O", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o*", "gpt-4o", True),
        ("gpt-4o*", "gpt-4o-mini", True),
        ("*gpt*", "my-gpt-4o", True),
        ("a*a", "a", False),
        ("*", "", True),
        ("**", "x", True),
        ("", "", True),
        ("", "x", False),
        ("gpt-4?", "gpt-4o", False),
        ("gpt-4[o]", "gpt-4o", False),
        ("gpt.4o", "gpt-4o", False),
        ("gpt-4?", "gpt-4?", True),
        ("arn:aws:*:123:*", "arn:aws:bedrock:eu-west-1:123:inference-profile/x", True),
        ("a*b", "a\nb", True),
    ],
)
def test_only_a_star_stands_for_other_text_and_case_does_not_matter(
    pattern: str,
    name: str,
    means: bool,  # noqa: FBT001 (pytest's)
) -> None:
    assert Pattern.of(pattern).matches(name) is means


@given(_PATTERNS, st.text("ab", max_size=8))
def test_a_name_is_meant_as_a_regular_expression_would_say(pattern: str, name: str) -> None:
    assert Pattern.of(pattern).matches(name) is _means(pattern, name)


@given(_PATTERNS, _PATTERNS)
def test_two_patterns_meet_if_and_only_if_there_is_a_name_that_both_mean(one: str, other: str) -> None:
    common = any(_means(one, name) and _means(other, name) for name in _NAMES)
    assert Pattern.of(one).meets(Pattern.of(other)) is common
    assert Pattern.of(other).meets(Pattern.of(one)) is common


def test_whether_two_patterns_meet_does_not_depend_on_case() -> None:
    assert Pattern.of("GPT-*").meets(Pattern.of("*-4o"))
    assert Pattern.of("GPT-4o").meets(Pattern.of("gpt-*"))
    assert Pattern.of("Straße").meets(Pattern.of("STRASSE"))


def test_how_much_a_pattern_says() -> None:
    assert [Pattern.of(text).literal for text in ("", "*", "gpt-*", "*g*p*t*")] == [0, 0, 4, 3]
    assert [Pattern.of(text).exact for text in ("gpt-4o", "", "gpt*", "*")] == [True, True, False, False]


def test_a_hostile_name_or_pattern_does_not_take_long() -> None:
    stars = Pattern.of("*a" * 128 + "b")
    began = time.process_time()
    assert not stars.matches("a" * 100_000)
    assert stars.meets(Pattern.of("*" + "a*" * 127 + "b"))
    assert time.process_time() - began < 1
