"""The traps of pricing: cliffs, counts within counts, dates, tiers of service, and what is not free.

What spans say goes the whole way: bytes, extraction, price.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pytest
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider

from otel_usage.model import OBSERVATIONS
from otel_usage.pricing import PriceBook, Pricer, price
from otel_usage.pricing.book import Source
from tests import model_calls, spans
from tests.spans import Attributes

_AT: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
_INPUT: Final = "gen_ai.usage.input_tokens"
_OUTPUT: Final = "gen_ai.usage.output_tokens"
_READ: Final = "gen_ai.usage.cache_read.input_tokens"
_WRITTEN: Final = "gen_ai.usage.cache_creation.input_tokens"
_THOUGHT: Final = "gen_ai.usage.reasoning.output_tokens"
_HEARD: Final = "gen_ai.usage.audio.input_tokens"
_SPOKEN: Final = "gen_ai.usage.audio.output_tokens"
_EXCLUSIVE: Final = "openlit.instrumentation.anthropic"
"""An emitter whose input has no cached tokens, as Anthropic's has none."""

Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def pricer() -> Pricer:
    return Pricer.bundled()


def _row(pricer: Pricer, **told: Any) -> Row:  # noqa: ANN401
    call = {**model_calls.CALL, "started_at": _AT, **told}
    row: Row = price(pa.Table.from_pylist([call], schema=OBSERVATIONS), pricer).to_pylist()[0]
    return row


def _cost(pricer: Pricer, **told: Any) -> Decimal:  # noqa: ANN401
    row = _row(pricer, **told)
    assert row["unpriced_reason"] == "", row
    cost: Decimal = row["billed_cost"]
    return cost


def _span(pricer: Pricer, provider: str, model: str, told: Attributes, **about: Any) -> Row:  # noqa: ANN401
    """The priced row of a span."""
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        **told,
    }
    found = spans.extraction(spans.request(attributes, **about)).observations
    row: Row = price(found, pricer).to_pylist()[0]
    return row


# Cliffs


@pytest.mark.parametrize(
    ("counts", "tier"),
    [
        ({"input_tokens": 200_000, "cache_read_tokens": 199_999}, 0),
        ({"input_tokens": 200_001, "cache_read_tokens": 200_000}, 200_000),
        ({"input_tokens": 200_001, "cache_write_tokens": 200_001}, 200_000),
        ({"input_tokens": 200_001, "cache_write_tokens": 9, "cache_write_1h_tokens": 9}, 200_000),
        ({"input_tokens": 200_000, "output_tokens": 60_000}, 0),
    ],
    ids=str,
)
def test_all_input_counts_toward_a_cliff_and_no_output_does(
    pricer: Pricer, counts: dict[str, int], tier: int
) -> None:
    row = _row(pricer, provider="anthropic", response_model="claude-sonnet-4-5", **counts)
    assert row["price_tier"] == tier


def test_above_a_cliff_every_kind_of_token_has_its_dearer_price(pricer: Pricer) -> None:
    counts = {
        "input_tokens": 200_001,
        "cache_read_tokens": 100_000,
        "cache_write_tokens": 50_001,
        "cache_write_1h_tokens": 20_001,
        "output_tokens": 1_000,
    }
    millionths = 50_000 * 6 + 100_000 * Decimal("0.6") + 30_000 * Decimal("7.5") + 20_001 * 12
    millionths += 1_000 * Decimal("22.5")
    cost = _cost(pricer, provider="anthropic", response_model="claude-sonnet-4-5", **counts)
    assert cost == millionths / 1_000_000


@pytest.mark.parametrize(
    ("inputs", "tier", "dollars"), [(272_000, 0, "0.1"), (272_001, 272_000, "0.2")], ids=["at", "above"]
)
def test_a_cliff_holds_in_each_tier_of_service(pricer: Pricer, inputs: int, tier: int, dollars: str) -> None:
    told = {"provider": "openai", "response_model": "gpt-5.6-luna", "input_tokens": inputs}
    standard, flex = (_row(pricer, **told, service_tier=each) for each in ("", "flex"))
    assert (standard["price_tier"], flex["price_tier"]) == (tier, tier)
    assert flex["billed_cost"] == Decimal(dollars) * inputs / 1_000_000
    assert standard["billed_cost"] == 2 * flex["billed_cost"]


# What contains what


@pytest.mark.parametrize(
    ("scope", "inputs", "convention"),
    [(_EXCLUSIVE, 1_000, "excludes_cache"), ("", 11_000, "inclusive")],
    ids=["as Anthropic counts", "as the conventions do"],
)
def test_cached_tokens_are_charged_once_whether_the_input_has_them_or_not(
    pricer: Pricer, scope: str, inputs: int, convention: str
) -> None:
    told = {_INPUT: inputs, _OUTPUT: 500, _READ: 8_000, _WRITTEN: 2_000}
    row = _span(pricer, "anthropic", "claude-sonnet-4-5", told, scope=scope, version="1.36.0")
    assert (row["input_tokens"], row["usage_convention"]) == (11_000, convention)
    # 1,000 at 3, 8,000 at 0.3, 2,000 at 3.75, 500 at 15
    assert row["billed_cost"] == Decimal("20400e-6")


