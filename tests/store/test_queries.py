"""Queries: values that stay values, and answers equal to a count by hand."""

import dataclasses
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_usage.config import Settings
from otel_usage.model import MAX_TOKENS, Retryable
from otel_usage.store import Store
from otel_usage.store.queries import (
    ROLES,
    Statement,
    UsageFilter,
    UsageRow,
    find_record,
    list_usage,
)
from otel_usage.store.schema import migrations
from otel_usage.store.summary import UsageSum, summarize
from tests.chdb_server import ChdbServer
from tests.store.rows import NOON, usage

EVERYTHING: Final = UsageFilter("default")

texts = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(max_examples=25)
@given(
    tenant=texts,
    account_id=texts,
    model_id=texts,
    context=texts,
    transaction_id=texts,
    provider=texts,
    usage_type=texts,
    usage_status=texts,
    role=texts,
)
def test_values_are_bound_and_never_part_of_the_sql(role: str, **values: Any) -> None:  # noqa: ANN401
    meant, other = UsageFilter(**values), UsageFilter(*"abcdefgh")
    questions: tuple[Callable[[UsageFilter], Statement[Any]], ...] = (
        summarize,
        lambda which: list_usage(which, 1),
        lambda which: list_usage(dataclasses.replace(which, role=f"not {role}"), 1),
    )
    for question in questions:
        assert question(meant).sql == question(other).sql
        assert values.items() <= question(meant).parameters.items()
    assert questions[2](meant).parameters["role"] == f"not {role}"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "hostile", ["' OR 1 = 1 --", "{tenant:String}", "\\", "\0", "\N{SNOWMAN}", "a\tb\nc"]
)
async def test_a_hostile_value_is_only_a_value(any_store: Store, hostile: str) -> None:
    any_store.insert(usage({"account_id": hostile}, {"account_id": "innocent"}))
    rows = await any_store.query(list_usage(UsageFilter("default", account_id=hostile), 10))
    assert [row.account_id for row in rows] == [hostile]
    assert await any_store.query(list_usage(UsageFilter(hostile), 10)) == []


@pytest.mark.anyio
async def test_the_list_is_newest_first_and_bounded(any_store: Store) -> None:
    any_store.insert(
        usage(*({"call": call, "started_at": NOON + call * 3_600_000_000_001} for call in range(48)))
    )
    rows = await any_store.query(list_usage(EVERYTHING, 3))
    assert rows == [
        UsageRow(
            call_id=call.to_bytes(16, "big"),
            context="customer",
            account_id="acme",
            model_id="gpt-4o",
            input_tokens=1500,
            output_tokens=500,
            billed_cost=Decimal("0.0085"),
            started_at_ns=NOON + call * 3_600_000_000_001,
        )
        for call in (47, 46, 45)
    ]


@pytest.mark.anyio
async def test_a_tenant_sees_its_own_calls_only(store: Store) -> None:
    store.insert(usage({"tenant": "mine", "call": 1}, {"tenant": "theirs", "call": 1}, {"tenant": "theirs"}))
    assert len(await store.query(list_usage(UsageFilter("mine"), 10))) == 1
    assert (await store.query(summarize(UsageFilter("mine"))))[0].calls == 1
    assert await store.query(find_record("mine", bytes(16), 0, 2 * NOON)) == []


@pytest.mark.anyio
async def test_only_inferences_that_did_not_fail_are_billed(store: Store) -> None:
    failed = {"billed_cost": None, "list_cost": None, "unpriced_reason": "call_failed"}
    store.insert(usage({"role": "rollup"}, {"role": "duplicate"}, {"role": "inference"}, failed))
    assert len(await store.query(list_usage(EVERYTHING, 10))) == 1
    assert (await store.query(summarize(EVERYTHING)))[0].calls == 1


@pytest.mark.anyio
async def test_a_call_that_turns_out_to_be_a_duplicate_is_gone_from_the_bill(store: Store) -> None:
    store.insert(usage({"call": 1, "version": 1}))
    store.insert(usage({"call": 1, "version": 2, "role": "duplicate"}))
    assert await store.query(list_usage(EVERYTHING, 10)) == []
    assert (await store.query(summarize(EVERYTHING)))[0].calls == 0


