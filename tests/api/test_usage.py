"""GET /v1/usage: the origin's shapes, exact sums, and filters that apply to every number."""

import json
import time
from decimal import Decimal

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_usage import rfc3339
from tests.api.conftest import Api
from tests.store.rows import NOON, usage
from tests.store.versions import written

pytestmark = pytest.mark.anyio


async def test_records_are_listed_in_the_origins_shape(api: Api) -> None:
    identity = (await api.record(timestamp="2025-11-23T09:30:00Z")).json()["usageRecord"]["id"]
    assert await api.usage() == {
        "success": True,
        "usageRecords": [
            {
                "id": identity,
                "context": "customer",
                "accountId": "acc_1",
                "modelId": "gpt-4o",
                "inputTokens": 1500,
                "outputTokens": 500,
                "estimatedCostUsd": 0.0085,
                "createdAt": "2025-11-23T09:30:00Z",
                "role": "inference",
                "duplicateOf": None,
                "usageStatus": "reported",
                "unpricedReason": None,
            }
        ],
        "nextCursor": None,
        "expiredBefore": None,
    }


async def test_the_keys_come_in_the_origins_order_and_what_is_ours_after_them(api: Api) -> None:
    await api.record()
    assert list((await api.usage())["usageRecords"][0]) == [
        "id",
        "context",
        "accountId",
        "modelId",
        "inputTokens",
        "outputTokens",
        "estimatedCostUsd",
        "createdAt",
        "role",
        "duplicateOf",
        "usageStatus",
        "unpricedReason",
    ]
    assert list((await api.usage(summary="true"))["summary"]) == [
        "totalCostUsd",
        "totalInputTokens",
        "totalOutputTokens",
        "byContext",
        "byModel",
        "totalListCostUsd",
        "complete",
        "unpriced",
        "usageMissing",
        "estimated",
        "unattributed",
        "expiredBefore",
    ]


async def test_the_summary_has_the_origins_shape(api: Api) -> None:
    await api.record()
    await api.record()
    await api.record("accountId", context="system", modelId="gpt-4o-mini", cachedTokens=0)
    await api.record(modelId="mystery-1")
    response = await api.http.get("/v1/usage", params={"summary": "true"})
    assert json.loads(response.text, parse_float=Decimal) == {
        "success": True,
        "summary": {
            "totalCostUsd": Decimal("0.017525"),
            "totalInputTokens": 6000,
            "totalOutputTokens": 2000,
            "byContext": {"customer": Decimal("0.017"), "system": Decimal("0.000525")},
            "byModel": {
                "gpt-4o": {"costUsd": Decimal("0.017"), "count": 2},
                "gpt-4o-mini": {"costUsd": Decimal("0.000525"), "count": 1},
                "mystery-1": {"costUsd": None, "count": 1},
            },
            "totalListCostUsd": Decimal("0.017525"),
            "complete": False,
            "unpriced": {
                "count": 1,
                "tokens": 2000,
                "models": [
                    {
                        "modelId": "mystery-1",
                        "provider": None,
                        "count": 1,
                        "tokens": 2000,
                        "reason": "unknown_model",
                    }
                ],
            },
            "usageMissing": 0,
            "estimated": {"count": 0, "tokens": 0},
            "unattributed": {"count": 0, "costUsd": 0, "tokens": 0},
            "expiredBefore": None,
        },
    }


async def test_a_summary_of_nothing_is_zero(api: Api) -> None:
    assert (await api.usage(summary="true"))["summary"] == {
        "totalCostUsd": 0,
        "totalInputTokens": 0,
        "totalOutputTokens": 0,
        "byContext": {"customer": 0, "system": 0},
        "byModel": {},
        "totalListCostUsd": 0,
        "complete": True,
        "unpriced": {"count": 0, "tokens": 0, "models": []},
        "usageMissing": 0,
        "estimated": {"count": 0, "tokens": 0},
        "unattributed": {"count": 0, "costUsd": 0, "tokens": 0},
        "expiredBefore": None,
    }


