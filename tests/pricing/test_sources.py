"""Sources: what each has comes into the canonical form as it was meant, and what is left out has a reason."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pytest
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider, _providers_from_raw

from otel_usage.model import Permanent
from otel_usage.pricing.sources import corrections, genai, litellm, policy
from otel_usage.pricing.sources.form import Source, canonical, stated
from otel_usage.pricing.sources.limits import Limits
from otel_usage.pricing.sources.litellm import Vendored
from otel_usage.pricing.sources.litellm_prices import prices

LIMITS: Final = Limits()
_MINIMUM: Final = {("groq", "whisper-large-v3"), ("groq", "whisper-large-v3-turbo")}


@pytest.fixture(scope="module")
def installed() -> Sequence[Provider]:
    return genai.installed()[1]


@pytest.fixture(scope="module")
def newest() -> Source:
    return litellm.source(litellm.vendored()[0], corrections.read(corrections.bundled()).limits)


def _file(entries: Mapping[str, Any], version: str = "1.0.0") -> Vendored:
    return Vendored(version, json.dumps(entries).encode())


def _read(text: str) -> Mapping[str, Any]:
    """An entry of LiteLLM's, with numbers as its file has them."""
    return json.loads(text, parse_float=Decimal)


def _models(source: Source, provider: str) -> Mapping[str, dict[str, Any]]:
    (found,) = (each for each in source.document["providers"] if each["id"] == provider)
    return {model["id"]: model for model in found["models"]}


def _names(model: Mapping[str, Any]) -> list[str]:
    return [clause["equals"] for clause in model["match"]["or"]]


def _priced(source: Source, provider: str, name: str) -> Mapping[str, str]:
    """The prices of the model that the provider calls so."""
    found = [model for model in _models(source, provider).values() if name in _names(model)]
    assert len(found) == 1, (name, found)
    return stated(found[0])


# genai-prices


def test_every_model_of_genai_prices_reads_back_as_it_was(installed: Sequence[Provider]) -> None:
    source = genai.source("1", installed, Limits({"o1-pro": Decimal(600)}))
    body = json.loads(canonical(source.document))
    raw = [{"api_pattern": "", **each} for each in body["providers"]]
    back = _providers_from_raw(raw)
    assert not source.dropped
    assert [each.id for each in back] == [each.id for each in installed]
    assert sum(len(each.models) for each in back) > 2_000
    for was, now in zip(installed, back, strict=True):
        assert now.provider_match == was.provider_match
        assert now.model_match == was.model_match
        assert now.fallback_model_providers == was.fallback_model_providers
        for one, other in zip(was.models, now.models, strict=True):
            if (was.id, one.id) in _MINIMUM:  # in genai-prices' code, not in its data
                assert vars(other.prices).pop("input_audio_minimum_seconds") == 10
            assert (other.id, other.match, other.prices) == (one.id, one.match, one.prices)
            assert (other.price_variants or []) == (one.price_variants or [])


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity", "501"])
def test_a_model_with_a_price_that_is_none_is_left_out(price: str) -> None:
    bad, good = (
        ModelInfo(id=name, match=ClauseEquals(equals=name), prices=ModelPrice(input_mtok=value))
        for name, value in (("bad", Decimal(price)), ("good", Decimal(500)))
    )
    provider = Provider(id="p", name="P", api_pattern="", models=[bad, good])
    source = genai.source("1", [provider], LIMITS)
    assert list(_models(source, "p")) == ["good"]
    (dropped,) = source.dropped
    assert (dropped.source, dropped.provider, dropped.model) == ("genai-prices@1", "p", "bad")
    assert dropped.reason.startswith("input_mtok: ")


def test_the_data_that_the_project_publishes_is_read_without_floats() -> None:
    body = """[{
        "id": "p", "name": "P", "api_pattern": "x", "description": "?",
        "extractors": [{"root": "usage", "mappings": []}],
        "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 0.1, "output_mtok": 2}}]
    }]"""
    source = genai.source("1", genai.read(body.encode()), LIMITS)
    assert stated(_models(source, "p")["m"]) == {"input_mtok": "0.1", "output_mtok": "2"}


