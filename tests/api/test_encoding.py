"""Money and times as JSON says them."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage import rfc3339
from otel_usage.api import encoding

MONEY = st.decimals(min_value=-(10**20), max_value=10**20, places=18)


@given(MONEY)
def test_money_is_written_digit_by_digit(money: Decimal) -> None:
    text = encoding.to_json(money).decode()
    assert Decimal(text) == money
    assert "e" not in text.lower()
    assert "." not in text or text[-1] not in ".0"


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Decimal("0.008500000000000000"), "0.0085"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("120.000"), "120"),
        (Decimal(0), "0"),
        (Decimal("0E-18"), "0"),
    ],
)
def test_money_has_no_exponent_and_no_idle_zeros(money: Decimal, text: str) -> None:
    assert encoding.to_json(money).decode() == text


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters(codec="utf-8")), children),
    max_leaves=10,
)


@given(TREES)
def test_everything_else_is_as_json_has_it(value: encoding.Value) -> None:
    assert json.loads(encoding.to_json(value)) == value


def test_a_float_is_never_written() -> None:
    with pytest.raises(TypeError, match="float has no JSON form"):
        encoding.to_json({"cost": 0.1})  # type: ignore[dict-item]


@given(st.integers(min_value=0, max_value=4_102_444_800 * 10**9))
def test_a_time_comes_back_to_the_nanosecond(ns: int) -> None:
    assert rfc3339.parse(rfc3339.render(ns)) == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.000000001z", 1),
        ("1970-01-01 00:00:01.5+00:00", 1_500_000_000),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T23:59:59.999Z", -1_000_000),
    ],
)
def test_a_time_is_read_as_rfc_3339_has_it(text: str, ns: int) -> None:
    assert rfc3339.parse(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23",
        "2026-11-23T12:00Z",
        "2026-11-23T12:00:00",
        "2026-11-23T12:00:00.1234567891Z",
        "2026-11-23T12:00:00.Z",
        "2026-13-23T12:00:00Z",
        "2026-11-23T24:00:01Z",
        "2026-11-23T12:00:60Z",
        "2026-11-23T12:00:00+25:00",
        "\N{ARABIC-INDIC DIGIT TWO}026-11-23T12:00:00Z",
        "2026-11-23T12:00:00Z\n",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|does not exist"):
        rfc3339.parse(text)