async def test_a_summary_admits_what_it_does_not_know(api: Api) -> None:
    nothing = {"billed_cost": None, "list_cost": None}
    api.store.insert(
        usage(
            {"list_cost": Decimal("0.01")},
            {"attribution": "unattributed", "context": "system", "account_id": ""},
            {**nothing, "unpriced_reason": "unknown_model", "model_id": "big", "input_tokens": 9_000_000},
            {**nothing, "unpriced_reason": "unknown_model", "model_id": "small", "provider": ""},
            {**nothing, "unpriced_reason": "unpriced_units", "model_id": "small", "output_tokens": None},
            {**nothing, "unpriced_reason": "usage_missing", "usage_status": "missing"}
            | {"input_tokens": None, "output_tokens": None},
            {**nothing, "unpriced_reason": "estimated_usage", "usage_status": "estimated"},
            {**nothing, "unpriced_reason": "call_failed", "usage_status": "missing"},
            {**nothing, "unpriced_reason": "rollup", "role": "rollup"},
        )
    )
    summary = (await api.usage(summary="true"))["summary"]
    assert {name: summary[name] for name in list(summary)[5:]} == {
        "totalListCostUsd": 0.0185,
        "complete": False,
        "unpriced": {
            "count": 3,
            "tokens": 9_000_500 + 2_000 + 1_500,
            "models": [
                {"modelId": "big", "provider": "openai", "count": 1, "tokens": 9_000_500}
                | {"reason": "unknown_model"},
                {"modelId": "small", "provider": None, "count": 1, "tokens": 2_000}
                | {"reason": "unknown_model"},
                {"modelId": "small", "provider": "openai", "count": 1, "tokens": 1_500}
                | {"reason": "unpriced_units"},
            ],
        },
        "usageMissing": 1,
        "estimated": {"count": 1, "tokens": 2_000},
        "unattributed": {"count": 1, "costUsd": 0.0085, "tokens": 2_000},
        "expiredBefore": None,
    }
    assert (await api.usage(summary="true", context="system"))["summary"]["complete"] is True
    assert (await api.usage(summary="true", modelId="small"))["summary"]["unpriced"]["count"] == 2


@pytest.mark.parametrize(
    ("status", "reason"),
    [("missing", "usage_missing"), ("estimated", "estimated_usage"), ("reported", "no_price")],
)
async def test_a_summary_with_one_call_of_unknown_cost_is_not_complete(
    api: Api, status: str, reason: str
) -> None:
    api.store.insert(usage({}, {"billed_cost": None, "usage_status": status, "unpriced_reason": reason}))
    assert (await api.usage(summary="true"))["summary"]["complete"] is False


async def test_a_summary_names_the_twenty_models_with_the_most_tokens_without_a_price(api: Api) -> None:
    unpriced = {"billed_cost": None, "list_cost": None, "unpriced_reason": "unknown_model"}
    api.store.insert(
        usage(*(unpriced | {"model_id": f"m{i}", "input_tokens": i, "output_tokens": 0} for i in range(30)))
    )
    told = (await api.usage(summary="true"))["summary"]["unpriced"]
    assert (told["count"], told["tokens"]) == (30, sum(range(30)))
    assert [model["modelId"] for model in told["models"]] == [f"m{i}" for i in reversed(range(10, 30))]


async def test_calls_are_asked_for_by_their_start_in_a_half_open_interval(api: Api) -> None:
    api.store.insert(usage(*({"call": i, "started_at": NOON + i} for i in range(4))))
    noon = "2025-11-23T12:00:00"
    query = {"from": f"{noon}.000000001Z", "to": f"{noon}.000000003Z"}
    assert [record["id"][-1] for record in (await api.usage(**query))["usageRecords"]] == ["2", "1"]
    assert (await api.usage(summary="true", **query))["summary"]["totalInputTokens"] == 3000
    offset = {"from": "2025-11-23T14:00:00.000000001+02:00"}
    assert len((await api.usage(**offset))["usageRecords"]) == 3