def test_more_cached_tokens_than_input_prove_that_the_input_lacks_them(pricer: Pricer) -> None:
    told = {_INPUT: 5, _OUTPUT: 500, _READ: 4_735}
    row = _span(pricer, "anthropic", "claude-sonnet-4-5", told)
    assert (row["input_tokens"], row["convention_source"]) == (4_740, "arithmetic")
    assert row["billed_cost"] == (5 * 3 + 4_735 * Decimal("0.3") + 500 * 15) / 1_000_000


def test_cached_tokens_of_openai_are_part_of_its_input(pricer: Pricer) -> None:
    row = _span(pricer, "openai", "gpt-4o", {_INPUT: 1_500, _OUTPUT: 500, _READ: 200})
    assert row["billed_cost"] == Decimal("0.0085")


@pytest.mark.parametrize(("provider", "model", "dollars"), [("openai", "gpt-5", "10"), ("openai", "o3", "8")])
def test_reasoning_is_part_of_the_output_and_not_charged_beside_it(
    pricer: Pricer, provider: str, model: str, dollars: str
) -> None:
    row = _span(pricer, provider, model, {_INPUT: 0, _OUTPUT: 1_000_000, _THOUGHT: 900_000})
    assert row["billed_cost"] == Decimal(dollars)


def test_audio_is_part_of_the_input_and_of_the_output(pricer: Pricer) -> None:
    told = {_INPUT: 1_000, _OUTPUT: 300, _HEARD: 600, _SPOKEN: 200}
    row = _span(pricer, "openai", "gpt-realtime", told)
    # 400 at 4, 600 at 32, 100 at 16, 200 at 64
    assert row["billed_cost"] == Decimal("35200e-6")


# Dates


@pytest.mark.parametrize(
    ("provider", "model", "begin", "before", "since"),
    [
        ("openai", "o3", "2025-06-10", "10", "2"),
        ("mistral", "mistral-large-latest", "2025-12-02", "2", "0.5"),
        ("deepseek", "deepseek-chat", "2025-09-05", "0.135", "0.28"),
        ("deepseek", "deepseek-v4-pro", "2026-08-17", "0.435", "0.66"),
    ],
)
def test_a_price_changes_at_midnight_and_not_a_nanosecond_before(  # noqa: PLR0913, PLR0917 (a case)
    pricer: Pricer, provider: str, model: str, begin: str, before: str, since: str
) -> None:
    at = int(datetime.fromisoformat(begin).replace(tzinfo=UTC).timestamp()) * 10**9
    told = {"provider": provider, "response_model": model, "input_tokens": 1_000_000}
    calls = [{**model_calls.CALL, **told, "started_at": each} for each in (at - 1, at)]
    costs = price(pa.Table.from_pylist(calls, schema=OBSERVATIONS), pricer)["billed_cost"].to_pylist()
    assert costs == [Decimal(before), Decimal(since)]


@pytest.mark.parametrize(
    ("clock", "dollars"),
    [
        ("00:59:59.999999", "0.66"),
        ("01:00:00", "1.32"),
        ("03:59:59.999999", "1.32"),
        ("04:00:00", "0.66"),
        ("06:00:00", "1.32"),
        ("10:00:00", "0.66"),
    ],
)
def test_an_hour_of_the_day_has_its_price(pricer: Pricer, clock: str, dollars: str) -> None:
    at = datetime.fromisoformat(f"2026-11-20T{clock}+00:00")
    told = {"provider": "deepseek", "response_model": "deepseek-v4-pro", "started_at": at}
    assert _cost(pricer, **told, input_tokens=1_000_000) == Decimal(dollars)


# Tiers of service


@pytest.mark.parametrize(
    ("asked", "served", "dollars"),
    [
        ("auto", "default", "1.25"),
        ("priority", "default", "1.25"),
        ("auto", "priority", "2.5"),
        ("flex", "", "1.25"),
    ],
)
def test_the_tier_that_was_served_counts_and_not_the_one_asked_for(
    pricer: Pricer, asked: str, served: str, dollars: str
) -> None:
    told: dict[str, Any] = {_INPUT: 1_000_000, _OUTPUT: 0, "openai.request.service_tier": asked}
    told |= {"openai.response.service_tier": served} if served else {}
    assert _span(pricer, "openai", "gpt-5", told)["billed_cost"] == Decimal(dollars)