@pytest.mark.parametrize(
    "body", [b"{", b"{}", b"[1]", b'[{"id": "p"}]', b'[{"id": 1, "name": "P", "api_pattern": ""}]']
)
def test_what_is_no_data_of_genai_prices_is_refused(body: bytes) -> None:
    with pytest.raises(Permanent, match="genai-prices cannot be read"):
        genai.read(body)


# LiteLLM


def test_prices_are_never_floats() -> None:
    entry = _read('{"input_cost_per_token": 1.0000000000000001E-7, "output_cost_per_token": 2.8e-07}')
    assert prices(entry)["prices"] == {"input_mtok": "0.1", "output_mtok": "0.28"}


def test_a_price_above_a_threshold_is_a_tier() -> None:
    entry = _read(
        '{"input_cost_per_token": 1.25e-06, "input_cost_per_token_above_200k_tokens": 2.5e-06,'
        ' "cache_creation_input_token_cost_above_200k_tokens": 2.5e-07, "litellm_provider": "gemini"}'
    )
    # A price above a threshold, and none below it, is no price.
    assert prices(entry)["prices"] == {
        "input_mtok": {"base": "1.25", "tiers": [{"start": 200_000, "price": "2.5"}]}
    }


def test_a_threshold_that_belongs_to_the_dearer_tier_begins_one_token_before() -> None:
    entry = _read(
        '{"input_cost_per_token": 2e-06, "input_cost_per_token_above_200k_tokens": 4e-06,'
        ' "litellm_provider": "xai"}'
    )
    assert prices(entry)["prices"]["input_mtok"]["tiers"] == [{"start": 199_999, "price": "4"}]


def test_tiered_pricing_is_tiers() -> None:
    entry = _read(
        '{"tiered_pricing": [{"input_cost_per_token": 1.2e-06, "range": [0, 32000.0]},'
        ' {"input_cost_per_token": 2.4e-06, "range": [32000.0, 128000.0]}]}'
    )
    assert prices(entry)["prices"] == {
        "input_mtok": {"base": "1.2", "tiers": [{"start": 32_000, "price": "2.4"}]}
    }


def test_tiers_of_service_and_batches_are_variants() -> None:
    entry = _read(
        '{"input_cost_per_token": 2e-06, "input_cost_per_token_flex": 1e-06,'
        ' "input_cost_per_token_priority": 4e-06, "input_cost_per_token_batches": 1e-06}'
    )
    assert prices(entry)["price_variants"] == [
        {"when": {"processing": "batch"}, "prices": {"input_mtok": "1"}},
        {"when": {"service_tier": "flex"}, "prices": {"input_mtok": "1"}},
        {"when": {"service_tier": "priority"}, "prices": {"input_mtok": "4"}},
    ]


def test_a_long_prompt_in_a_tier_of_service_without_a_price_for_it_costs_what_it_costs_in_none() -> None:
    entry = _read(
        '{"input_cost_per_token": 2e-06, "input_cost_per_token_above_200k_tokens": 4e-06,'
        ' "input_cost_per_token_flex": 1e-06}'
    )
    (variant,) = prices(entry)["price_variants"]
    assert variant["prices"]["input_mtok"] == {"base": "1", "tiers": [{"start": 200_000, "price": "4"}]}


def test_a_price_of_zero_is_no_price() -> None:
    entry = _read('{"input_cost_per_token": 2e-06, "cache_creation_input_token_cost": 0.0}')
    assert prices(entry)["prices"] == {"input_mtok": "2"}


def test_a_cached_audio_token_without_a_price_is_a_cached_token() -> None:
    entry = _read(
        '{"input_cost_per_token": 4e-06, "input_cost_per_audio_token": 32e-06,'
        ' "cache_read_input_token_cost": 4e-07}'
    )
    assert prices(entry)["prices"]["cache_audio_read_mtok"] == "0.4"


def test_seconds_are_of_the_side_that_has_audio_and_are_paid_once(newest: Source) -> None:
    assert _priced(newest, "openai", "whisper-1") == {"input_audio_hours": "0.36"}
    assert _priced(newest, "soniox", "stt-async-v5") == {"input_audio_hours": "0.10000008"}
    speech = _priced(newest, "openai", "gpt-4o-mini-tts")
    assert speech["output_audio_hours"] == "0.9"
    assert speech["output_audio_mtok"] == "12"
    assert "input_audio_hours" not in speech


