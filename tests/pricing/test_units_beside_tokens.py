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
    assert none["billed_cost"] == 0
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


# What measures the same is paid once, and what does not is not paid by it

_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_TTS: Final = {"provider": "openai", "response_model": "gpt-4o-mini-tts", "usage_type": "audio_tts"}
_STT: Final = {"provider": "openai", "response_model": "gpt-4o-transcribe", "usage_type": "audio_stt"}
_TTS_1: Final = {"provider": "openai", "response_model": "tts-1", "usage_type": "audio_tts"}
_FLASH: Final = {"provider": "google", "response_model": "gemini-2.5-flash"}


@pytest.mark.parametrize(
    ("call", "cost"),
    [
        ({**_TTS, "output_audio_ns": _MINUTE}, "0.015"),
        # The text that is read, and the time of the speech: 1,000 at 0.6 a million, a minute at 0.9 an hour.
        ({**_TTS, "output_audio_ns": _MINUTE, "input_tokens": 1_000}, "0.0156"),
        ({**_TTS, "output_audio_ns": _MINUTE, "input_tokens": 1_000, "output_tokens": 1_250}, "0.0156"),
        ({**_TTS, "output_audio_ns": _MINUTE, "input_characters": 900}, "0.015"),
        # An hour at 0.36 is of the audio and its transcript.
        ({**_STT, "input_audio_ns": _HOUR, "output_tokens": 20}, "0.36"),
        # Audio costs 2.5 a million, as text does: so the tokens are all that was heard.
        ({**_STT, "input_audio_ns": _HOUR, "input_tokens": 2_000, "output_tokens": 20}, "0.0052"),
        ({**_TTS_1, "input_characters": 1_000, "output_audio_ns": _MINUTE}, "0.015"),
        # 1,800 of 2,000 at 1 a million, the others at 0.3, and 20 at 2.5.
        (
            {
                **_FLASH,
                "input_tokens": 2_000,
                "input_audio_tokens": 1_800,
                "output_tokens": 20,
                "input_audio_ns": _MINUTE,
            },
            "0.00191",
        ),
    ],
)
def test_what_measures_the_same_is_paid_once(pricer: Pricer, call: Mapping[str, object], cost: str) -> None:
    (row,) = _priced(pricer, {"input_tokens": None, "output_tokens": None, **call})
    assert (row["billed_cost"], row["unpriced_reason"]) == (Decimal(cost), "")
    _lines(row)


@pytest.mark.parametrize("tokens", [{"input_tokens": 1_000}, {"input_tokens": 1_000, "output_tokens": 20}])
@pytest.mark.parametrize(
    ("call", "lacking"),
    [
        (
            {"provider": "anthropic", "response_model": "claude-sonnet-4-5", "input_audio_ns": _HOUR},
            "input_audio",
        ),
        (
            {"provider": "openai", "response_model": "text-embedding-3-small", "input_audio_ns": 1},
            "input_audio",
        ),
        ({"provider": "openai", "response_model": "gpt-4o", "output_audio_ns": _HOUR}, "output_audio"),
        ({"provider": "openai", "response_model": "gpt-4o", "output_images": 1}, "output_images"),
        ({"provider": "openai", "response_model": "gpt-4o", "rerank_searches": 7}, "rerank_searches"),
        # Audio is dearer than text, and how much of the tokens it is nobody says.
        ({**_FLASH, "input_audio_ns": _MINUTE}, "input_audio"),
    ],
)
def test_tokens_do_not_pay_for_what_is_not_in_them(
    pricer: Pricer, call: Mapping[str, object], lacking: str, tokens: Mapping[str, object]
) -> None:
    (row,) = _priced(pricer, {"output_tokens": None, **call, **tokens})
    assert (row["billed_cost"], row["list_cost"]) == (None, None)
    assert (row["unpriced_reason"], row["unpriced_units"]) == ("unpriced_units", lacking)


def test_an_image_is_not_paid_by_the_tokens_that_ask_for_it(pricer: Pricer) -> None:
    (row,) = _priced(pricer, {**_GPT_IMAGE, "input_tokens": 50, "output_tokens": None, "output_images": 1})
    assert (row["billed_cost"], row["unpriced_units"]) == (None, "output_images")


def test_images_among_tokens_of_two_prices_are_paid_if_it_is_said_how_many_they_are(pricer: Pricer) -> None:
    call = {"provider": "google", "response_model": "gemini-2.5-flash-image", "output_images": 1}
    tokens = {"input_tokens": 50, "output_tokens": 1_290}
    unsaid, said = _priced(pricer, {**call, **tokens}, {**call, **tokens, "output_image_tokens": 1_290})
    assert (unsaid["billed_cost"], unsaid["unpriced_units"]) == (None, "output_images")
    assert said["billed_cost"] == 50 * Decimal("0.3e-6") + 1_290 * Decimal("30e-6")


@pytest.mark.parametrize("model", ["jina-reranker-v2-base-multilingual", "rerank-2"])
def test_a_reranker_that_is_paid_by_its_tokens_is_not_paid_by_the_search_too(
    pricer: Pricer, model: str
) -> None:
    provider = "voyage" if model == "rerank-2" else "jina_ai"
    call = {"provider": provider, "response_model": model, "input_tokens": 100, "output_tokens": None}
    alone, told = _priced(pricer, call, {**call, "rerank_searches": 2})
    assert told["billed_cost"] == alone["billed_cost"] == Decimal("0.000005")


@pytest.mark.parametrize(
    "call",
    [
        {**_TTS, "output_audio_ns": 0},
        {**_STT, "input_audio_ns": 0},
        {**_GROQ, "input_audio_ns": 0},
        {**_TTS_1, "input_characters": 0},
        {**_IMAGEN, "output_images": 0},
        {"provider": "cohere", "response_model": "rerank-v3.5", "rerank_searches": 0},
        {"provider": "openai", "response_model": "gpt-4o", "rerank_searches": 0},
    ],
)
def test_none_of_something_costs_nothing(pricer: Pricer, call: Mapping[str, object]) -> None:
    (row,) = _priced(pricer, {"input_tokens": None, "output_tokens": None, **call})
    assert (row["billed_cost"], row["unpriced_reason"]) == (Decimal(0), "")


def test_what_a_call_costs_does_not_depend_on_the_calls_beside_it(pricer: Pricer) -> None:
    calls: list[Mapping[str, object]] = [
        {**_TTS, "output_audio_ns": _MINUTE, "input_tokens": 1_000, "output_tokens": None},
        {**_TTS, "input_tokens": 1_000, "output_tokens": None},
        {**_STT, "input_tokens": None, "output_tokens": 20},
        {**_STT, "input_audio_ns": _MINUTE, "input_tokens": None, "output_tokens": 20},
        {**_TTS_1, "input_characters": 0, "input_tokens": None, "output_tokens": None},
        {**_TTS_1, "input_tokens": None, "output_tokens": None},
    ]
    assert _priced(pricer, *calls) == [row for call in calls for row in _priced(pricer, call)]