async def test_yesterdays_answer_is_given_again_as_of_yesterday(api: Api) -> None:
    before = {"call": 1, "version": 1, "billed_cost": Decimal(1)}
    written(api.store, usage(before), NOON, "usage_history")
    written(api.store, usage(before | {"version": 2, "billed_cost": Decimal(2)}), NOON + 10**9)
    for query, cost in (
        ({}, 2),
        ({"asOf": "2025-11-23T12:00:01Z"}, 2),
        ({"asOf": "2025-11-23T12:00:00Z"}, 1),
    ):
        assert (await api.usage(summary="true", **query))["summary"]["totalCostUsd"] == cost
        assert [record["estimatedCostUsd"] for record in (await api.usage(**query))["usageRecords"]] == [cost]
    assert (await api.usage(asOf="2025-11-23T11:59:59.999Z"))["usageRecords"] == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 4),
        ({"accountId": "acc_1"}, 2),
        ({"modelId": "gpt-4o"}, 3),
        ({"context": "system"}, 1),
        ({"context": "customer", "accountId": "acc_1", "modelId": "gpt-4o-mini"}, 1),
        ({"accountId": "nobody"}, 0),
        ({"transactionId": "txn_9"}, 1),
        ({"provider": "azure"}, 1),
        ({"usageType": "embedding"}, 1),
        ({"usageStatus": "reported"}, 4),
        ({"usageStatus": "missing"}, 0),
    ],
)
async def test_filters_apply_to_the_list_and_to_every_number_of_the_summary(
    api: Api, query: dict[str, str], count: int
) -> None:
    await api.record()
    await api.record(modelId="gpt-4o-mini")
    await api.record(accountId="acc_2", transactionId="txn_9", provider="azure")
    await api.record("accountId", context="system", usageType="embedding")
    listed = (await api.usage(**query))["usageRecords"]
    summary = (await api.usage(summary="true", **query))["summary"]
    cost = sum(Decimal(str(record["estimatedCostUsd"])) for record in listed)
    assert len(listed) == count
    assert sum(model["count"] for model in summary["byModel"].values()) == count
    assert summary["totalInputTokens"] == 1500 * count
    assert summary["totalOutputTokens"] == 500 * count
    assert Decimal(str(summary["totalCostUsd"])) == cost
    assert sum(Decimal(str(part)) for part in summary["byContext"].values()) == cost
    assert sum(Decimal(str(model["costUsd"])) for model in summary["byModel"].values()) == cost


async def test_the_newest_come_first_and_at_most_a_hundred_unless_asked(api: Api) -> None:
    api.store.insert(usage(*({"call": call, "started_at": NOON + call} for call in range(120))))
    newest = [f"usage_{call:032x}" for call in reversed(range(120))]
    assert [record["id"] for record in (await api.usage())["usageRecords"]] == newest[:100]
    assert [record["id"] for record in (await api.usage(limit=1000))["usageRecords"]] == newest
    assert [record["id"] for record in (await api.usage(limit=1))["usageRecords"]] == newest[:1]


async def _pages(api: Api, **query: str | int) -> list[list[str]]:
    """The ids on each page, from the first one to the last."""
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await api.usage(**query, **cursor)
        pages.append([record["id"] for record in answer["usageRecords"]])
        if answer["nextCursor"] is None:
            return pages
        cursor = {"cursor": answer["nextCursor"]}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 12, 13])
async def test_the_pages_of_a_list_are_the_list(api: Api, limit: int) -> None:
    # Several start in the same nanosecond, and in the same hour.
    starts = [NOON, NOON, NOON, NOON + 1, NOON + 3_600 * 10**9, NOON - 86_400 * 10**9] * 2
    api.store.insert(usage(*({"call": call, "started_at": start} for call, start in enumerate(starts))))
    whole = [record["id"] for record in (await api.usage(limit=1000))["usageRecords"]]
    for query in (
        {},
        {"asOf": rfc3339.render(time.time_ns())},
        {"from": "2025-11-01T00:00:00Z", "to": "2026-11-24T00:00:00Z"},
    ):
        pages = await _pages(api, limit=limit, **query)
        assert [identity for page in pages for identity in page] == whole
        assert {len(page) for page in pages[:-1]} <= {limit}
        assert pages[-1]


async def test_a_call_that_comes_between_two_pages_moves_no_other(api: Api) -> None:
    calls = [{"call": call, "started_at": NOON + call} for call in range(1, 6)]
    api.store.insert(usage(*calls))
    first = await api.usage(limit=2)
    api.store.insert(usage({"call": 9, "started_at": NOON + 9}, {"call": 8, "started_at": NOON}))
    rest = await api.usage(limit=10, cursor=first["nextCursor"])
    assert [record["id"][-1] for record in first["usageRecords"]] == ["5", "4"]
    assert [record["id"][-1] for record in rest["usageRecords"]] == ["3", "2", "1", "8"]


