"""GET /v1/models and POST /v1/models/calculate: the price list, and what a call would cost."""

import json
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider

from otel_usage.api.calculation import Calculation, answer
from otel_usage.pricing import PriceBook, Pricer
from otel_usage.pricing.book import Source
from otel_usage.pricing.listing import models
from otel_usage.pricing.rules import Kind, Rule, Rules
from tests.api.conftest import Api
from tests.store.rows import NOON

GPT_4O = {"inputPerMillion": 2.5, "outputPerMillion": 10, "cachedInputPerMillion": 1.25}


async def _models(api: Api, **query: str | int) -> Any:  # noqa: ANN401
    response = await api.http.get("/v1/models", params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def _calculate(api: Api, **body: object) -> Any:  # noqa: ANN401
    response = await api.http.post("/v1/models/calculate", json=body)
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_float=Decimal)


@pytest.mark.anyio
async def test_a_model_is_told_in_the_origins_shape_and_ours_after_it(api: Api) -> None:
    told = await _models(api, modelId="gpt-4o")
    assert list(told) == ["success", "model"]
    model = told["model"]
    assert {name: model[name] for name in list(model)[:6]} == {
        "modelId": "gpt-4o",
        "provider": "openai",
        "displayName": "gpt 4o",
        "modelType": "text",
        "pricing": {"text": GPT_4O, "contextWindow": 128_000},
        "tier": None,
    }
    assert list(model)[6:] == ["source", "priceKey", "unitPrices", "tiers", "contexts"]
    assert model["priceKey"] == "openai/gpt-4o"
    assert model["unitPrices"]["cache_read_mtok"] == 1.25
    assert {"service_tier": "priority"} in [each["when"] for each in model["contexts"]]


@pytest.mark.anyio
async def test_a_model_is_found_by_the_names_that_calls_have(api: Api) -> None:
    for name in ("gpt-4o-2024-08-06", "GPT-4o"):
        assert (await _models(api, modelId=name))["model"]["priceKey"] == "openai/gpt-4o"
    told = await _models(api, modelId="gpt-4o", provider="azure.ai.openai")
    assert told["model"]["priceKey"] == "azure/gpt-4o"


@pytest.mark.anyio
async def test_a_model_that_the_book_does_not_have_is_not_found(api: Api) -> None:
    response = await api.http.get("/v1/models?modelId=mystery-1")
    assert response.status_code == 404
    assert "mystery-1" in response.json()["detail"]


@pytest.mark.anyio
async def test_prices_are_as_of_a_time(api: Api) -> None:
    before = (await _models(api, modelId="o3", at="2025-06-01T00:00:00Z"))["model"]["pricing"]["text"]
    after = (await _models(api, modelId="o3", at="2025-07-01T00:00:00Z"))["model"]["pricing"]["text"]
    assert (before["inputPerMillion"], after["inputPerMillion"]) == (10, 2)


@pytest.mark.anyio
async def test_a_tier_of_prices_says_above_how_many_input_tokens_it_holds(api: Api) -> None:
    (tier,) = (await _models(api, modelId="gemini-2.5-pro"))["model"]["tiers"]
    assert (tier["aboveInputTokens"], tier["unitPrices"]["input_mtok"]) == (200_000, 2.5)


@pytest.mark.anyio
async def test_the_pages_of_the_list_hold_every_model_once(api: Api) -> None:
    keys: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        told = await _models(api, provider="openai", limit=40, **cursor)
        assert len(told["models"]) <= 40
        keys += [model["priceKey"] for model in told["models"]]
        if told["nextCursor"] is None:
            break
        cursor = {"cursor": told["nextCursor"]}
    everything = (await _models(api, provider="openai", limit=1000))["models"]
    assert keys == [model["priceKey"] for model in everything] == sorted(set(keys), key=str.lower)
    assert len(keys) > 80
    assert len((await _models(api))["models"]) == 100


@pytest.mark.anyio
async def test_a_provider_may_be_named_as_telemetry_names_it(api: Api) -> None:
    told = (await _models(api, provider="aws.bedrock", limit=1000))["models"]
    assert "aws" in {model["provider"] for model in told}
    assert (await _models(api, provider="nobody"))["models"] == []


@pytest.mark.anyio
async def test_of_no_model_the_tier_is_known(api: Api) -> None:
    assert (await _models(api, tier="flagship"))["models"] == []


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "provider=", "at=now", "page=2", "cursor="])
async def test_a_wrong_parameter_is_named(api: Api, query: str) -> None:
    response = await api.http.get(f"/v1/models?{query}")
    assert response.status_code == 400
    assert [fault["field"] for fault in response.json()["errors"]] == [query.partition("=")[0]]


def test_a_source_that_comes_first_hides_the_models_of_those_after_it() -> None:
    def source(name: str, price: int, *ids: str) -> Source:
        own = [ModelInfo(id=each, match=ClauseEquals(each), prices=_price(price)) for each in ids]
        return Source.of(name, "1", [Provider(id="p", name="p", api_pattern="", models=own)])

    book = PriceBook.of(source("first", 1, "a", "B"), source("second", 2, "b", "c"))
    told = [(each.key, each.source, str(each.prices["input_mtok"])) for each in models(book, NOON)]
    assert told == [("p/a", "first@1", "1"), ("p/B", "first@1", "1"), ("p/c", "second@1", "2")]