@pytest.mark.parametrize(
    ("provider", "model", "tier", "context", "share"),
    [
        ("openai", "gpt-5", "batch", "processing=batch", "0.5"),
        ("anthropic", "claude-sonnet-5", "batch", "processing=batch", "0.5"),
        ("google", "gemini-2.5-pro", "batch", "processing=batch", "0.5"),
        ("anthropic", "claude-opus-4-8", "fast", "speed=fast", "2"),
    ],
)
def test_a_context_that_has_a_price_is_told_with_it(  # noqa: PLR0913, PLR0917 (a case)
    pricer: Pricer, provider: str, model: str, tier: str, context: str, share: str
) -> None:
    told = {"provider": provider, "response_model": model, "input_tokens": 1_000, "output_tokens": 1_000}
    standard, other = (_row(pricer, **told, service_tier=each) for each in ("", tier))
    assert (standard["price_context"], other["price_context"]) == ("", context)
    assert other["billed_cost"] == Decimal(share) * standard["billed_cost"]
    assert (standard["unapplied_context"], other["unapplied_context"]) == ("", "")


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        ("openai", "gpt-5", "Prioritized"),
        ("openai", "gpt-4-turbo", "priority"),
        ("anthropic", "claude-opus-4-6", "priority"),
        ("azure.ai.openai", "gpt-5", "flex"),
    ],
)
def test_a_context_without_a_price_is_no_standard_price_and_is_told(
    pricer: Pricer, provider: str, model: str, tier: str
) -> None:
    row = _row(pricer, provider=provider, response_model=model, input_tokens=1, service_tier=tier)
    assert (row["billed_cost"], row["unpriced_reason"]) == (None, "no_price_for_service_tier")
    assert row["unapplied_context"] == f"service_tier={tier.lower()}"
    assert row["price_context"] == row["unit_prices"] == ""


# Caches


@pytest.mark.parametrize(
    ("provider", "model", "short", "hour"),
    [
        ("anthropic", "claude-sonnet-4-5", "3.75", "6"),
        ("anthropic", "claude-opus-4-5", "6.25", "10"),
        ("aws.bedrock", "us.anthropic.claude-opus-5-5", "5.5", "8.8"),
    ],
)
def test_a_cache_that_is_kept_for_an_hour_has_its_own_price(
    pricer: Pricer, provider: str, model: str, short: str, hour: str
) -> None:
    told = {"provider": provider, "response_model": model, "input_tokens": 1_000, "cache_write_tokens": 1_000}
    costs = [_cost(pricer, **told, cache_write_1h_tokens=each) for each in (0, 1_000, 400)]
    five, sixty = Decimal(short) / 1_000, Decimal(hour) / 1_000
    assert costs == [five, sixty, (600 * five + 400 * sixty) / 1_000]


# What is not free


@pytest.mark.parametrize(
    "prices",
    [ModelPrice(), ModelPrice(web_searches_kcount=Decimal(10)), ModelPrice(input_document_kpages=Decimal(1))],
    ids=["no prices", "of searches", "of pages"],
)
def test_a_model_without_a_price_of_what_was_used_is_unpriced_and_not_free(prices: ModelPrice) -> None:
    model = ModelInfo(id="m", match=ClauseEquals(equals="m"), prices=prices)
    provider = Provider(id="p", name="P", api_pattern="", models=[model])
    pricer = Pricer(PriceBook.of(Source.of("own", "1", [provider])))
    row = _row(pricer, provider="p", response_model="m", input_tokens=10, output_tokens=10)
    assert row["billed_cost"] is row["list_cost"] is None
    assert row["unpriced_reason"] in {"no_price", "unpriced_units"}


def test_no_model_of_the_book_is_free_but_by_policy_or_a_price_of_zero(pricer: Pricer) -> None:
    calls = [
        {**model_calls.CALL, "started_at": _AT, "provider": provider.id, "response_model": model.id}
        | {"input_tokens": 1_000, "output_tokens": 1_000}
        for source in pricer.book.sources
        for provider in source.providers
        for model in provider.models
    ]
    rows = price(pa.Table.from_pylist(calls, schema=OBSERVATIONS), pricer).to_pylist()
    free = [row for row in rows if row["billed_cost"] == 0]
    by_policy = [row for row in free if row["price_source"].startswith("policy@")]
    assert by_policy
    for row in free:
        told = row["match_rule"].endswith(", free")
        assert told or '"input_mtok":"0"' in row["unit_prices"], (row["price_key"], row["unit_prices"])


@pytest.mark.parametrize(
    ("provider", "model", "free"),
    [
        ("ollama", "llama3.2", True),
        ("ollama", "a-model-of-mine", True),
        ("", "llama3.2", False),
        ("openai", "llama3.2", False),
        ("vllm", "llama3.2", False),
        ("openrouter", "meta-llama/llama-3.3-70b-instruct:free", True),
        ("openrouter", "meta-llama/llama-3.3-70b-instruct:paid", False),
    ],
)
def test_a_local_model_is_free_by_policy_and_never_by_its_name(
    pricer: Pricer, provider: str, model: str, *, free: bool
) -> None:
    row = _row(pricer, provider=provider, response_model=model, input_tokens=10, output_tokens=10)
    assert (row["billed_cost"] == 0) is free
    assert row["match_rule"].endswith(", free") is free
    assert (row["unpriced_reason"] == "unknown_model") is not free


def test_a_fee_per_call_does_not_pay_for_audio(pricer: Pricer) -> None:
    row = _row(pricer, provider="perplexity", response_model="sonar", input_audio_ns=61 * 10**9)
    assert (row["billed_cost"], row["unpriced_reason"]) == (None, "unpriced_units")
    assert row["unpriced_units"] == "input_audio"