async def test_money_keeps_every_digit(api: Api) -> None:
    api.store.insert(
        usage(
            {"billed_cost": Decimal("0.000000000000000001"), "model_id": "cheap"},
            {"billed_cost": Decimal("12345678901234567890.123456789012345678"), "model_id": "dear"},
        )
    )
    listed = (await api.http.get("/v1/usage")).text
    assert '"estimatedCostUsd":0.000000000000000001,' in listed
    assert '"estimatedCostUsd":12345678901234567890.123456789012345678,' in listed
    summary = (await api.http.get("/v1/usage?summary=true")).text
    assert '"totalCostUsd":12345678901234567890.123456789012345679,' in summary


async def test_a_call_without_a_cost_says_why(api: Api) -> None:
    await api.record("inputTokens", "outputTokens", "cachedTokens")
    (record,) = (await api.usage())["usageRecords"]
    assert record["estimatedCostUsd"] is None
    assert record["usageStatus"] == "missing"
    assert record["unpricedReason"]


async def test_rows_that_are_no_charge_are_shown_to_who_asks_for_their_role(api: Api) -> None:
    uncharged = {"billed_cost": None, "list_cost": None}
    api.store.insert(
        usage(
            {"call": 1},
            {"call": 2, **uncharged, "role": "rollup", "unpriced_reason": "rollup"},
            {"call": 3, **uncharged, "role": "duplicate", "unpriced_reason": "duplicate"}
            | {"duplicate_of": (1).to_bytes(16, "big")},
        )
    )
    told = {
        role: [
            (record["id"][-1], record["role"], record["duplicateOf"], record["unpricedReason"])
            for record in (await api.usage(role=role))["usageRecords"]
        ]
        for role in ("inference", "rollup", "duplicate")
    }
    assert told == {
        "inference": [("1", "inference", None, None)],
        "rollup": [("2", "rollup", None, "rollup")],
        "duplicate": [("3", "duplicate", f"usage_{1:032x}", "duplicate")],
    }
    assert (await api.usage())["usageRecords"] == (await api.usage(role="inference"))["usageRecords"]


async def test_filters_apply_to_every_role(api: Api) -> None:
    api.store.insert(usage({"role": "duplicate"}, {"role": "duplicate", "account_id": "other"}))
    (record,) = (await api.usage(role="duplicate", accountId="other"))["usageRecords"]
    assert record["accountId"] == "other"


@pytest.mark.parametrize("role", ["rollup", "duplicate"])
async def test_rows_that_are_no_charge_have_no_summary(api: Api, role: str) -> None:
    response = await api.http.get("/v1/usage", params={"role": role, "summary": "true"})
    assert response.status_code == 400
    (fault,) = response.json()["errors"]
    assert fault["field"] == "role"
    assert "has no summary" in fault["detail"]
    assert (await api.usage(role="inference", summary="true"))["summary"]["totalCostUsd"] == 0


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("role=agent", ["role"]),
        ("role=", ["role"]),
        ("role=rollup&role=duplicate", ["role"]),
        ("role=agent&summary=true", ["role"]),
        ("context=everyone", ["context"]),
        ("limit=0", ["limit"]),
        ("limit=1001", ["limit"]),
        ("limit=ten", ["limit"]),
        ("limit=-1", ["limit"]),
        ("limit=%D9%A3", ["limit"]),
        ("limit=", ["limit"]),
        ("summary=yes", ["summary"]),
        ("accountId=", ["accountId"]),
        ("account=acc_1", ["account"]),
        ("accountId=a&accountId=b", ["accountId"]),
        ("from=2026&context=x&limit=x&accountId=acc_1", ["from", "context", "limit"]),
        ("from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", ["to"]),
        ("from=1969-12-31T23:59:59Z", ["from"]),
        ("to=2201-01-01T00:00:00Z", ["to"]),
        ("to=2026-01-02T00:00:00+01:00", ["to"]),
        ("asOf=2190-01-01T00:00:00Z", ["asOf"]),
        ("asOf=yesterday&summary=true", ["asOf"]),
        ("asOf=", ["asOf"]),
        ("cursor=", ["cursor"]),
        ("cursor=5", ["cursor"]),
        (f"cursor={2**63}-{'0' * 32}", ["cursor"]),
        (f"cursor=1-{'0' * 32}&summary=true", ["cursor"]),
        ("usageType=audio", ["usageType"]),
        ("usageStatus=zero", ["usageStatus"]),
        ("provider=", ["provider"]),
        ("transactionId=", ["transactionId"]),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, query: str, fields: list[str]) -> None:
    response = await api.http.get(f"/v1/usage?{query}")
    assert response.status_code == 400
    problem = response.json()
    assert problem["success"] is False
    assert [fault["field"] for fault in problem["errors"]] == fields