def test_seconds_of_a_reserved_machine_are_no_price_of_a_call(newest: Source) -> None:
    key = "bedrock/us-east-1/1-month-commitment/anthropic.claude-v2:1"
    assert key in {each.model for each in newest.dropped}
    assert _priced(newest, "aws", "anthropic.claude-v2:1") == {"input_mtok": "8", "output_mtok": "24"}


def test_units_beside_tokens_have_prices(newest: Source) -> None:
    assert _priced(newest, "cohere", "rerank-v3.5") == {"rerank_searches_kcount": "2"}
    assert _priced(newest, "elevenlabs", "eleven_v3") == {"input_mchars": "80"}
    assert _priced(newest, "gemini", "gemini-2.5-pro")["web_searches_kcount"] == "35"
    assert "web_searches_kcount" not in _priced(newest, "perplexity", "sonar")  # depends on what was found


def test_images_of_one_price_have_it() -> None:
    old = litellm.source(litellm.vendored()[1], LIMITS)
    assert _priced(old, "vertex", "imagen-4.0-generate-001") == {"output_images_kcount": "40"}
    assert _priced(old, "gemini", "imagen-4.0-ultra-generate-001") == {"output_images_kcount": "60"}


@pytest.mark.parametrize(
    ("key", "costs"),
    [
        ("p/m", {"output_cost_per_image": 0.04, "output_cost_per_image_4K": 0.1}),
        ("p/m", {"output_cost_per_image": 0.04, "input_cost_per_token": 1e-06}),
        ("p/m", {"output_cost_per_image": 0.04, "input_cost_per_image": 0.01}),
        ("p/m", {"input_cost_per_image": 0.04}),
        ("p/m", {"input_cost_per_pixel": 4e-08}),
        ("p/m", {"output_cost_per_image": 0}),
        ("p/hd/1024-x-1024/m", {"output_cost_per_image": 0.04}),
        ("max-x-max/50-steps/m", {"output_cost_per_image": 0.04}),
    ],
)
def test_images_of_more_than_one_price_have_none(key: str, costs: Mapping[str, float]) -> None:
    image = {"litellm_provider": "p", "mode": "image_generation"}
    source = litellm.source(_file({key: {**image, **costs}}), LIMITS)
    assert [each.reason for each in source.dropped] == [
        "images that do not all cost the same, or not only by their number"
    ]
    assert not source.models


@pytest.mark.parametrize("key", ["p/m", "m", "p/us.m", "p/a/m"])
def test_a_model_that_has_prices_by_size_has_no_other(key: str) -> None:
    image = {"litellm_provider": "p", "mode": "image_generation", "output_cost_per_image": 0.04}
    entries = {key: image, "512-x-512/m": image, "p/other-m": image}
    source = litellm.source(_file(entries), LIMITS)
    assert list(_models(source, "p")) == ["p/other-m"]


def test_a_price_of_another_unit_is_left_out_with_its_reason(newest: Source) -> None:
    reasons = {each.model: each.reason for each in newest.dropped}
    assert "3200 dollars is over 500" in reasons["azure_ai/jais-30b-chat"]
    assert "2000 dollars is over 500" in reasons["watsonx/core42/jais-13b-chat"]
    assert "o1-pro" not in reasons
    assert reasons["tencent/deepseek-v4.1-flash"] == "priced by the day of the week"
    old = litellm.source(litellm.vendored()[1], LIMITS)
    assert "wandb/Qwen/Qwen3-Coder-480B-A35B-Instruct" in {each.model for each in old.dropped}


def test_nothing_is_free_by_accident(newest: Source) -> None:
    for source in (newest, litellm.source(litellm.vendored()[1], LIMITS)):
        for provider in source.document["providers"]:
            for model in provider["models"]:
                assert model["prices"], model["id"]
                assert all(Decimal(price) > 0 for price in stated(model).values()), model["id"]


def test_every_entry_is_a_model_or_is_left_out_with_a_reason(newest: Source) -> None:
    entries = litellm.entries(litellm.vendored()[0])
    assert newest.models + len(newest.dropped) == len(entries)
    assert all(each.reason for each in newest.dropped)