@pytest.mark.anyio
@pytest.mark.parametrize("role", ROLES)
async def test_the_rows_of_a_role_say_what_they_are_and_why_they_have_no_cost(
    store: Store, role: str
) -> None:
    told: dict[str, dict[str, Any]] = {
        "inference": {"usage_status": "estimated", "unpriced_reason": "estimated_usage"},
        "rollup": {"unpriced_reason": "rollup"},
        "duplicate": {"unpriced_reason": "call_failed", "duplicate_of": b"\xff" * 16},
    }
    store.insert(usage(*({"role": name, "billed_cost": None, **told[name]} for name in ROLES)))
    (row,) = await store.query(list_usage(UsageFilter("default", role=role), 10))
    assert (row.role, row.duplicate_of) == (role, told[role].get("duplicate_of"))
    assert row.unpriced_reason == told[role]["unpriced_reason"]
    assert row.usage_status == told[role].get("usage_status", "reported")


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["model_id", "request_model", "response_model"])
async def test_a_model_is_found_by_any_of_its_names(store: Store, name: str) -> None:
    store.insert(usage({name: "sought"}, {}))
    sought = UsageFilter("default", model_id="sought")
    assert [row.call_id for row in await store.query(list_usage(sought, 10))] == [bytes(16)]
    assert (await store.query(summarize(sought)))[0].calls == 1


@pytest.mark.anyio
async def test_every_filter_applies_to_every_sum(any_store: Store) -> None:
    rows = [
        {
            "account_id": account,
            "context": context,
            "model_id": model,
            "request_model": "",
            "response_model": "",
        }
        | {"billed_cost": cost, "input_tokens": tokens}
        for account, context, model, cost, tokens in (
            ("acme", "customer", "gpt-4o", Decimal("0.1"), 10),
            ("acme", "customer", "mystery", None, None),
            ("acme", "system", "gpt-4o", Decimal("0.000000000000000002"), 30),
            ("other", "customer", "gpt-4o", Decimal(7), 40),
        )
    ]
    any_store.insert(usage(*rows))
    for chosen in (
        EVERYTHING,
        UsageFilter("default", account_id="acme"),
        UsageFilter("default", context="customer"),
        UsageFilter("default", model_id="mystery"),
        UsageFilter("default", account_id="acme", model_id="gpt-4o", context="system"),
        UsageFilter("default", account_id="nobody"),
    ):
        sums = await any_store.query(summarize(chosen))
        assert sums == _sums_by_hand([row for row in rows if _matches(row, chosen)])


@pytest.mark.anyio
async def test_sums_of_the_largest_counts_and_the_smallest_costs_are_exact(store: Store) -> None:
    rows = [
        {"input_tokens": MAX_TOKENS, "output_tokens": MAX_TOKENS, "billed_cost": cost}
        for cost in (Decimal("1e-18"), Decimal(600_000_000_000), Decimal("0.1"), Decimal("0.2"))
    ] * 250
    store.insert(usage(*rows))
    (total, *_) = await store.query(summarize(EVERYTHING))
    cost = Decimal("150000000000075.00000000000000025")
    listed = Decimal("8.5")
    assert total == UsageSum("all", "", 1000, cost, 1000 * MAX_TOKENS, 1000 * MAX_TOKENS, listed)


@pytest.mark.anyio
async def test_a_record_is_found_by_its_identity_within_the_time_asked_for(any_store: Store) -> None:
    any_store.insert(usage({"call": 5, "transaction_id": "txn", "cache_read_tokens": 7}))
    identity = (5).to_bytes(16, "big")
    midnight, day = NOON - 12 * 3_600 * 10**9, 24 * 3_600 * 10**9
    (found,) = await any_store.query(find_record("default", identity, midnight, midnight + day))
    assert (found.transaction_id, found.cache_read_tokens, found.model_id) == ("txn", 7, "gpt-4o")
    assert await any_store.query(find_record("default", identity, midnight - day, midnight)) == []
    assert await any_store.query(find_record("default", identity, midnight + day, midnight + 2 * day)) == []
    assert await any_store.query(find_record("default", bytes(16), midnight, midnight + day)) == []


