"""GET /v1/unpriced: what has no price, what it is worth to see to, and what it may be called in the book."""

import shlex
from typing import Any

import pytest

from otel_usage.pricing import PriceBook
from otel_usage.pricing.suggestions import Suggestions
from tests.api.conftest import Api
from tests.store.rows import NOON, usage

UNPRICED = {"billed_cost": None, "list_cost": None, "unpriced_reason": "unknown_model"}


async def _groups(api: Api, **query: str | int) -> Any:  # noqa: ANN401
    response = await api.http.get("/v1/unpriced", params=query)
    assert response.status_code == 200, response.text
    return response.json()["unpriced"]


@pytest.mark.anyio
async def test_calls_without_a_price_are_told_by_what_they_have_in_common(api: Api) -> None:
    own = UNPRICED | {"provider": "azure", "request_model": "my-gpt4o-deployment", "response_model": ""}
    own |= {"model_id": "my-gpt4o-deployment"}
    api.store.insert(
        usage(
            {},
            own,
            own | {"account_id": "other", "started_at": NOON + 5},
            own | {"service_tier": "flex", "unpriced_reason": "no_price_for_service_tier"},
            UNPRICED | {"unpriced_reason": "usage_missing"},
            UNPRICED | {"unpriced_reason": "estimated_usage"},
            UNPRICED | {"unpriced_reason": "call_failed"},
            UNPRICED | {"role": "rollup"},
            UNPRICED | {"tenant": "theirs"},
        )
    )
    first, second = await _groups(api)
    assert first.pop("suggestions")[0] == {
        "kind": "alias",
        "priceKey": "azure/gpt-4o",
        "command": "otel-usage prices rules add --model my-gpt4o-deployment "
        "--alias azure/gpt-4o --provider azure --reason 'it is azure/gpt-4o'",
    }
    assert first == {
        "provider": "azure",
        "requestModel": "my-gpt4o-deployment",
        "responseModel": None,
        "modelId": "my-gpt4o-deployment",
        "serviceTier": None,
        "unpricedReason": "unknown_model",
        "unpricedUnits": [],
        "count": 2,
        "tokens": 4000,
        "accounts": 2,
        "firstSeen": "2025-11-23T12:00:00Z",
        "lastSeen": "2025-11-23T12:00:00.000000005Z",
    }
    assert (second["unpricedReason"], second["count"], second["suggestions"]) == (
        "no_price_for_service_tier",
        1,
        [],
    )


@pytest.mark.anyio
async def test_nothing_to_do_is_an_empty_list(api: Api) -> None:
    await api.record()
    assert await _groups(api) == []


@pytest.mark.anyio
async def test_the_most_tokens_come_first_and_at_most_a_hundred(api: Api) -> None:
    names = [f"zz-{number:03d}" for number in range(120)]
    api.store.insert(
        usage(*(UNPRICED | {"response_model": name, "input_tokens": i} for i, name in enumerate(names)))
    )
    told = [group["responseModel"] for group in await _groups(api)]
    assert told == names[:19:-1]
    assert [group["responseModel"] for group in await _groups(api, limit=2)] == names[:117:-1]


@pytest.mark.anyio
async def test_filters_apply(api: Api) -> None:
    api.store.insert(
        usage(UNPRICED | {"account_id": "a"}, UNPRICED | {"account_id": "b", "started_at": NOON + 1})
    )
    assert [group["count"] for group in await _groups(api)] == [2]
    assert [group["count"] for group in await _groups(api, accountId="a")] == [1]
    assert [group["count"] for group in await _groups(api, to="2025-11-23T12:00:00.000000001Z")] == [1]


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["limit=101", "role=rollup", "asOf=2025-01-01T00:00:00Z", "from=x", "to="])
async def test_a_wrong_parameter_is_named(api: Api, query: str) -> None:
    response = await api.http.get(f"/v1/unpriced?{query}")
    assert response.status_code == 400
    assert [fault["field"] for fault in response.json()["errors"]] == [query.partition("=")[0]]


@pytest.mark.anyio
async def test_a_name_cannot_break_out_of_the_command(api: Api) -> None:
    hostile = "gpt-4o; rm -rf '$HOME'"
    api.store.insert(usage(UNPRICED | {"response_model": hostile, "provider": "openai"}))
    (group,) = await _groups(api)
    command = shlex.split(group["suggestions"][0]["command"])
    assert command[command.index("--model") + 1] == hostile


@pytest.fixture(scope="module")
def suggestions() -> Suggestions:
    return Suggestions(PriceBook.bundled())


@pytest.mark.parametrize(
    ("provider", "name", "key"),
    [
        ("azure.ai.openai", "gpt-4o-prod", "azure/gpt-4o"),
        ("azure", "MY_GPT4O_DEPLOYMENT", "azure/gpt-4o"),
        ("openai", "my-gpt35-turbo", "openai/gpt-3.5-turbo"),
        ("", "team/claude-sonnet-4-5-prod", "anthropic/claude-sonnet-4-5"),
    ],
)
def test_a_name_of_ones_own_resembles_the_model_that_it_is_of(
    suggestions: Suggestions, provider: str, name: str, key: str
) -> None:
    assert key in suggestions.of(provider, name, 3)


@pytest.mark.parametrize(
    "name", ["", "q", "deployment-7", "arn:aws:bedrock:us-east-1:1:x/abc123", "x" * 10_000]
)
def test_a_name_that_says_nothing_resembles_nothing(suggestions: Suggestions, name: str) -> None:
    assert list(suggestions.of("azure", name, 3)) == []


def test_there_are_no_more_suggestions_than_asked_for(suggestions: Suggestions) -> None:
    assert len(suggestions.of("", "gpt-4o-my", 2)) == 2