def test_every_price_of_the_file_is_in_the_source(newest: Source) -> None:
    """Told by another reading of the file: plain prices by token, key by key."""
    entries = litellm.entries(litellm.vendored()[0])
    checked = 0
    for provider in newest.document["providers"]:
        for model in provider["models"]:
            entry = entries[model["id"]]
            for name, key in (
                ("input_cost_per_token", "input_mtok"),
                ("output_cost_per_token", "output_mtok"),
            ):
                if entry.get(name):
                    found = Decimal(stated(model)[key])
                    assert abs(found - entry[name] * 1_000_000) <= found * Decimal("1e-9"), model["id"]
                    checked += 1
    assert checked > 6_000


def test_a_model_has_its_key_and_its_own_name(newest: Source) -> None:
    models = _models(newest, "fireworks")
    assert _names(models["fireworks_ai/accounts/fireworks/models/deepseek-v3"]) == [
        "fireworks_ai/accounts/fireworks/models/deepseek-v3",
        "accounts/fireworks/models/deepseek-v3",
        "deepseek-v3",
    ]
    assert _names(_models(newest, "vertex")["text-embedding-005"]) == ["text-embedding-005"]


def test_a_regional_price_is_only_found_with_its_region(newest: Source) -> None:
    names = _names(_models(newest, "azure")["azure/eu/gpt-4o-2024-11-20"])
    assert names == ["azure/eu/gpt-4o-2024-11-20", "eu/gpt-4o-2024-11-20"]
    assert _priced(newest, "azure", "gpt-4o-2024-11-20")["input_mtok"] == "2.5"


def test_a_name_of_two_models_with_other_prices_is_a_name_of_neither() -> None:
    entries = {
        "azure/m": {"litellm_provider": "azure", "mode": "chat", "input_cost_per_token": 1e-06},
        "azure_ai/m": {"litellm_provider": "azure_ai", "mode": "chat", "input_cost_per_token": 2e-06},
        "azure_ai/n": {"litellm_provider": "azure_ai", "mode": "chat", "input_cost_per_token": 2e-06},
    }
    models = _models(litellm.source(_file(entries), LIMITS), "azure")
    assert _names(models["azure/m"]) == ["azure/m"]
    assert _names(models["azure_ai/m"]) == ["azure_ai/m"]
    assert _names(models["azure_ai/n"]) == ["azure_ai/n", "n"]


def test_no_two_models_of_a_provider_have_one_name(newest: Source) -> None:
    for provider in newest.document["providers"]:
        names = [name.lower() for model in provider["models"] for name in _names(model)]
        assert len(names) == len(set(names)), provider["id"]


@pytest.mark.parametrize(
    ("spoken", "provider"),
    [
        ("azure.ai.inference", "azure"),
        ("az.ai.openai", "azure"),
        ("aws.bedrock", "aws"),
        ("gcp.gemini", "gemini"),
        ("gcp.vertex_ai", "vertex"),
        ("gcp.gen_ai", "google"),
        ("x_ai", "x-ai"),
        ("mistral_ai", "mistral"),
        ("fireworks_ai", "fireworks"),
        ("vertex_ai-language-models", "vertex"),
    ],
)
def test_a_provider_is_found_by_what_spans_call_it(newest: Source, spoken: str, provider: str) -> None:
    found = [
        each["id"]
        for each in newest.document["providers"]
        if spoken == each["id"] or {"equals": spoken} in each["provider_match"]["or"]
    ]
    assert found == [provider]


def test_a_vendored_file_that_was_changed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vendored, "sha256", property(lambda _: "other"))
    with pytest.raises(Permanent, match=r"litellm-1\.109\.1.json.gz has hash other"):
        litellm.vendored()


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"m": 1}'])
def test_what_is_no_price_data_is_refused(body: bytes) -> None:
    with pytest.raises(Permanent, match=r"LiteLLM 9\.9"):
        litellm.source(Vendored("9.9", body), LIMITS)


# Corrections and policy


def _correction(**changed: str) -> bytes:
    fields = {"why": '"w"', "evidence": '["e"]', "sha256": "", "prices": "[{ input_mtok = 2 }]"} | changed
    return f"""\
version = "1"
[[correction]]
provider = "p"
model = "m"
names = ["m"]
why = {fields["why"]}
evidence = {fields["evidence"]}
dated = 2026-11-25
prices = {fields["prices"]}
upstream = {{ source = "genai-prices", provider = "p", model = "m"{fields["sha256"]} }}
""".encode()