@pytest.mark.anyio
async def test_more_questions_than_clients_wait_their_turn(dsn: str) -> None:
    with Store.open(Settings(dsn=dsn, read_clients=2)) as store:
        store.insert(usage({}))
        answers: list[Sequence[UsageSum]] = []

        async def ask() -> None:
            answers.append(await store.query(summarize(EVERYTHING)))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask)
    assert [answer[0].calls for answer in answers] == [1] * 10


@pytest.mark.anyio
async def test_a_query_over_its_time_is_given_up(dsn: str) -> None:
    endless: Statement[Any] = Statement("endless", "SELECT count() FROM system.numbers", {}, lambda *row: row)
    with Store.open(Settings(dsn=dsn, query_timeout=0.2)) as store:
        with pytest.raises(Retryable, match=r"^ClickHouse cannot answer now: TIMEOUT_EXCEEDED\.$"):
            await store.query(endless)
        assert await store.ping() == len(migrations())  # the client is as good as before


@pytest.mark.anyio
@pytest.mark.usefixtures("any_client")
async def test_a_query_over_its_memory_is_given_up(any_dsn: str) -> None:
    statement: Statement[Any] = Statement(
        "big",
        "SELECT count() FROM (SELECT DISTINCT toString(number) FROM numbers(10000000))",
        {},
        lambda *row: row,
    )
    with (
        Store.open(Settings(dsn=any_dsn, query_memory_bytes=20_000_000)) as store,
        pytest.raises(Retryable, match=r"^ClickHouse cannot answer now: MEMORY_LIMIT_EXCEEDED\.$"),
    ):
        await store.query(statement)


@pytest.mark.anyio
async def test_a_faulty_statement_is_a_fault_of_ours(any_store: Store) -> None:
    statement: Statement[Any] = Statement("faulty", "SELECT nothing FROM nowhere", {}, lambda *row: row)
    with pytest.raises(Exception, match="nowhere") as caught:
        await any_store.query(statement)
    assert not isinstance(caught.value, Retryable)


@pytest.mark.anyio
async def test_every_query_has_limits_and_says_who_asks(server: ChdbServer, database: str) -> None:
    with Store.open(Settings(dsn=server.dsn(database), query_timeout=9, query_memory_bytes=10**8)) as store:
        await store.ping()
        server.requests.clear()
        await store.query(summarize(EVERYTHING))
    (query,) = server.requests
    assert query["max_execution_time"] == "9.0"
    assert query["max_memory_usage"] == str(10**8)
    assert query["do_not_merge_across_partitions_select_final"] == "1"
    assert query["log_comment"] == "otel-usage summarize"
    assert query["database"] == database


@pytest.mark.anyio
async def test_a_server_that_is_away_may_be_asked_again(server: ChdbServer, database: str) -> None:
    with Store.open(Settings(dsn=server.dsn(database), retry_after=3)) as store:
        assert await store.ping() == len(migrations())
        server.failure = "Code: 202. DB::Exception: Too many queries. (TOO_MANY_SIMULTANEOUS_QUERIES)"
        for question in (store.ping(), store.query(list_usage(EVERYTHING, 1))):
            with pytest.raises(Retryable) as caught:
                await question
            assert caught.value.retry_after == 3
        server.failure = ""
        assert await store.ping() == len(migrations())


def _matches(row: dict[str, Any], chosen: UsageFilter) -> bool:
    return all(getattr(chosen, name) in (None, row[name]) for name in ("account_id", "context", "model_id"))


def _sums_by_hand(rows: Sequence[dict[str, Any]]) -> list[UsageSum]:
    groups = {("all", ""): list(rows)}
    for row in rows:
        groups.setdefault(("context", row["context"]), []).append(row)
        groups.setdefault(("model", row["model_id"]), []).append(row)
    return [
        UsageSum(
            by,
            key,
            len(members),
            _sum(members, "billed_cost"),
            _sum(members, "input_tokens"),
            500 * len(members) if members else None,
            Decimal("0.0085") * len(members) if members else None,
        )
        for (by, key), members in sorted(groups.items())
    ]


def _sum(rows: Sequence[dict[str, Any]], column: str) -> Any:  # noqa: ANN401 (a count or a cost)
    known = [row[column] for row in rows if row[column] is not None]
    return sum(known) if known else None
