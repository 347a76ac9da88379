"""What is no token: images by their number, and audio that is billed as some seconds at the least."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pytest

from otel_usage.model import OBSERVATIONS, QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.pricing import Pricer, price, rate
from otel_usage.pricing.rules import Kind, Rule, Rules
from tests import model_calls

_STARTED: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)
_SECOND: Final = 10**9
_GROQ: Final = {"provider": "groq", "response_model": "whisper-large-v3", "usage_type": "audio_stt"}
_IMAGEN: Final = {"provider": "gcp.vertex_ai", "response_model": "imagen-4.0-generate-001"}
_GPT_IMAGE: Final = {"provider": "openai", "response_model": "gpt-image-1"}

Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def pricer() -> Pricer:
    return Pricer.bundled()


def _priced(pricer: Pricer, *calls: Mapping[str, object]) -> list[Row]:
    rows = [{**model_calls.CALL, "started_at": _STARTED, **call} for call in calls]
    priced: list[Row] = price(pa.Table.from_pylist(rows, schema=OBSERVATIONS), pricer).to_pylist()
    return priced


def _lines(row: Row, prices: str = "billed_unit_prices") -> list[tuple[str, int, Decimal]]:
    """The lines of the receipt, which add up to the cost."""
    told = {name: row[name] or 0 for name in (*TOKEN_COLUMNS, *QUANTITY_COLUMNS)}
    lines = rate.lines(told, rate.from_text(row[prices]))
    cost = row["list_cost" if prices == "unit_prices" else "billed_cost"]
    assert sum((line.amount for line in lines), Decimal(0)) == cost
    return [(line.unit, line.quantity, line.price) for line in lines]


# A call of Groq's is of ten seconds at the least


@pytest.mark.parametrize(
    ("told_ns", "billed_ns"),
    [
        (1, 10 * _SECOND),
        (9_999_000_000, 10 * _SECOND),
        (10 * _SECOND - 1, 10 * _SECOND),
        (10 * _SECOND, 10 * _SECOND),
        (10 * _SECOND + 1, 10 * _SECOND + 1),
        (10_001_000_000, 10_001_000_000),
        (3_600 * _SECOND, 3_600 * _SECOND),
    ],
)
@pytest.mark.parametrize(
    ("model", "hour"), [("whisper-large-v3", "0.111"), ("whisper-large-v3-turbo", "0.04")]
)
def test_shorter_audio_is_billed_as_ten_seconds_and_the_receipt_says_so(
    pricer: Pricer, model: str, hour: str, told_ns: int, billed_ns: int
) -> None:
    (row,) = _priced(pricer, {**_GROQ, "response_model": model, "input_audio_ns": told_ns})
    exact = Decimal(hour) * billed_ns / (3_600 * _SECOND)
    assert row["billed_cost"] == exact.quantize(Decimal("1e-18"))
    assert row["input_audio_ns"] == told_ns
    assert _lines(row) == [("input_audio_ns", billed_ns, Decimal(hour))]


def test_no_audio_is_billed_as_none(pricer: Pricer) -> None:
    none, some = _priced(pricer, {**_GROQ, "input_audio_ns": 0}, {**_GROQ, "input_audio_ns": 1})
    assert none["billed_cost"] in {None, Decimal(0)}
    assert some["billed_cost"] > 0


def test_a_minimum_is_of_the_one_model_only(pricer: Pricer) -> None:
    one_second = {"input_audio_ns": _SECOND, "usage_type": "audio_stt"}
    (other,) = _priced(pricer, {"provider": "openai", "response_model": "whisper-1", **one_second})
    assert _lines(other) == [("input_audio_ns", _SECOND, Decimal("0.36"))]


def test_a_batch_has_the_minimum_too(pricer: Pricer) -> None:
    (row,) = _priced(pricer, {**_GROQ, "input_audio_ns": _SECOND, "service_tier": "batch"})
    assert _lines(row) == [("input_audio_ns", 10 * _SECOND, Decimal("0.0555"))]


def test_a_discount_is_on_the_price_and_not_on_the_minimum() -> None:
    rule = Rule(rule_id="r", tenant="t", model="*", kind=Kind.MULTIPLIER, multiplier=Decimal("0.5"))
    pricer = Pricer(Pricer.bundled().book, Rules.of([rule]))
    (row,) = _priced(pricer, {**_GROQ, "tenant": "t", "input_audio_ns": 9 * _SECOND})
    assert 0 < row["billed_cost"] < row["list_cost"]
    assert _lines(row) == [("input_audio_ns", 10 * _SECOND, Decimal("0.0555"))]
    assert _lines(row, "unit_prices") == [("input_audio_ns", 10 * _SECOND, Decimal("0.111"))]


def test_a_price_of_the_tenants_own_has_no_minimum() -> None:
    own = {"input_audio_hours": Decimal("0.36")}
    rule = Rule(rule_id="r", tenant="t", model="*", kind=Kind.PRICES, prices=own)
    pricer = Pricer(Pricer.bundled().book, Rules.of([rule]))
    (row,) = _priced(pricer, {**_GROQ, "tenant": "t", "input_audio_ns": _SECOND})
    assert row["billed_cost"] == Decimal("0.0001")
    assert _lines(row, "unit_prices") == [("input_audio_ns", 10 * _SECOND, Decimal("0.111"))]


def test_a_minimum_is_no_price_that_a_rule_can_have() -> None:
    assert not {*rate.MINIMUMS.values()} & rate.price_keys().keys()


# Images


def test_an_image_has_its_price_and_a_line(pricer: Pricer) -> None:
    (row,) = _priced(pricer, {**_IMAGEN, "output_images": 4})
    assert (row["billed_cost"], row["unpriced_reason"]) == (Decimal("0.16"), "")
    assert row["price_source"] == "litellm@1.80.0"
    assert row["billed_unit_prices"] == '{"output_images_kcount":"40"}'
    assert _lines(row) == [("output_images", 4, Decimal(40))]


def test_tokens_of_a_call_that_is_paid_by_the_image_cost_nothing_more(pricer: Pricer) -> None:
    (row,) = _priced(pricer, {**_IMAGEN, "output_images": 1, "input_tokens": 30, "output_tokens": 1_290})
    assert row["billed_cost"] == Decimal("0.04")


def test_tokens_of_a_model_that_is_paid_by_the_image_are_no_measure_of_it(pricer: Pricer) -> None:
    (row,) = _priced(pricer, {**_IMAGEN, "input_tokens": 30, "output_tokens": 1_290})
    assert (row["billed_cost"], row["unpriced_reason"]) == (None, "no_price")


def test_images_that_are_paid_by_their_tokens_are_paid_once(pricer: Pricer) -> None:
    tokens = {"input_tokens": 50, "output_tokens": 1_056, "output_image_tokens": 1_056}
    with_images, without = _priced(
        pricer, {**_GPT_IMAGE, **tokens, "output_images": 1}, {**_GPT_IMAGE, **tokens}
    )
    assert with_images["billed_cost"] == without["billed_cost"] > 0


@pytest.mark.parametrize("call", [_GPT_IMAGE, {"provider": "openai", "response_model": "gpt-4o"}])
def test_images_without_a_price_leave_the_call_unpriced(pricer: Pricer, call: Mapping[str, object]) -> None:
    (row,) = _priced(pricer, {**call, "output_images": 1})
    assert row["billed_cost"] is None
    assert (row["unpriced_reason"], row["unpriced_units"]) == ("unpriced_units", "output_images")


def test_a_rule_may_price_images() -> None:
    own = {"output_images_kcount": Decimal(80)}
    rule = Rule(rule_id="r", tenant="t", model="dall-e-3", kind=Kind.PRICES, prices=own)
    pricer = Pricer(Pricer.bundled().book, Rules.of([rule]))
    dall_e = {"provider": "openai", "response_model": "dall-e-3", "output_images": 2}
    (ours, others) = _priced(pricer, {**dall_e, "tenant": "t"}, dall_e)
    assert (ours["billed_cost"], ours["list_cost"]) == (Decimal("0.16"), None)
    assert others["unpriced_reason"] == "unknown_model"