def _upstream(price: str) -> Source:
    model = ModelInfo(id="m", match=ClauseEquals(equals="m"), prices=ModelPrice(input_mtok=Decimal(price)))
    return genai.source("1", [Provider(id="p", name="P", api_pattern="", models=[model])], LIMITS)


def test_a_correction_expires_when_upstream_changes() -> None:
    sha256 = corrections.fingerprint(_models(_upstream("1"), "p")["m"])
    read = corrections.read(_correction(sha256=f', sha256 = "{sha256}"'))
    holds = corrections.source(read, [_upstream("1")])
    assert _models(holds, "p")["m"]["prices"] == {"input_mtok": "2"}
    assert not holds.dropped
    expired = corrections.source(read, [_upstream("1.5")])
    assert not expired.models
    (dropped,) = expired.dropped
    assert (dropped.provider, dropped.model) == ("p", "m")
    assert dropped.reason.startswith("expired: upstream has other prices")
    in_context = _upstream("1")
    _models(in_context, "p")["m"]["price_variants"] = [{"when": {"processing": "batch"}, "prices": {}}]
    assert not corrections.source(read, [in_context]).models
    (gone,) = corrections.source(read, []).dropped
    assert gone.reason.startswith("expired: upstream has no such model")


def test_a_correction_of_what_upstream_lacks_expires_when_it_has_it() -> None:
    read = corrections.read(_correction())
    assert corrections.source(read, []).models == 1
    (dropped,) = corrections.source(read, [_upstream("1")]).dropped
    assert dropped.reason.startswith("expired: upstream has it by now")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"why": '""'}, "says not why"),
        ({"evidence": "[]"}, "no evidence"),
        ({"prices": "[{ input_mtok = -2 }]"}, "negative"),
        ({"prices": "[{ input_mtok = 501 }]"}, "over 500"),
        ({"prices": '[{ input_mtok = "much" }]'}, "Correction 1 cannot be read"),
    ],
)
def test_a_correction_that_is_none_is_refused(changed: Mapping[str, str], told: str) -> None:
    with pytest.raises(Permanent, match=told):
        corrections.read(_correction(**changed))


def test_all_corrections_hold(installed: Sequence[Provider]) -> None:
    read = corrections.read(corrections.bundled())
    source = corrections.source(read, [genai.source("1", installed, read.limits)])
    assert not source.dropped
    assert source.models == len(read.corrections)


def test_a_correction_may_have_dates_hours_and_tiers(installed: Sequence[Provider]) -> None:
    read = corrections.read(corrections.bundled())
    source = corrections.source(read, [genai.source("1", installed, read.limits)])
    assert _priced(source, "deepseek", "deepseek-chat") == {
        "input_mtok": "0.135",
        "output_mtok": "0.55",
        "cache_read_mtok": "0.035",
        "input_mtok at 00:30:00+00:00-16:30:00+00:00": "0.27",
        "output_mtok at 00:30:00+00:00-16:30:00+00:00": "1.1",
        "cache_read_mtok at 00:30:00+00:00-16:30:00+00:00": "0.07",
        "input_mtok from 2025-09-05": "0.28",
        "output_mtok from 2025-09-05": "0.42",
        "cache_read_mtok from 2025-09-05": "0.028",
    }
    assert _priced(source, "anthropic", "claude-sonnet-4-20250514")["input_mtok > 200000"] == "6"
    assert _priced(source, "openai", "gpt-4o-audio-preview")["input_audio_mtok"] == "40"


def test_only_policy_says_that_something_is_free(newest: Source, installed: Sequence[Provider]) -> None:
    free = [
        (provider["id"], model["id"])
        for source in (newest, genai.source("1", installed, LIMITS), policy.source())
        for provider in source.document["providers"]
        for model in provider["models"]
        if model.get("free")
    ]
    assert free == [
        ("ollama", "ollama/*"),
        ("openai", "openai/moderation"),
        ("openrouter", "openrouter/*:free"),
    ]
    assert all(
        not model["prices"] for each in policy.source().document["providers"] for model in each["models"]
    )
