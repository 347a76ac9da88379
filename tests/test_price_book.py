"""Which price a call is given: how its model is found, and what is remembered of it."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices.data_units import unit_data
from genai_prices.types import ClauseEquals, ClauseStartsWith, ModelInfo, ModelPrice, Provider

from otel_usage.model import QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.pricing import PriceBook, Pricer, listing, match, rate
from otel_usage.pricing.book import Source
from otel_usage.pricing.listed import BUCKET_NS
from otel_usage.pricing.quote import Kind, Quote

_LATEST = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 10**9 // BUCKET_NS


@pytest.fixture(scope="module")
def providers() -> Sequence[Provider]:
    from genai_prices.data import providers  # noqa: PLC0415 (slow; only these tests need it)

    return list(providers)


@pytest.fixture
def book(providers: Sequence[Provider]) -> Pricer:
    """genai-prices alone, and nothing remembered yet."""
    return _pricer(providers)


def _pricer(providers: Sequence[Provider]) -> Pricer:
    return Pricer(PriceBook.of(Source.of("genai-prices", "test", providers)))


def _find(
    providers: Sequence[Provider], provider: str, response: str, request: str = ""
) -> match.Match | None:
    found = match.find(_pricer(providers).book, provider, response, request)
    return found[0] if found else None


def _found(providers: Sequence[Provider], provider: str, response: str, request: str = "") -> str:
    found = _find(providers, provider, response, request)
    return f"{found.key} by {found.rule}" if found else "unknown"


def _quote(  # noqa: PLR0913, PLR0917 (as a call is told)
    pricer: Pricer, provider: str, response: str, request: str, tier: str, bucket: int
) -> Quote:
    return pricer.quote(Kind(provider, response, request, tier, bucket=bucket))


def _dated(pricer: Pricer, provider: str, response: str, request: str, tier: str) -> bool:
    return pricer.is_dated(Kind(provider, response, request, tier))


def _provider(name: str, *models: str) -> Provider:
    prices = ModelPrice(input_mtok=Decimal(1))
    infos = [ModelInfo(id=model, match=ClauseEquals(equals=model), prices=prices) for model in models]
    return Provider(id=name, name=name, api_pattern="", models=infos)


@pytest.mark.parametrize(
    ("response", "request_model", "found"),
    [
        ("gpt-4o", "", "openai/gpt-4o by response_model"),
        ("gpt-4o-2024-08-06", "gpt-5", "openai/gpt-4o by response_model"),
        ("", "gpt-4o", "openai/gpt-4o by request_model"),
        ("no-such-model", "gpt-4o", "openai/gpt-4o by request_model"),
        ("  ", " gpt-4o ", "openai/gpt-4o by request_model"),
        ("GPT-4o", "", "openai/gpt-4o by response_model"),
        ("gpt-4o-fine-tuned-elsewhere", "", "unknown"),
        ("my-gpt-4o", "", "unknown"),
        ("claude-opus-4-6", "", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_the_model_that_answered_is_looked_up_and_then_the_one_asked_for(
    providers: Sequence[Provider], response: str, request_model: str, found: str
) -> None:
    assert _found(providers, "openai", response, request_model) == found


@pytest.mark.parametrize(
    ("provider", "model", "found"),
    [
        ("", "gpt-4o", "openai/gpt-4o by response_model, provider_inferred"),
        ("", "gpt-4o-2024-08-06", "openai/gpt-4o by response_model, provider_inferred"),
        ("acme", "gpt-4o", "openai/gpt-4o by response_model, provider_inferred"),
        ("acme", "GPT-4o", "openai/gpt-4o by response_model, provider_inferred"),
        ("acme", "MiniMax-M2", "minimax/MiniMax-M2 by response_model, provider_inferred"),
        ("acme", "models/gpt-4o", "openai/gpt-4o by response_model, prefix_removed, provider_inferred"),
        ("acme", "gpt-4o-2024-08-06", "unknown"),
        ("acme", "no-such-model", "unknown"),
        ("", "no-such-model", "unknown"),
    ],
)
def test_an_unknown_provider_is_inferred_from_an_exact_id_and_an_unnamed_one_from_any_name(
    providers: Sequence[Provider], provider: str, model: str, found: str
) -> None:
    assert _found(providers, provider, model) == found


@pytest.mark.parametrize(
    ("convention", "model", "key"),
    [
        ("azure.ai.openai", "gpt-4o", "azure/gpt-4o"),
        ("az.ai.inference", "gpt-4o", "azure/gpt-4o"),
        ("aws.bedrock", "amazon.nova-lite-v1:0", "aws/amazon.nova-lite-v1:0"),
        ("gcp.gemini", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gcp.gen_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gcp.vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("x_ai", "grok-4", "x-ai/grok-4-0709"),
        ("xai", "grok-4", "x-ai/grok-4-0709"),
        ("XAI", "grok-4", "x-ai/grok-4-0709"),
        ("mistral_ai", "mistral-large-latest", "mistral/mistral-large"),
        ("moonshot_ai", "kimi-k2", "moonshotai/kimi-k2"),
        ("GCP.Vertex_AI", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("Vertex_AI", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("X_AI", "grok-4", "x-ai/grok-4-0709"),
        ("OpenAI", "gpt-4o", "openai/gpt-4o"),
    ],
)
def test_the_conventions_names_of_providers_are_known(
    providers: Sequence[Provider], convention: str, model: str, key: str
) -> None:
    assert _found(providers, convention, model) == f"{key} by response_model"


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("models/m", "m"),
        ("publishers/google/models/m", "m"),
        ("Publishers/Anthropic/Models/m", "m"),
        ("accounts/fireworks/models/m", "m"),
        ("arn:aws:bedrock:us-east-1::foundation-model/m", "m"),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/m", "m"),
    ],
)
def test_the_prefix_of_a_resource_is_removed(name: str, bare: str) -> None:
    found = _find([_provider("own", bare)], "own", name, "")
    assert found is not None
    assert (found.model.id, found.rule) == (bare, "response_model, prefix_removed")


@pytest.mark.parametrize("name", ["models/models/m", "other/m", "arn:aws:m", "m/models/"])
def test_nothing_else_of_a_name_is_removed(name: str) -> None:
    assert _find([_provider("own", "m")], "own", name, "") is None


def test_a_name_that_is_known_as_it_is_keeps_its_prefix() -> None:
    found = _find([_provider("own", "m", "models/m")], "own", "models/m", "")
    assert found is not None
    assert (found.model.id, found.rule) == ("models/m", "response_model")


@pytest.mark.parametrize(
    ("provider", "model", "found"),
    [
        ("gcp.gemini", "models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "aws/amazon.nova-lite-v1:0",
        ),
    ],
)
def test_models_named_as_resources_are_found(
    providers: Sequence[Provider], provider: str, model: str, found: str
) -> None:
    assert _found(providers, provider, model).startswith(f"{found} by response_model")


def test_a_model_of_a_stand_in_is_not_the_providers_own(providers: Sequence[Provider]) -> None:
    azure = _find(providers, "azure", "gpt-5", "")
    openai = _find(providers, "openai", "gpt-5", "")
    assert azure is not None
    assert openai is not None
    assert azure.model is openai.model
    assert (azure.own, openai.own) == (False, True)


def test_a_provider_is_inferred_from_what_it_says_of_models() -> None:
    own = _provider("own", "m-large")
    own.model_match = ClauseStartsWith(starts_with="m-")
    assert _found([own], "", "M-Large") == "own/m-large by response_model, provider_inferred"
    assert _found([_provider("silent", "m-large")], "", "m-large") == "unknown"


def test_the_prices_of_the_provider_that_was_named_come_before_those_of_the_models_own() -> None:
    pricer = Pricer.bundled()
    named = pricer.quote(Kind("aihubmix", "deepseek-v4-flash", ""))
    unnamed = pricer.quote(Kind("", "deepseek-v4-flash", ""))
    assert named.price_key == "aihubmix/deepseek-v4-flash"  # of LiteLLM
    assert unnamed.price_key == "deepseek/deepseek-v4-flash"  # of genai-prices, which comes first


def test_no_model_that_a_provider_lists_is_priced_as_that_of_another_one() -> None:
    pricer = Pricer.bundled()
    listed = listing.models(pricer.book, time.time_ns())
    quoted = [pricer.quote(Kind(each.provider, each.model_id, "")) for each in listed]
    assert len(quoted) > 4_000
    inferred = [quote.price_key for quote in quoted if "provider_inferred" in quote.match_rule]
    assert inferred == []


def test_lookups_are_remembered_also_those_that_fail(book: Pricer) -> None:
    for _ in range(3):
        _quote(book, "openai", "gpt-4o", "", "", _LATEST)
        assert _quote(book, "openai", "no-such-model", "", "", _LATEST).reason == "unknown_model"
    known = book.quote.cache_info()
    assert (known.misses, known.hits) == (2, 4)


def test_one_search_serves_a_call_at_any_time_and_tier(book: Pricer) -> None:
    for bucket in range(_LATEST, _LATEST + 5):
        assert _dated(book, "openai", "o3", "", "flex")
        _quote(book, "openai", "o3", "", "flex", bucket)
    assert book._find.cache_info().misses == 1  # noqa: SLF001 (what is remembered is the point)


def test_what_is_remembered_is_bounded(book: Pricer) -> None:
    for remembered in (book.quote, book._find):  # noqa: SLF001
        size = remembered.cache_info().maxsize
        assert size is not None
        assert 1_000 <= size <= 100_000


def test_books_remember_each_its_own() -> None:
    one, other = (_pricer([_provider("own", model)]) for model in "ab")
    assert _quote(one, "own", "a", "", "", 0).reason == ""
    assert _quote(other, "own", "a", "", "", 0).reason == "unknown_model"


@pytest.mark.parametrize(
    ("model", "service_tier", "dated"),
    [
        ("gpt-4o", "", False),
        ("gpt-4o", "default", False),
        ("gpt-4o", "priority", True),
        ("o3", "", True),
        ("no-such-model", "", False),
        ("no-such-model", "flex", False),
    ],
)
def test_time_matters_where_prices_change_in_it(
    book: Pricer, model: str, service_tier: str, *, dated: bool
) -> None:
    assert _dated(book, "openai", model, "", service_tier) is dated


def test_a_quote_that_is_not_dated_is_the_same_at_any_time(
    book: Pricer, providers: Sequence[Provider]
) -> None:
    for provider in providers:
        for model in provider.models[:10]:
            if not _dated(book, provider.id, model.id, "", ""):
                early, late = (
                    _quote(book, provider.id, model.id, "", "", bucket) for bucket in (0, _LATEST * 2)
                )
                assert early == late


def test_every_time_at_which_a_price_changes_is_between_two_buckets(providers: Sequence[Provider]) -> None:
    bounds = {
        bound
        for provider in providers
        for model in provider.models
        if isinstance(model.prices, list)
        for condition in model.prices
        for name in ("start_time", "end_time")
        if (bound := getattr(condition.constraint, name, None)) is not None
    }
    assert bounds
    assert {(bound.minute % 30, bound.second, bound.microsecond, bound.tzinfo) for bound in bounds} == {
        (0, 0, 0, UTC)
    }


def test_a_quote_has_prices_or_a_reason_and_never_both(book: Pricer, providers: Sequence[Provider]) -> None:
    for provider in providers:
        for model in provider.models:
            quote = _quote(book, provider.id, model.id, "", "", _LATEST)
            rates = [rate for tier in quote.tiers for rate in (tier.listed, tier.billed)]
            assert all(rates) == any(rates) == (not quote.reason), quote


def test_every_count_has_a_unit_of_the_price_data() -> None:
    assert {*rate.UNITS, *rate.DURATIONS} == {*TOKEN_COLUMNS, *QUANTITY_COLUMNS}
    assert set(rate.UNITS.values()) <= {*unit_data, *rate.OWN_UNITS}


def test_a_unit_of_our_own_is_none_that_the_price_data_has() -> None:
    assert not rate.OWN_UNITS.keys() & unit_data.keys()
    theirs = {unit["price_key"] for unit in unit_data.values()}
    assert not {unit["price_key"] for unit in rate.OWN_UNITS.values()} & theirs
    dimensions = [unit["dimensions"] for unit in unit_data.values()]
    assert all(unit["dimensions"] not in dimensions for unit in rate.OWN_UNITS.values())
    assert not {*rate.MINIMUMS.values()} & theirs


def test_the_weights_of_tokens_within_others_are_differences() -> None:
    weights = rate.weigh(
        {"input_mtok": Decimal("2.5"), "cache_read_mtok": Decimal("1.25"), "output_mtok": Decimal(10)}
    )
    per_million = {
        name: weight * 1_000_000 for name, weight in zip(rate.UNITS, weights.per_unit, strict=True) if weight
    }
    assert per_million == {
        "input_tokens": Decimal("2.5"),
        "cache_read_tokens": Decimal("-1.25"),
        "output_tokens": Decimal(10),
    }
    assert weights.per_call == 0


def test_a_count_is_covered_by_the_price_of_one_that_contains_it() -> None:
    covered = dict(zip(rate.UNITS, rate.covered({"cache_write_mtok": Decimal(1)}), strict=True))
    assert [name for name, known in covered.items() if known] == [
        "cache_write_tokens",
        "cache_write_1h_tokens",
    ]


@pytest.mark.parametrize(("per_million", "reason"), [("1000000", ""), ("1000001", "no_price")])
def test_an_absurd_price_is_no_price(per_million: str, reason: str) -> None:
    price = ModelPrice(input_mtok=Decimal(per_million), output_mtok=Decimal(1))
    model = ModelInfo(id="gold", match=ClauseEquals(equals="gold"), prices=price)
    provider = Provider(id="mint", name="mint", api_pattern="", models=[model])
    assert _quote(_pricer([provider]), "mint", "gold", "", "", 0).reason == reason