async def test_one_customer_is_never_shown_for_another(api: Api) -> None:
    await api.record(accountId="acc_1' OR '1'='1")
    await api.record(accountId="acc_2")
    listed = (await api.usage(accountId="acc_1' OR '1'='1"))["usageRecords"]
    assert [record["accountId"] for record in listed] == ["acc_1' OR '1'='1"]


async def test_a_span_and_a_record_are_the_same_kind_of_row_and_answered_at_once(api: Api) -> None:
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=NOON, end_time_unix_nano=NOON + 5)
    for name, value in (
        ("gen_ai.operation.name", AnyValue(string_value="chat")),
        ("gen_ai.provider.name", AnyValue(string_value="openai")),
        ("gen_ai.response.model", AnyValue(string_value="gpt-4o-2024-08-06")),
        ("gen_ai.usage.input_tokens", AnyValue(int_value=1500)),
        ("gen_ai.usage.output_tokens", AnyValue(int_value=500)),
        ("gen_ai.usage.cache_read.input_tokens", AnyValue(int_value=200)),
        ("otel_usage.account.id", AnyValue(string_value="acc_1")),
    ):
        span.attributes.add(key=name, value=value)
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.append(span)
    outcome = await api.ingest.export(request.SerializeToString(), tenant="default")
    assert outcome.stored == 1
    await api.record(timestamp="2025-11-23T12:00:00Z")
    told, seen = (await api.usage(accountId="acc_1", modelId="gpt-4o"))["usageRecords"]
    assert told.pop("id") != seen.pop("id")
    assert told == seen
    assert (await api.usage(summary="true"))["summary"]["byModel"] == {
        "gpt-4o": {"costUsd": 0.017, "count": 2}
    }


async def test_groups_are_told_by_what_they_have_in_common_and_the_rest_is_exact(api: Api) -> None:
    for account, tokens in (("acc_1", 1500), ("acc_2", 15_000), ("acc_3", 150), ("acc_3", 151)):
        response = await api.record(
            accountId=account, inputTokens=tokens, cachedTokens=0, timestamp="2026-03-29T00:30:00Z"
        )
        assert response.status_code == 200, response.text
    summary = (await api.usage(summary="true", groupBy="account,model", limit=1))["summary"]
    (group,), (others,) = summary["groups"], summary["others"]
    assert (group["accountId"], group["modelId"], group["count"]) == ("acc_2", "gpt-4o", 1)
    assert (others["groups"], others["count"], others["inputTokens"]) == (2, 3, 1801)
    whole = summary["totalCostUsd"]
    assert Decimal(str(group["costUsd"])) + Decimal(str(others["costUsd"])) == Decimal(str(whole))


async def test_intervals_begin_by_the_clocks_of_the_time_zone(api: Api) -> None:
    for at in (
        "2026-03-28T22:59:59Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T21:59:59Z",
        "2026-03-29T22:00:00Z",
    ):
        assert (await api.record(timestamp=at)).status_code == 200
    query = {"summary": "true", "interval": "day", "timezone": "Europe/Berlin"}
    summary = (await api.usage(**query))["summary"]
    assert [(each["from"], each["count"]) for each in summary["groups"]] == [
        ("2026-03-28T00:00:00+01:00", 1),
        ("2026-03-29T00:00:00+01:00", 2),  # a day of 23 hours
        ("2026-03-30T00:00:00+02:00", 1),
    ]
    assert summary["others"] == []
    assert "groups" not in (await api.usage(summary="true"))["summary"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("summary=true&groupBy=color", "groupBy"),
        ("summary=true&groupBy=model,model", "groupBy"),
        ("groupBy=model", "groupBy"),
        ("interval=day", "interval"),
        ("summary=true&interval=week", "interval"),
        ("summary=true&timezone=Europe/Berlin", "timezone"),
        ("summary=true&interval=day&timezone=../etc/passwd", "timezone"),
    ],
)
async def test_a_wrong_question_for_groups_is_named(api: Api, query: str, field: str) -> None:
    response = await api.http.get(f"/v1/usage?{query}")
    assert response.status_code == 400
    assert [each["field"] for each in response.json()["errors"]] == [field]
