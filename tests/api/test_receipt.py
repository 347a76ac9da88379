"""GET /v1/usage/{id}: what a call cost, why, and what it cost before."""

import json
from decimal import Decimal
from typing import Any

import pytest

from otel_usage.api.receipts import answer
from otel_usage.store.receipts import find_versions, in_force
from tests.api.conftest import Api
from tests.store.rows import NOON, usage
from tests.store.versions import written

pytestmark = pytest.mark.anyio

CALL = (1).to_bytes(16, "big")
DAY = 86_400 * 10**9


async def _receipt(api: Api, identity: str = f"usage_{CALL.hex()}") -> Any:  # noqa: ANN401
    response = await api.http.get(f"/v1/usage/{identity}")
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_float=Decimal)


async def test_a_receipt_tells_how_the_cost_came_about(api: Api) -> None:
    identity = (await api.record(timestamp="2025-11-23T12:00:00Z")).json()["usageRecord"]["id"]
    told = await _receipt(api, identity)
    assert told["usageRecord"]["id"] == identity
    receipt = told["receipt"]
    assert receipt.pop("priceBook").startswith("sha256:")
    assert receipt.pop("priceSource").startswith("genai-prices@")
    assert receipt == {
        "currency": "USD",
        "billedCost": Decimal("0.0085"),
        "listCost": Decimal("0.0085"),
        "lineItems": [
            _line("input_tokens", 1300, "2.5", "0.0000025", "0.00325"),
            _line("output_tokens", 500, "10", "0.00001", "0.005"),
            _line("cache_read_tokens", 200, "1.25", "0.00000125", "0.00025"),
        ],
        "listLineItems": receipt["lineItems"],
        "priceKey": "openai/gpt-4o",
        "matchRule": "response_model, provider_inferred",
        "effectiveFrom": receipt["effectiveFrom"],
        "priceContext": None,
        "contextTier": 0,
        "unappliedContext": None,
        "unpricedUnits": [],
        "unpricedReason": None,
        "priceRule": None,
        "priceRun": None,
        "convention": {"usage": "inclusive", "source": "api"},
        "reportedCost": None,
        "reportedBy": None,
        "difference": None,
    }
    (version,) = told["versions"]
    assert (version["billedCost"], version["deleted"], version["priceRun"]) == (
        Decimal("0.0085"),
        False,
        None,
    )


async def test_the_record_has_the_fields_of_the_list_then_all_that_is_told_of_the_call(api: Api) -> None:
    identity = (await api.record(timestamp="2025-11-23T12:00:00Z")).json()["usageRecord"]["id"]
    record = (await _receipt(api, identity))["usageRecord"]
    (listed,) = (await api.usage())["usageRecords"]
    told = dict(list(record.items())[: len(listed)])
    assert {**told, "estimatedCostUsd": float(told["estimatedCostUsd"])} == listed
    assert {name: record[name] for name in list(record)[len(listed) :]} == {
        "transactionId": "txn_1",
        "usageType": "text",
        "provider": None,
        "requestModel": None,
        "responseModel": "gpt-4o",
        "serviceTier": None,
        "region": None,
        "attribution": "record",
        "startedAt": "2025-11-23T12:00:00Z",
        "durationMs": 0,
        "cacheReadTokens": 200,
        "cacheWriteTokens": None,
        "cacheWrite1HTokens": None,
        "reasoningTokens": None,
        "inputAudioTokens": None,
        "cacheReadAudioTokens": None,
        "outputAudioTokens": None,
        "inputImageTokens": None,
        "outputImageTokens": None,
        "inputAudioSeconds": None,
        "outputAudioSeconds": None,
        "inputCharacters": None,
        "webSearches": None,
        "rerankSearches": None,
        "outputImages": None,
    }


async def test_the_emitters_own_cost_is_beside_ours(api: Api) -> None:
    told = '{"gen_ai.usage.cost":0.0081}'
    api.store.insert(usage({"call": 1, "other_usage": told}))
    receipt = (await _receipt(api))["receipt"]
    assert receipt["reportedCost"] == Decimal("0.0081")
    assert receipt["reportedBy"] == "gen_ai.usage.cost"
    assert receipt["difference"] == Decimal("0.0004")


async def test_a_call_without_a_cost_has_a_receipt_that_says_why(api: Api) -> None:
    unpriced = {"billed_cost": None, "list_cost": None, "unpriced_reason": "unpriced_units"}
    api.store.insert(usage({"call": 1, **unpriced, "unpriced_units": "input_audio,output_audio"}))
    receipt = (await _receipt(api))["receipt"]
    assert (receipt["billedCost"], receipt["lineItems"]) == (None, None)
    assert receipt["unpricedReason"] == "unpriced_units"
    assert receipt["unpricedUnits"] == ["input_audio", "output_audio"]


