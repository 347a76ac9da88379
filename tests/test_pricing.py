"""What calls cost: the price in force when they were made, or a reason why it is not known."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider, Tier, TieredPrices
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.model import MAX_TOKENS, OBSERVATIONS, TOKEN_COLUMNS, USAGE
from otel_usage.names import Names
from otel_usage.pricing import PriceBook, Pricer, price
from otel_usage.pricing.book import Source
from otel_usage.pricing.price import _money
from otel_usage.pricing.rate import DEAREST, UNITS
from tests import strategies

_STARTED: Final = datetime(2026, 11, 1, 12, tzinfo=UTC)
_CALL: Final[Mapping[str, Any]] = {
    "request": 0,
    "started_at": _STARTED,
    "call_id": bytes(16),
    "version": 1,
    "is_deleted": 0,
    "trace_id": bytes(16),
    "span_id": bytes(8),
    "parent_span_id": bytes(8),
    "duration_ns": 1,
    "role": "inference",
    "usage_status": "reported",
    "provider": "openai",
    "response_model": "gpt-4o",
}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def book() -> Pricer:
    """genai-prices alone."""
    from genai_prices.data import providers  # noqa: PLC0415 (slow)

    return Pricer(PriceBook.of(Source.of("genai-prices", "test", providers)))


def _observations(*calls: Mapping[str, Any]) -> pa.Table:
    """Observations of calls of which only some fields matter; the other texts are empty, counts NULL."""
    texts = {field.name: "" for field in OBSERVATIONS if not field.nullable and field.name not in _CALL}
    rows = [{**texts, **_CALL, **call} for call in calls]
    return pa.Table.from_pylist(rows, schema=OBSERVATIONS)


def _priced(book: Pricer, **call: object) -> Row:
    row: Row = price(_observations(call), book).to_pylist()[0]
    assert row["list_cost"] == row["billed_cost"]
    return row


def _cost(book: Pricer, **call: object) -> Decimal:
    """The cost of a call that has one."""
    row = _priced(book, **call)
    assert row["unpriced_reason"] == ""
    cost: Decimal = row["billed_cost"]
    return cost


def _reason(book: Pricer, **call: object) -> str:
    """Why a call has no cost."""
    row = _priced(book, **call)
    assert row["billed_cost"] is None
    reason: str = row["unpriced_reason"]
    return reason


def _own_book(**prices: ModelPrice) -> Pricer:
    """The prices of one provider, `openai`, with models of these names."""
    models = [
        ModelInfo(id=name, match=ClauseEquals(equals=name), prices=each) for name, each in prices.items()
    ]
    provider = Provider(id="openai", name="Own", api_pattern="", models=models)
    return Pricer(PriceBook.of(Source.of("own", "1", [provider])))


def test_the_cost_of_the_first_example_is_exact(book: Pricer) -> None:
    call = {"input_tokens": 1_500, "output_tokens": 500, "cache_read_tokens": 200}
    assert _cost(book, **call) == Decimal("0.0085")


def test_a_priced_row_says_where_its_price_comes_from(book: Pricer) -> None:
    row = _priced(book, response_model="gpt-4o-2024-08-06", input_tokens=1, output_tokens=1)
    assert row["model_id"] == "gpt-4o"
    assert row["currency"] == "USD"
    assert row["price_book"] == book.book.name
    assert row["price_source"] == "genai-prices@test"
    assert row["price_key"] == "openai/gpt-4o"
    assert row["match_rule"] == "response_model"
    assert row["price_context"] == ""
    assert row["price_tier"] == 0


def test_an_unpriced_row_names_the_book_that_had_no_price(book: Pricer) -> None:
    row = _priced(book, response_model="no-such-model", input_tokens=1, output_tokens=1)
    assert row["model_id"] == "no-such-model"
    assert row["price_book"] == book.book.name
    assert row["price_source"] == row["price_key"] == row["match_rule"] == ""
    assert row["unpriced_reason"] == "unknown_model"
    assert row["billed_cost"] is None


def test_what_is_observed_of_a_call_stays_as_it_is(book: Pricer) -> None:
    observations = _observations({"input_tokens": 1, "account_id": "acme"}, {"transaction_id": "t"})
    usage = price(observations, book)
    assert usage.schema == USAGE
    kept = [name for name in OBSERVATIONS.names if name != "request"]
    assert usage.select(kept).equals(observations.select(kept))


def test_no_observations_give_no_rows(book: Pricer) -> None:
    usage = price(OBSERVATIONS.empty_table(), book)
    assert usage.schema == USAGE
    assert usage.num_rows == 0


@pytest.mark.parametrize(
    ("provider", "model", "started_at", "dollars"),
    [
        ("openai", "o3", "2025-06-09T23:59:59.999999", "10"),
        ("openai", "o3", "2025-06-10T00:00:00", "2"),
        ("deepseek", "deepseek-chat", "2025-07-01T00:29:59.999999", "0.135"),
        ("deepseek", "deepseek-chat", "2025-07-01T00:30:00", "0.27"),
        ("deepseek", "deepseek-chat", "2025-07-01T16:29:59.999999", "0.27"),
        ("deepseek", "deepseek-chat", "2025-07-01T16:30:00", "0.135"),
    ],
)
def test_the_price_is_that_of_the_calls_start(
    book: Pricer, provider: str, model: str, started_at: str, dollars: str
) -> None:
    start = datetime.fromisoformat(started_at).replace(tzinfo=UTC)
    call = {"provider": provider, "response_model": model, "started_at": start, "input_tokens": 1_000_000}
    assert _cost(book, **call) == Decimal(dollars)


def test_when_a_call_ended_does_not_matter_to_its_price(book: Pricer) -> None:
    start = datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC)
    call = {"response_model": "o3", "started_at": start, "duration_ns": 60 * 10**9, "input_tokens": 1_000_000}
    assert _cost(book, **call) == 10


@pytest.mark.parametrize(
    ("model", "inputs", "cost", "tier"),
    [
        ("anthropic/claude-sonnet-4-5", 200_000, "0.60015", 0),
        ("anthropic/claude-sonnet-4-5", 200_001, "1.200231", 200_000),
        ("openai/gpt-5.6-sol", 272_000, "1.0882", 0),
        ("openai/gpt-5.6-sol", 272_001, "2.176308", 272_000),
    ],
)
def test_a_tier_is_a_cliff_for_the_whole_call(
    book: Pricer, model: str, inputs: int, cost: str, tier: int
) -> None:
    provider, name = model.split("/")
    row = _priced(book, provider=provider, response_model=name, input_tokens=inputs, output_tokens=10)
    assert row["billed_cost"] == Decimal(cost)
    assert row["price_tier"] == tier


def test_cached_tokens_count_toward_the_tier(book: Pricer) -> None:
    call = {"provider": "anthropic", "response_model": "claude-sonnet-4-5"}
    cached = {"input_tokens": 200_001, "cache_read_tokens": 200_001}
    assert _cost(book, **call, **cached) == Decimal("0.6e-6") * 200_001


@pytest.mark.parametrize(
    ("inputs", "dollars"), [(100, "1"), (101, "2"), (1_000, "2"), (1_001, "4"), (MAX_TOKENS, "4")]
)
def test_of_several_tiers_the_highest_reached_applies(inputs: int, dollars: str) -> None:
    tiers = [Tier(start=1_000, price=Decimal(4)), Tier(start=100, price=Decimal(2))]
    book = _own_book(m=ModelPrice(input_mtok=TieredPrices(base=Decimal(1), tiers=tiers)))
    assert _cost(book, response_model="m", input_tokens=inputs) == Decimal(dollars) * inputs / 1_000_000


def test_a_price_without_tiers_stays_the_same_beside_one_that_has_them() -> None:
    tiered = TieredPrices(base=Decimal(1), tiers=[Tier(start=10, price=Decimal(2))])
    book = _own_book(m=ModelPrice(input_mtok=tiered, output_mtok=Decimal(8)))
    call = {"response_model": "m", "input_tokens": 20, "output_tokens": 1}
    assert _cost(book, **call) == Decimal("48e-6")


@pytest.mark.parametrize(
    ("provider", "model", "counts", "millionths"),
    [
        # 5,000 plain at 3, 2,000 read at 0.3, 2,000 written at 3.75, 1,000 for an hour at 6, 500 out at 15
        (
            "anthropic",
            "claude-sonnet-4-5",
            {
                "input_tokens": 10_000,
                "cache_read_tokens": 2_000,
                "cache_write_tokens": 3_000,
                "cache_write_1h_tokens": 1_000,
                "output_tokens": 500,
            },
            36_600,
        ),
        # 300 text at 4, 500 audio at 32, 100 text and 100 audio from cache at 0.4; 100 at 16, 200 at 64
        (
            "openai",
            "gpt-realtime",
            {
                "input_tokens": 1_000,
                "input_audio_tokens": 600,
                "cache_read_tokens": 200,
                "cache_read_audio_tokens": 100,
                "output_tokens": 300,
                "output_audio_tokens": 200,
            },
            31_680,
        ),
        # 100 in at 0.3; 210 out at 2.5, 1,290 of images at 30
        (
            "google",
            "gemini-2.5-flash-image",
            {"input_tokens": 100, "output_tokens": 1_500, "output_image_tokens": 1_290},
            39_255,
        ),
        # 100 text in at 5, 200 of images at 10
        ("openai", "gpt-image-1", {"input_tokens": 300, "input_image_tokens": 200}, 2_500),
        # 100 in at 2; 400 out at 8, 600 of reasoning at 3
        (
            "perplexity",
            "sonar-deep-research",
            {"input_tokens": 100, "output_tokens": 1_000, "reasoning_tokens": 600},
            5_200,
        ),
        # reasoning without a price of its own is output, at 10
        ("openai", "gpt-5", {"input_tokens": 0, "output_tokens": 1_000, "reasoning_tokens": 800}, 10_000),
        # tokens written to a cache without a price of their own are input, at 2.5
        ("openai", "gpt-4o", {"input_tokens": 1_000, "cache_write_tokens": 400}, 2_500),
    ],
    ids=["cache", "audio", "output images", "input images", "reasoning", "plain reasoning", "plain cache"],
)
def test_each_kind_of_token_is_charged_once_at_its_own_price(
    book: Pricer, provider: str, model: str, counts: dict[str, int], millionths: int
) -> None:
    assert _cost(book, provider=provider, response_model=model, **counts) == Decimal(millionths) / 1_000_000


def test_a_fee_per_call_is_added_to_each_call(book: Pricer) -> None:
    call = {"provider": "perplexity", "response_model": "sonar"}
    usage = price(
        _observations({**call, "input_tokens": 1_000, "output_tokens": 500}, {**call, "input_tokens": 0}),
        book,
    )
    assert usage["billed_cost"].to_pylist() == [Decimal("0.0135"), Decimal("0.012")]


def test_a_price_may_be_a_fee_per_call_and_nothing_else() -> None:
    book = _own_book(m=ModelPrice(requests_kcount=Decimal(5)))
    assert _cost(book, response_model="m", input_tokens=0, output_tokens=0) == Decimal("0.005")
    assert _reason(book, response_model="m", input_tokens=1, output_tokens=0) == "unpriced_units"


@pytest.mark.parametrize(
    ("tier", "cost", "context"),
    [
        ("", "0.00225", ""),
        ("default", "0.00225", ""),
        ("standard", "0.00225", ""),
        ("auto", "0.00225", ""),
        ("on_demand", "0.00225", ""),
        ("flex", "0.001125", "service_tier=flex"),
        ("FLEX", "0.001125", "service_tier=flex"),
        ("priority", "0.0045", "service_tier=priority"),
        ("batch", "0.001125", "processing=batch"),
    ],
)
def test_the_tier_that_was_served_has_its_price(book: Pricer, tier: str, cost: str, context: str) -> None:
    call = {"response_model": "gpt-5", "input_tokens": 1_000, "output_tokens": 100, "service_tier": tier}
    row = _priced(book, **call)
    assert row["billed_cost"] == Decimal(cost)
    assert row["price_context"] == context


@pytest.mark.parametrize(
    "call",
    [
        {"response_model": "gpt-4o", "service_tier": "flex"},
        {"response_model": "gpt-5", "service_tier": "galactic"},
        {"response_model": "gpt-4o-audio-preview", "service_tier": "batch"},
        {"response_model": "gpt-5", "service_tier": "flex", "started_at": datetime(2026, 10, 11, tzinfo=UTC)},
        {"response_model": "gpt-5", "service_tier": "flex", "provider": "azure.ai.openai"},
    ],
    ids=["flex", "unheard of", "batch", "not yet", "of another provider"],
)
def test_a_tier_without_a_price_has_not_the_standard_one(book: Pricer, call: Row) -> None:
    assert _reason(book, input_tokens=1, output_tokens=1, **call) == "no_price_for_service_tier"
    row = _priced(book, input_tokens=1, output_tokens=1, **call)
    assert row["price_key"].endswith(call["response_model"])


def test_a_provider_has_the_standard_price_of_another_that_it_stands_in_for(book: Pricer) -> None:
    call = {"provider": "azure.ai.openai", "response_model": "gpt-5", "service_tier": "default"}
    row = _priced(book, **call, input_tokens=1_000_000)
    assert row["billed_cost"] == Decimal("1.25")
    assert row["price_key"] == "azure/gpt-5"


def test_a_model_with_an_empty_price_is_unpriced_and_not_free(book: Pricer) -> None:
    row = _priced(book, provider="github-copilot", response_model="gpt-4o", input_tokens=1, output_tokens=1)
    assert row["unpriced_reason"] == "no_price"
    assert row["billed_cost"] is None
    assert row["model_id"] == "gpt-4o"
    assert row["price_key"] == "github-copilot/gpt-4o"


def test_a_model_with_a_price_of_zero_is_free() -> None:
    book = _own_book(m=ModelPrice(input_mtok=Decimal(0), output_mtok=Decimal(0)))
    assert _cost(book, response_model="m", input_tokens=5, output_tokens=5) == 0


@pytest.mark.parametrize("tokens", [0, 100])
@pytest.mark.parametrize(
    ("provider", "model"), [("groq", "whisper-large-v3"), ("openai", "tts-1")], ids=["hours", "characters"]
)
def test_a_model_whose_price_is_not_of_tokens_is_unpriced_and_not_free(
    book: Pricer, provider: str, model: str, tokens: int
) -> None:
    call = {"provider": provider, "response_model": model, "input_tokens": tokens, "output_tokens": 0}
    assert _reason(book, **call) == "no_price"


def test_tokens_of_a_kind_without_a_price_leave_the_call_unpriced(book: Pricer) -> None:
    embedding = {"response_model": "text-embedding-3-small", "input_tokens": 1_000_000}
    assert _reason(book, **embedding, output_tokens=1) == "unpriced_units"
    assert _cost(book, **embedding, output_tokens=0) == Decimal("0.02")
    assert _cost(book, **embedding) == Decimal("0.02")


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("cache_read_tokens", "input_tokens"),
        ("cache_write_tokens", "input_tokens"),
        ("input_audio_tokens", "input_tokens"),
        ("input_image_tokens", "input_tokens"),
        ("output_audio_tokens", "output_tokens"),
        ("output_image_tokens", "output_tokens"),
        ("reasoning_tokens", "output_tokens"),
    ],
)
def test_a_part_may_be_its_whole_and_not_more(book: Pricer, part: str, whole: str) -> None:
    call = {"input_tokens": 50, "output_tokens": 50} | {whole: 10}
    assert _priced(book, **call | {part: 10})["unpriced_reason"] == ""
    assert _reason(book, **call | {part: 11}) == "impossible_usage"


@pytest.mark.parametrize(
    "counts",
    [
        {"cache_write_tokens": 10, "cache_write_1h_tokens": 11},
        {"cache_read_tokens": 60, "cache_write_tokens": 41},
        {"cache_read_tokens": 60, "input_audio_tokens": 41},
        {"cache_read_tokens": 9, "input_audio_tokens": 50, "cache_read_audio_tokens": 10},
        {"cache_read_tokens": 50, "input_audio_tokens": 9, "cache_read_audio_tokens": 10},
        {"output_audio_tokens": 51, "output_image_tokens": 50},
        {"output_audio_tokens": 51, "reasoning_tokens": 50},
    ],
    ids=str,
)
def test_parts_that_cannot_be_together_are_impossible(book: Pricer, counts: dict[str, int]) -> None:
    assert _reason(book, input_tokens=100, output_tokens=100, **counts) == "impossible_usage"


def test_parts_that_overlap_are_possible(book: Pricer) -> None:
    counts = {"cache_read_tokens": 60, "input_audio_tokens": 41, "cache_read_audio_tokens": 1}
    assert _cost(book, input_tokens=100, **counts) > 0


_MISSING: Final = {"usage_status": "missing"}
_ESTIMATED: Final = {"usage_status": "estimated"}
_FAILED: Final = {"usage_status": "missing", "error_type": "timeout", "response_model": ""}
_ROLLUP: Final = {"role": "rollup"}
_IMPOSSIBLE: Final = {"input_tokens": 1, "cache_read_tokens": 2}
_UNKNOWN: Final = {"request_model": "no-such-model", "response_model": ""}


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (_ROLLUP, "rollup"),
        (_ROLLUP | _FAILED | _IMPOSSIBLE | _UNKNOWN, "rollup"),
        (_FAILED | {"request_model": "gpt-4o"}, "call_failed"),
        (_FAILED | _IMPOSSIBLE | _UNKNOWN, "call_failed"),
        (_FAILED | {"response_id": "resp_1"}, "usage_missing"),
        (_FAILED | {"response_model": "gpt-4o"}, "usage_missing"),
        (_MISSING, "usage_missing"),
        (_ESTIMATED, "estimated_usage"),
        (_ESTIMATED | _IMPOSSIBLE | _UNKNOWN, "estimated_usage"),
        (_MISSING | _IMPOSSIBLE | _UNKNOWN, "usage_missing"),
        (_IMPOSSIBLE, "impossible_usage"),
        (_IMPOSSIBLE | _UNKNOWN, "impossible_usage"),
        ({"response_model": "text-embedding-3-small", "output_tokens": 1}, "unpriced_units"),
        (
            {
                "response_model": "text-embedding-3-small",
                "input_tokens": 1,
                "output_tokens": 1,
                "reasoning_tokens": 2,
            },
            "impossible_usage",
        ),
        (_UNKNOWN | {"input_tokens": 1, "output_tokens": 1}, "unknown_model"),
    ],
)
def test_of_several_reasons_the_first_that_explains_the_row_is_told(
    book: Pricer, call: Row, reason: str
) -> None:
    assert _reason(book, **call) == reason


def test_a_call_that_failed_with_usage_is_charged(book: Pricer) -> None:
    call = {"error_type": "timeout", "input_tokens": 1_000_000, "output_tokens": 0}
    assert _cost(book, **call) == Decimal("2.5")


@pytest.mark.parametrize(
    ("response_model", "request_model", "model_id"),
    [("no-such", "nor-this", "no-such"), ("", "nor-this", "nor-this"), ("", "", "")],
)
def test_the_model_of_an_unknown_model_is_its_name(
    book: Pricer, response_model: str, request_model: str, model_id: str
) -> None:
    row = _priced(book, response_model=response_model, request_model=request_model)
    assert row["model_id"] == model_id
    assert row["unpriced_reason"] == "unknown_model"


_MANY: Final[list[Mapping[str, Any]]] = [
    {"input_tokens": 1_500, "output_tokens": 500, "cache_read_tokens": 200},
    {"response_model": "no-such-model", "input_tokens": 1, "output_tokens": 1},
    {"response_model": "o3", "input_tokens": 9, "started_at": datetime(2025, 6, 9, tzinfo=UTC)},
    {"response_model": "o3", "input_tokens": 9, "started_at": datetime(2025, 6, 10, tzinfo=UTC)},
    {"provider": "anthropic", "response_model": "claude-sonnet-4-5", "input_tokens": 200_001},
    {"provider": "anthropic", "response_model": "claude-haiku-5-5", "input_tokens": 100_001},
    {"provider": "anthropic", "response_model": "claude-sonnet-4-5", "input_tokens": 200_000},
    {"response_model": "gpt-5", "service_tier": "flex", "input_tokens": 7, "output_tokens": 7},
    {"response_model": "gpt-4o", "service_tier": "flex", "input_tokens": 7, "output_tokens": 7},
    {"provider": "perplexity", "response_model": "sonar", "input_tokens": 3},
    {"provider": "deepseek", "response_model": "deepseek-chat", "input_tokens": 3},
    {"response_model": "gpt-realtime", "input_tokens": 100, "input_audio_tokens": 40, "output_tokens": 1},
    _MISSING,
    _ESTIMATED,
    _FAILED,
    _ROLLUP,
    _IMPOSSIBLE,
]


def test_calls_of_many_kinds_at_once_cost_what_each_costs_alone(book: Pricer) -> None:
    alone = [price(_observations(call), book).to_pylist()[0] for call in _MANY]
    assert price(_observations(*_MANY), book).to_pylist() == alone
    chunks = pa.concat_tables([_observations(call) for call in _MANY])
    assert price(chunks, book).to_pylist() == alone
    assert price(chunks.slice(3, 9), book).to_pylist() == alone[3:12]


def test_no_dictionary_of_a_priced_table_says_a_text_twice(book: Pricer) -> None:
    usage = price(_observations(*_MANY), book)
    for name in ("model_id", "unpriced_reason", "price_source", "price_key", "match_rule", "price_context"):
        texts = Names.of(usage[name]).dictionary.to_pylist()
        assert len(texts) == len(set(texts))


def test_a_cost_is_exact_to_the_last_decimal_where_a_float_is_not() -> None:
    a_million = Decimal("0.123456789013")
    book = _own_book(m=ModelPrice(input_mtok=a_million))
    exact = a_million * 987_654_321 / 1_000_000
    assert _cost(book, response_model="m", input_tokens=987_654_321) == exact
    assert Decimal(float(a_million) * 987_654_321 / 1_000_000).quantize(Decimal("1e-18")) != exact


def test_the_sum_of_costs_is_exact_where_that_of_floats_is_not(book: Pricer) -> None:
    usage = price(_observations(*[{"input_tokens": 4_000_001}] * 1_000), book)
    assert sum(usage["billed_cost"].to_pylist()) == Decimal("10000.0025")
    assert sum([10.0000025] * 1_000) != 10_000.0025


def test_a_price_finer_than_money_is_rounded_once_for_a_token_and_not_for_the_call() -> None:
    book = _own_book(m=ModelPrice(input_mtok=Decimal("1.0000000000006")))
    assert _cost(book, response_model="m", input_tokens=1_000) == Decimal("0.001000000000001000")


def test_the_largest_counts_at_a_high_price_are_still_exact() -> None:
    book = _own_book(m=ModelPrice(input_mtok=Decimal(1_000), output_mtok=Decimal(5_000)))
    call = {"response_model": "m", "input_tokens": MAX_TOKENS, "output_tokens": MAX_TOKENS}
    assert _cost(book, **call) == 6_000_000


_QUANTITIES: Final = st.integers(0, MAX_TOKENS) | st.sampled_from([2**32 - 1, 3 * MAX_TOKENS])
_WEIGHTS: Final = st.integers(-(2**58), 2**58) | st.sampled_from([-1, 0, 1, 2**32, -(2**32), 2**32 - 1])


@strategies.examples(300)
@given(st.lists(st.lists(st.tuples(_QUANTITIES, _WEIGHTS), min_size=3, max_size=3), min_size=1, max_size=4))
def test_money_is_the_sum_of_products_that_python_gives(rows: list[list[tuple[int, int]]]) -> None:
    table = np.array(rows, dtype=np.int64)
    quantities, weights = (np.ascontiguousarray(table[:, :, side].T) for side in (0, 1))
    expected = [sum(quantity * weight for quantity, weight in row) for row in rows]
    found = [int(value.scaleb(18)) for value in _money(quantities, weights).to_pylist()]
    assert found == expected


def test_the_largest_counts_of_every_kind_at_the_dearest_price_do_not_overflow() -> None:
    # A token count may have what it lacked added to it, twice; other counts and the call are as told.
    most = [3 * MAX_TOKENS if name in TOKEN_COLUMNS else MAX_TOKENS for name in ("call", *UNITS)]
    dearest = int(DEAREST.scaleb(18))
    (money,) = _money(np.array([[each] for each in most]), np.full((len(most), 1), dearest)).to_pylist()
    assert int(money.scaleb(18)) == sum(most) * dearest


@strategies.examples(100)
@given(
    counts=st.lists(st.integers(0, 1_000_000), min_size=11, max_size=11),
    prices=st.lists(st.integers(0, 10**12), min_size=2, max_size=2),
)
def test_a_cost_is_never_negative_and_there_is_none_for_the_impossible(
    counts: list[int], prices: list[int]
) -> None:
    per_input, per_output = (Decimal(each).scaleb(-9) for each in prices)
    book = _own_book(m=ModelPrice(input_mtok=per_input, output_mtok=per_output, cache_read_mtok=Decimal(0)))
    row = _priced(book, response_model="m", **dict(zip(TOKEN_COLUMNS, counts, strict=True)))
    assert row["unpriced_reason"] in {"", "impossible_usage"}
    assert (row["billed_cost"] is None) == (row["unpriced_reason"] != "")
    assert row["billed_cost"] is None or row["billed_cost"] >= 0