@pytest.mark.parametrize(
    ("prices", "kind"),
    [
        ({"input_mtok": 1, "output_mtok": 2}, "text"),
        ({"input_mtok": 1, "output_mtok": 2, "input_audio_mtok": 3}, "multimodal"),
        ({"input_mtok": 1, "output_mtok": 2, "output_image_mtok": 3}, "multimodal"),
        ({"input_mtok": 1}, "embedding"),
        ({"audio_hours": 1}, "audio"),
        ({"input_mchars": 1}, "audio"),
        ({"rerank_searches_kcount": 1}, "rerank"),
        ({}, "other"),
    ],
)
def test_what_has_a_price_says_what_kind_of_model_it_is(prices: dict[str, int], kind: str) -> None:
    price = ModelPrice(**{key: Decimal(value) for key, value in prices.items()})
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=price)
    book = PriceBook.of(Source.of("x", "1", [Provider(id="p", name="p", api_pattern="", models=[model])]))
    assert [each.model_type for each in models(book, NOON)] == [kind]


@pytest.mark.anyio
async def test_cached_tokens_are_part_of_the_input(api: Api) -> None:
    told = await _calculate(api, modelId="gpt-4o", inputTokens=5000, outputTokens=1000, cachedTokens=2000)
    assert {name: told[name] for name in list(told)[:5]} == {
        "success": True,
        "modelId": "gpt-4o",
        "modelName": "gpt 4o",
        "estimatedCostUsd": Decimal("0.02"),
        "pricing": {
            "inputPerMillion": Decimal("2.5"),
            "outputPerMillion": 10,
            "cachedInputPerMillion": Decimal("1.25"),
        },
    }
    assert [(line["unit"], line["quantity"]) for line in told["lineItems"]] == [
        ("input_tokens", 3000),
        ("output_tokens", 1000),
        ("cache_read_tokens", 2000),
    ]
    assert sum(line["amount"] for line in told["lineItems"]) == told["listCostUsd"] == Decimal("0.02")


@pytest.mark.anyio
async def test_a_calculation_records_nothing_and_costs_what_the_record_does(api: Api) -> None:
    call = {"modelId": "gemini-2.5-pro", "inputTokens": 200_001, "outputTokens": 7, "cachedTokens": 5}
    told = await _calculate(api, **call)
    assert (await api.usage())["usageRecords"] == []
    recorded = await api.http.post("/v1/usage/record", json={**call, "context": "system"})
    assert (
        json.loads(recorded.text, parse_float=Decimal)["usageRecord"]["estimatedCostUsd"]
        == told["estimatedCostUsd"]
    )
    assert told["contextTier"] == 200_000


@pytest.mark.anyio
async def test_a_cost_that_is_not_known_is_null_and_says_why(api: Api) -> None:
    told = await _calculate(api, modelId="mystery-1", inputTokens=5)
    assert (told["estimatedCostUsd"], told["lineItems"]) == (None, None)
    assert told["unpricedReason"] == "unknown_model"
    assert told["modelName"] == told["modelId"] == "mystery-1"
    assert set(told["pricing"].values()) == {None}
    assert (await _calculate(api, modelId="gpt-4o"))["unpricedReason"] == "usage_missing"


@pytest.mark.anyio
async def test_audio_is_told_in_seconds(api: Api) -> None:
    told = await _calculate(api, modelId="whisper-1", usageType="audio_stt", audioDurationSeconds=90.5)
    assert told["estimatedCostUsd"] == Decimal("0.00905")
    (line,) = told["lineItems"]
    assert (line["unit"], line["quantity"], line["per"]) == ("input_audio_seconds", Decimal("90.5"), 3600)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"modelId": None}, "modelId"),
        ({"inputTokens": "5"}, "inputTokens"),
        ({"inputTokens": 5.5}, "inputTokens"),
        ({"inputTokens": -1}, "inputTokens"),
        ({"cachedTokens": 6}, "cachedTokens"),
        ({"cacheWriteTokens": 6}, "cacheWriteTokens"),
        ({"reasoningTokens": 3}, "reasoningTokens"),
        ({"audioDurationSeconds": 5}, "audioDurationSeconds"),
        ({"usageType": "audio_stt", "audioDurationSeconds": 604_801}, "audioDurationSeconds"),
        ({"usageType": "audio_stt", "audioDurationSeconds": True}, "audioDurationSeconds"),
        ({"timestamp": "2019-12-31T00:00:00Z"}, "timestamp"),
        ({"cachedToken": 1}, "cachedToken"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, changed: dict[str, object], field: str) -> None:
    body = {"modelId": "gpt-4o", "inputTokens": 5, "outputTokens": 2} | changed
    response = await api.http.post("/v1/models/calculate", json=body)
    assert response.status_code == 400
    assert {fault["field"] for fault in response.json()["errors"]} == {field}


@pytest.mark.anyio
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"modelId":NaN}', b"[" * 10_000, b'{"modelId":"\xff"}'])
async def test_what_is_no_object_is_refused(api: Api, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = await api.http.post("/v1/models/calculate", content=body, headers=headers)
    assert response.status_code == 400


def test_the_tenants_price_rules_hold() -> None:
    rule = Rule(
        rule_id="r",
        tenant="t",
        account_id="acme",
        model="gpt-4o",
        kind=Kind.MULTIPLIER,
        multiplier=Decimal(2),
    )
    pricer = Pricer(PriceBook.bundled(), Rules.of([rule]))
    call = {"modelId": "gpt-4o", "inputTokens": 1000, "outputTokens": 0}
    for tenant, account, cost in (("t", "acme", "0.005"), ("t", "other", "0.0025"), ("u", "acme", "0.0025")):
        asked = Calculation.model_validate({**call, "accountId": account})
        told: Any = answer(asked, tenant, pricer, NOON)
        assert (told["estimatedCostUsd"], told["listCostUsd"]) == (Decimal(cost), Decimal("0.0025"))
        assert told["priceRule"] == ("r@1" if cost == "0.005" else None)
        assert told["pricing"]["inputPerMillion"] == Decimal(cost) * 1000


def _price(price: int) -> ModelPrice:
    return ModelPrice(input_mtok=Decimal(price))
