"""`/v1/price-rules`: what is answered, and what is refused, field by field."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import httpx2
import pytest

from otel_usage.config import Settings
from otel_usage.pricing import Pricer
from otel_usage.pricing.rules import Kind, Rule
from otel_usage.rulebook import Rulebook
from tests.api.conftest import Api, serving

pytestmark = pytest.mark.anyio

PATH: Final = "/v1/price-rules"
FREE: Final = {"model": "llama*", "kind": "free", "reason": "ours"}
TIMES: Final = {
    "model": "*",
    "accountId": "acme",
    "kind": "multiplier",
    "multiplier": 1.2,
    "reason": "markup",
}
PRICES: Final = {
    "model": "gpt-4o",
    "provider": "azure",
    "serviceTier": "flex",
    "validFrom": "2026-11-01T00:00:00+01:00",
    "validTo": "2027-11-01T00:00:00Z",
    "kind": "prices",
    "prices": {"output_mtok": 8.35, "input_mtok": 2},
    "author": "finn",
    "reason": "the contract",
}
ALIAS: Final = {
    "model": "our-chat",
    "kind": "alias",
    "toProvider": "azure",
    "toModel": "gpt-4o",
    "reason": "ours",
}

WRONG: Final[Sequence[tuple[dict[str, Any], list[str]]]] = [
    ({"model": ""}, ["model"]),
    ({"model": None}, ["model"]),
    ({"model": 5}, ["model"]),
    ({"reason": ""}, ["reason"]),
    ({"kind": "discount"}, ["kind"]),
    ({"kind": None}, ["kind"]),
    ({"accountId": "a*"}, ["accountId"]),
    ({"accountId": 7}, ["accountId"]),
    ({"serviceTier": " flex"}, ["serviceTier"]),
    ({"validFrom": "soon"}, ["validFrom"]),
    ({"validFrom": 5}, ["validFrom"]),
    ({"validFrom": "1969-01-01T00:00:00Z"}, ["validFrom"]),
    ({"validTo": "2201-01-01T00:00:00Z"}, ["validTo"]),
    ({"validFrom": "2026-11-01T00:00:00Z", "validTo": "2026-11-01T00:00:00Z"}, ["validTo"]),
    ({"toModel": "gpt-4o"}, ["toModel"]),
    ({"toProvider": "azure"}, ["toProvider"]),
    ({"kind": "alias"}, ["toModel"]),
    ({"multiplier": 2}, ["multiplier"]),
    ({"kind": "multiplier", "multiplier": 0}, ["multiplier"]),
    ({"kind": "multiplier", "multiplier": "2"}, ["multiplier"]),
    ({"kind": "multiplier", "multiplier": True}, ["multiplier"]),
    ({"kind": "multiplier", "multiplier": None}, ["multiplier"]),
    ({"kind": "multiplier", "multiplier": 1e300}, ["multiplier"]),
    ({"kind": "multiplier", "multiplier": 10**4000}, ["multiplier"]),
    ({"kind": "prices"}, ["prices"]),
    ({"kind": "prices", "prices": [1]}, ["prices"]),
    ({"kind": "prices", "prices": None}, ["prices"]),
    (
        {"kind": "prices", "prices": {"input": 1, "output_mtok": -1}},
        ["prices.input", "prices.output_mtok"],
    ),
    (
        {"kind": "prices", "prices": {"input_mtok": "1", "output_mtok": True, "cache_read_mtok": None}},
        ["prices.input_mtok", "prices.output_mtok", "prices.cache_read_mtok"],
    ),
    ({"kind": "prices", "prices": {"input_mtok": 1e300}}, ["prices.input_mtok"]),
    ({"kind": "prices", "prices": {"input_mtok": 0}}, ["prices"]),
    ({"tenant": "theirs"}, ["tenant"]),
    ({"multiplyer": 2}, ["multiplyer"]),
    ({"model": "", "reason": "", "validTo": "1970-01-01T00:00:00Z"}, ["model", "reason", "validTo"]),
]
"""Changes to FREE, and the fields that are wrong then."""


async def _added(api: Api, body: dict[str, Any]) -> Any:  # noqa: ANN401
    response = await api.http.post(PATH, json=body)
    assert response.status_code == 201, response.text
    answer = response.json()
    assert (answer.keys(), answer["success"]) == ({"success", "priceRule"}, True)
    return answer["priceRule"]


async def _listed(api: Api, query: str = "") -> list[str]:
    response = await api.http.get(f"{PATH}{query}")
    assert response.status_code == 200, response.text
    return [rule["id"] for rule in response.json()["priceRules"]]


def _faults(response: httpx2.Response) -> dict[str, str]:
    assert response.status_code == 400, response.text
    answer = response.json()
    assert answer["success"] is False
    return {fault["field"]: fault["detail"] for fault in answer["errors"]}


async def test_a_rule_that_is_added_is_answered_with_all_that_it_says(api: Api) -> None:
    rule = await _added(api, PRICES)
    assert rule["id"].startswith("rule_")
    assert rule["createdAt"].startswith("20")
    assert {name: value for name, value in rule.items() if name not in ("id", "createdAt")} == {
        "revision": 1,
        "revoked": False,
        "accountId": None,
        "provider": "azure",
        "model": "gpt-4o",
        "serviceTier": "flex",
        "validFrom": "2026-10-31T23:00:00Z",
        "validTo": "2027-11-01T00:00:00Z",
        "kind": "prices",
        "prices": {"input_mtok": 2, "output_mtok": 8.35},
        "author": "finn",
        "reason": "the contract",
    }


@pytest.mark.parametrize(
    ("body", "effect"),
    [
        (FREE, {}),
        (FREE | {"kind": "reported"}, {}),
        (TIMES, {"multiplier": 1.2}),
        (ALIAS, {"toProvider": "azure", "toModel": "gpt-4o"}),
        (ALIAS | {"toProvider": None}, {"toProvider": None, "toModel": "gpt-4o"}),
    ],
)
async def test_a_rule_tells_what_its_kind_does_and_nothing_else(
    api: Api, body: dict[str, Any], effect: dict[str, Any]
) -> None:
    rule = await _added(api, body)
    told = {name: rule[name] for name in ("toProvider", "toModel", "prices", "multiplier") if name in rule}
    assert told == effect
    assert (rule["validFrom"], rule["validTo"], rule["author"]) == (None, None, None)


async def test_money_is_taken_and_given_to_the_last_digit(api: Api) -> None:
    text = (
        '{"model": "m", "kind": "prices", "reason": "r", "prices": '
        '{"input_mtok": 0.100000000001, "output_mtok": 123456.123456789012, "cache_read_mtok": 1e-7}}'
    )
    told = await api.http.post(PATH, content=text, headers={"content-type": "application/json"})
    assert told.status_code == 201, told.text
    for answer in (told.text, (await api.http.get(PATH)).text):
        assert (
            '"prices":{"cache_read_mtok":0.0000001,"input_mtok":0.100000000001,'
            '"output_mtok":123456.123456789012}' in answer
        )


async def test_a_rule_is_shown_with_its_history(api: Api) -> None:
    first = await _added(api, TIMES | {"author": "finn"})
    place = f"{PATH}/{first['id']}"
    changed = await api.http.put(place, json=TIMES | {"multiplier": 1.25, "author": "eva", "reason": "more"})
    assert changed.status_code == 200, changed.text
    second = changed.json()["priceRule"]
    assert (second["id"], second["revision"], second["multiplier"]) == (first["id"], 2, 1.25)
    shown = (await api.http.get(place)).json()
    assert shown == {"success": True, "priceRule": second, "history": [first, second]}
    revoked = await api.http.delete(place, params={"reason": "no contract", "author": "kim"})
    third = revoked.json()["priceRule"]
    assert (third["revision"], third["revoked"], third["reason"]) == (3, True, "no contract")
    shown = (await api.http.get(place)).json()
    assert shown == {"success": True, "priceRule": third, "history": [first, second, third]}
    assert [each["author"] for each in shown["history"]] == ["finn", "eva", "kim"]


async def test_a_change_says_the_whole_rule_anew(api: Api) -> None:
    rule = await _added(api, PRICES)
    body = {"model": "o3", "kind": "free", "reason": "a gift"}
    changed = (await api.http.put(f"{PATH}/{rule['id']}", json=body)).json()["priceRule"]
    assert (changed["provider"], changed["serviceTier"], changed["validFrom"], changed["author"]) == (
        None,
    ) * 4
    assert "prices" not in changed


async def test_what_is_answered_may_be_sent_back_without_what_the_server_gives(api: Api) -> None:
    rule = await _added(api, ALIAS | {"toProvider": None})
    given = ("id", "revision", "revoked", "createdAt")
    body = {name: value for name, value in rule.items() if name not in given}
    changed = await api.http.put(f"{PATH}/{rule['id']}", json=body)
    assert changed.status_code == 200, changed.text
    assert {name: value for name, value in changed.json()["priceRule"].items() if name not in given} == body


async def test_rules_are_listed_by_account_and_kind_and_revoked_ones_if_that_is_asked_for(api: Api) -> None:
    free, times = await _added(api, FREE), await _added(api, TIMES)
    gone = await _added(api, ALIAS)
    await api.http.delete(f"{PATH}/{gone['id']}?reason=wrong")
    ids = {"free": free["id"], "times": times["id"], "gone": gone["id"]}
    for query, told in {
        "": {"free", "times"},
        "?includeRevoked=true": {"free", "times", "gone"},
        "?includeRevoked=false": {"free", "times"},
        "?accountId=acme": {"times"},
        "?accountId=nobody": set(),
        "?kind=free": {"free"},
        "?kind=alias": set(),
        "?kind=alias&includeRevoked=true": {"gone"},
    }.items():
        assert set(await _listed(api, query)) == {ids[name] for name in told}, query


async def test_what_overlaps_is_a_conflict_that_names_the_other_rule(api: Api) -> None:
    first, second = await _added(api, FREE), await _added(api, FREE | {"model": "qwen*"})
    for response in (
        await api.http.post(PATH, json=FREE | {"model": "LLAMA*", "kind": "reported"}),
        await api.http.put(f"{PATH}/{second['id']}", json=FREE),
    ):
        assert response.status_code == 409
        (fault,) = response.json()["errors"]
        assert fault["field"] == "model"
        assert first["id"] in fault["detail"]
    assert await _listed(api) == sorted([first["id"], second["id"]])


async def test_a_rule_that_is_revoked_cannot_be_changed(api: Api) -> None:
    rule = await _added(api, FREE)
    place = f"{PATH}/{rule['id']}"
    assert (await api.http.delete(f"{place}?reason=wrong")).status_code == 200
    assert (await api.http.put(place, json=FREE)).status_code == 409
    assert (await api.http.delete(f"{place}?reason=again")).json()["priceRule"]["reason"] == "wrong"


@pytest.mark.parametrize("rule_id", ["rule_0", "%00", "%27%20OR%201=1", "x" * 1000])
async def test_a_rule_that_is_not_there_is_not_found(api: Api, rule_id: str) -> None:
    for response in (
        await api.http.get(f"{PATH}/{rule_id}"),
        await api.http.put(f"{PATH}/{rule_id}", json=FREE),
        await api.http.delete(f"{PATH}/{rule_id}?reason=r"),
    ):
        assert response.status_code == 404
        assert response.json()["detail"].startswith("There is no price rule ")


async def test_what_is_wrong_is_told_by_its_field_and_nothing_is_written(api: Api) -> None:
    rule = await _added(api, FREE | {"model": "other"})
    for changed, fields in WRONG:
        body = FREE | changed
        assert list(_faults(await api.http.post(PATH, json=body))) == fields, changed
        assert list(_faults(await api.http.put(f"{PATH}/{rule['id']}", json=body))) == fields, changed
    assert await _listed(api, "?includeRevoked=true") == [rule["id"]]
    assert len((await api.http.get(f"{PATH}/{rule['id']}")).json()["history"]) == 1


@pytest.mark.parametrize("left_out", ["model", "kind", "reason"])
async def test_a_field_that_is_required_and_left_out_is_named(api: Api, left_out: str) -> None:
    body = {name: value for name, value in FREE.items() if name != left_out}
    assert _faults(await api.http.post(PATH, json=body)) == {left_out: "Field required"}


async def test_a_multiplier_that_is_left_out_is_named(api: Api) -> None:
    body = FREE | {"kind": "multiplier"}
    assert _faults(await api.http.post(PATH, json=body)) == {
        "multiplier": "is required: the list price times what"
    }
    assert (await api.http.post(PATH, json=body | {"multiplier": 1})).status_code == 201


async def test_what_was_meant_is_suggested(api: Api) -> None:
    faults = _faults(await api.http.post(PATH, json=FREE | {"multiplyer": 2, "valid_from": "now"}))
    assert faults["multiplyer"] == "is not a field of a price rule; is multiplier meant?"
    assert faults["valid_from"] == "is not a field of a price rule; is validFrom meant?"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"multiplier": NaN}', '{"multiplier": 1e99999999999999999999}']
)
async def test_what_is_no_json_object_is_refused(api: Api, text: str) -> None:
    response = await api.http.post(PATH, content=text, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["detail"].startswith("The body is")


async def test_a_number_of_any_size_is_refused_at_once(api: Api) -> None:
    for number in ("1e999999999", "1e-999999999", "0e999999999", "0e-999999999", "9" * 4_000):
        text = f'{{"model": "m", "kind": "prices", "reason": "r", "prices": {{"input_mtok": {number}}}}}'
        response = await api.http.post(PATH, content=text, headers={"content-type": "application/json"})
        assert _faults(response), number


@pytest.mark.parametrize(
    ("query", "field"),
    [("accountId=", "accountId"), ("kind=x", "kind"), ("includeRevoked=yes", "includeRevoked"), ("a=1", "a")],
)
async def test_a_wrong_parameter_of_the_list_is_named(api: Api, query: str, field: str) -> None:
    assert list(_faults(await api.http.get(f"{PATH}?{query}"))) == [field]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", ["reason"]),
        ("reason=", ["reason"]),
        ("reason=r&why=r", ["why"]),
        ("reason=r&reason=s", ["reason"]),
        (f"reason={'r' * 1001}", ["reason"]),
        (f"reason=r&author={'a' * 300}", ["author"]),
    ],
)
async def test_a_rule_is_revoked_for_a_reason(api: Api, query: str, fields: list[str]) -> None:
    rule = await _added(api, FREE)
    assert list(_faults(await api.http.delete(f"{PATH}/{rule['id']}?{query}"))) == fields
    assert await _listed(api) == [rule["id"]]


async def test_the_rules_of_another_tenant_are_neither_seen_nor_changed(api: Api) -> None:
    theirs = await Rulebook(api.store).add(
        Rule(rule_id="theirs", tenant="theirs", model="llama*", kind=Kind.FREE, reason="r")
    )
    assert await _listed(api, "?includeRevoked=true") == []
    place = f"{PATH}/theirs"
    for response in (
        await api.http.get(place),
        await api.http.put(place, json=FREE),
        await api.http.delete(f"{place}?reason=r"),
    ):
        assert response.status_code == 404
    await _added(api, FREE)  # and they are in nobody's way
    assert await Rulebook(api.store).history("theirs", "theirs") == [theirs]


async def test_a_key_is_needed_where_one_is_configured(book: Pricer, dsn: str) -> None:
    async with serving(book, Settings(dsn=dsn, api_key="secret")) as api:
        for method, path in [
            ("GET", PATH),
            ("POST", PATH),
            *((m, f"{PATH}/x") for m in ("GET", "PUT", "DELETE")),
        ]:
            assert (await api.http.request(method, path)).status_code == 401
        assert (await api.http.get(PATH, headers={"X-API-Key": "secret"})).status_code == 200


async def test_only_json_is_taken_and_not_too_much_of_it(api: Api) -> None:
    assert (await api.http.post(PATH, content="{}")).status_code == 415
    large = json.dumps(FREE | {"reason": "r" * 10**6})
    response = await api.http.post(PATH, content=large, headers={"content-type": "application/json"})
    assert response.status_code == 413


async def test_what_is_written_is_the_rule_that_is_meant(api: Api) -> None:
    rule = await _added(api, PRICES)
    (written,) = await Rulebook(api.store).list("default")
    assert written.rule_id == rule["id"]
    assert written.prices == {"input_mtok": Decimal(2), "output_mtok": Decimal("8.35")}
    assert (written.tenant, written.provider, written.kind) == ("default", "azure", Kind.PRICES)