async def test_all_versions_are_told_the_newest_first(api: Api) -> None:
    first = {"call": 1, "account_id": "", "version": 1, "billed_cost": None, "list_cost": None}
    first |= {"unpriced_reason": "unknown_model", "price_book": "sha256:old"}
    written(api.store, usage(first), NOON, "usage_history")
    gone = {**first, "version": 2, "is_deleted": 1}
    repriced = {"call": 1, "account_id": "acme", "version": 2, "price_run": "run_1", "price_rule": "rule_1@2"}
    written(api.store, usage(gone, repriced), NOON + DAY)
    told = await _receipt(api)
    assert told["usageRecord"]["accountId"] == "acme"
    assert told["receipt"]["priceRun"] == "run_1"
    seen = sorted((each["version"], each["accountId"] or "", each["deleted"]) for each in told["versions"])
    assert seen == [("1", "", False), ("2", "", True), ("2", "acme", False)]
    assert told["versions"][-1] == {
        "version": "1",
        "storedAt": "2025-11-23T12:00:00Z",
        "deleted": False,
        "role": "inference",
        "accountId": None,
        "modelId": "gpt-4o",
        "billedCost": None,
        "listCost": None,
        "unpricedReason": "unknown_model",
        "priceBook": "sha256:old",
        "priceRule": None,
        "priceRun": None,
    }


async def test_a_version_has_every_digit(api: Api) -> None:
    api.store.insert(usage({"call": 1, "version": 2**64 - 1}))
    assert (await _receipt(api))["versions"][0]["version"] == "18446744073709551615"


async def test_of_one_version_stored_twice_the_later_counts_as_it_does_for_the_list(api: Api) -> None:
    written(api.store, usage({"call": 1, "billed_cost": Decimal(1)}), NOON)
    written(api.store, usage({"call": 1, "billed_cost": Decimal(2)}), NOON + DAY)
    told = await _receipt(api)
    assert told["receipt"]["billedCost"] == (await api.usage())["usageRecords"][0]["estimatedCostUsd"] == 2
    assert len(told["versions"]) == 1


async def test_an_inference_comes_before_its_duplicate_under_another_account(api: Api) -> None:
    api.store.insert(
        usage(
            {"call": 1, "account_id": "a", "version": 9, "role": "duplicate"},
            {"call": 1, "account_id": "b", "version": 1},
        )
    )
    assert (await _receipt(api))["usageRecord"]["accountId"] == "b"


@pytest.mark.parametrize("identity", [f"usage_{2:032x}", "usage_1", "1", "usage_" + "g" * 32, "usage_%00"])
async def test_what_is_not_there_is_not_found(api: Api, identity: str) -> None:
    api.store.insert(usage({"call": 1}))
    response = await api.http.get(f"/v1/usage/{identity}")
    assert response.status_code == 404
    assert response.json()["success"] is False


async def test_another_tenants_call_is_not_found(api: Api) -> None:
    api.store.insert(usage({"call": 1, "tenant": "theirs"}))
    written(api.store, usage({"call": 1, "tenant": "theirs"}), NOON, "usage_history")
    assert (await api.http.get(f"/v1/usage/usage_{CALL.hex()}")).status_code == 404


async def test_a_call_of_which_only_a_tombstone_is_left_is_not_found(api: Api) -> None:
    api.store.insert(usage({"call": 1, "is_deleted": 1}))
    assert (await api.http.get(f"/v1/usage/usage_{CALL.hex()}")).status_code == 404


async def test_a_receipt_has_no_parameters(api: Api) -> None:
    response = await api.http.get(f"/v1/usage/usage_{CALL.hex()}?currency=EUR")
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "currency"


async def test_every_column_is_read_as_it_was_written(api: Api) -> None:
    row: dict[str, Any] = {
        "call": 1,
        "input_audio_ns": 1_500_000_000,
        "web_searches": 3,
        "duration_ns": 1_234_567,
    }
    row |= {"region": "eu", "service_tier": "flex", "price_tier": 200_000, "unapplied_context": "x=y"}
    api.store.insert(usage(row))
    versions = await api.store.query(find_versions("default", CALL))
    current = in_force(versions)
    assert current is not None
    told: Any = answer(current, versions)
    assert told["usageRecord"]["inputAudioSeconds"] == Decimal("1.5")
    assert told["usageRecord"]["webSearches"] == 3
    assert told["usageRecord"]["durationMs"] == Decimal("1.234567")
    assert (told["usageRecord"]["region"], told["usageRecord"]["serviceTier"]) == ("eu", "flex")
    assert (told["receipt"]["contextTier"], told["receipt"]["unappliedContext"]) == (200_000, "x=y")


def _line(unit: str, quantity: int, price: str, unit_price: str, amount: str) -> dict[str, object]:
    return {
        "unit": unit,
        "quantity": quantity,
        "price": Decimal(price),
        "per": 1_000_000,
        "unitPrice": Decimal(unit_price),
        "amount": Decimal(amount),
    }
