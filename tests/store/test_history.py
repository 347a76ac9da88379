"""Versions that are replaced long after they were stored are kept; what is told again replaces nothing."""

import time
import uuid
from typing import Any, Final

import anyio
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.store import Store, history
from otel_usage.store.history import News, news
from otel_usage.store.queries import Statement, UsageFilter, list_usage
from tests.store.processes import ID, Process, Told
from tests.store.rows import NOON, usage

pytestmark = pytest.mark.anyio

HOUR: Final = 3_600 * 10**9
LATER: Final = NOON + 100 * HOUR


def told(store: Store, **row: Any) -> News:  # noqa: ANN401
    """What is news of a row, long after its call."""
    return news(store, usage({"call": 1} | row), LATER)


def kept(client: Client) -> list[tuple[Any, ...]]:
    answer = client.query("SELECT account_id, version, billed_cost FROM usage_history FINAL ORDER BY 1, 2")
    return [tuple(row) for row in answer.result_rows]


def test_what_is_not_stored_is_news(any_store: Store, any_client: Client) -> None:
    any_store.insert(usage({"call": 2}, {"call": 1, "account_id": "beta"}, {"call": 1, "tenant": "other"}))
    found = told(any_store)
    assert (found.rows.num_rows, found.outdone.num_rows, kept(any_client)) == (1, 0, [])


def test_a_better_version_is_news_and_the_one_before_is_kept(any_store: Store, any_client: Client) -> None:
    any_store.insert(usage({"call": 1, "version": 5}, {"call": 2}))
    found = told(any_store, version=6)
    assert (found.rows["version"].to_pylist(), found.outdone.num_rows) == ([6], 0)
    assert [row[:2] for row in kept(any_client)] == [("acme", 5)]


def test_the_same_version_is_no_news(any_store: Store, any_client: Client) -> None:
    any_store.insert(usage({"call": 1, "version": 5}))
    found = told(any_store, version=5)
    assert (found.rows.num_rows, found.outdone.num_rows, kept(any_client)) == (0, 0, [])


def test_a_version_of_the_same_number_that_says_something_else_is_news(
    any_store: Store, any_client: Client
) -> None:
    any_store.insert(usage({"call": 1, "version": 5}))
    assert told(any_store, version=5, transaction_id="t").rows.num_rows == 1
    assert [row[:2] for row in kept(any_client)] == [("acme", 5)]


def test_a_lower_version_is_no_news_and_the_stored_one_is_told(any_store: Store) -> None:
    any_store.insert(usage({"call": 1, "version": 5}))
    any_store.insert(usage({"call": 1, "version": 7, "response_id": "seven"}))
    found = told(any_store, version=6)
    assert found.rows.num_rows == 0
    assert found.outdone["response_id"].to_pylist() == ["seven"]


def test_what_was_taken_back_stays_so(any_store: Store) -> None:
    any_store.insert(usage({"call": 1, "version": 5}, {"call": 1, "version": 6, "is_deleted": 1}))
    found = told(any_store, version=5)
    assert (found.rows.num_rows, found.outdone.num_rows) == (0, 0)


def test_of_several_rows_only_what_is_news_is_left(any_store: Store, any_client: Client) -> None:
    any_store.insert(usage(*({"call": number, "version": 5} for number in range(4))))
    came = usage(*({"call": number, "version": 3 + number} for number in range(6)))
    found = news(any_store, came, LATER)
    assert sorted(found.rows["version"].to_pylist()) == [6, 7, 8]
    assert found.outdone.num_rows == 2
    assert [row[:2] for row in kept(any_client)] == [("acme", 5)]


def test_while_a_call_is_open_nothing_is_asked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Statement[Any]) -> pa.Table:
        raise AssertionError

    monkeypatch.setattr(store, "fetch", refuse)
    rows = usage({"duration_ns": 10 * HOUR})
    assert news(store, rows, NOON + 11 * HOUR).rows is rows
    with pytest.raises(AssertionError):
        news(store, rows, NOON + 11 * HOUR + 1)


def test_more_keys_than_one_question_has_room_for_are_found(any_store: Store) -> None:
    accounts = [f"{number:0200d}" for number in range(700)]
    some = [{"call": number, "account_id": accounts[number % 700]} for number in range(7_000)]
    rows = usage(*some)
    any_store.insert(rows)
    found = history.find(any_store, "usage_rows", "default", history.keys(rows))
    assert sorted(found["call_id"].to_pylist()) == sorted(rows["call_id"].to_pylist())
    assert found.schema == history.VERSIONS
    assert history.find(any_store, "usage_rows", "other", history.keys(rows)).num_rows == 0


async def test_who_paid_is_found_as_it_was_before_a_late_span_told_otherwise(any_store: Store) -> None:
    process = Process(any_store, Settings())
    process.send([Told(1, parent=9)])
    await anyio.sleep(0.01)
    before = time.time_ns()
    await anyio.sleep(0.01)
    process.send([Told(9, operation="", account="alpha")])

    async def accounts(as_of_ns: int | None) -> list[str]:
        rows = await any_store.query(list_usage(UsageFilter("default", as_of_ns=as_of_ns), 10))
        return [row.account_id for row in rows]

    assert await accounts(None) == await accounts(time.time_ns()) == ["alpha"]
    assert await accounts(before) == [""]
    assert await accounts(before - 10**12) == []


async def test_files_that_are_taken_again_after_a_restart_change_nothing(
    any_store: Store, any_client: Client
) -> None:
    spans = [
        Told(9, operation="", account="alpha", trace=uuid.UUID(int=3).bytes),
        Told(1, parent=9, trace=uuid.UUID(int=3).bytes),
        Told(2, response_id=ID, account="beta"),
        Told(3, scope="langchain", response_id=ID, account="beta"),
    ]

    def stored() -> list[tuple[Any, ...]]:
        return [
            tuple(row)
            for row in any_client.query(
                "SELECT account_id, call_id, version, inserted_at, writer FROM usage_rows ORDER BY ALL"
            ).result_rows
        ]

    first = [outcome for span in spans for outcome in Process(any_store, Settings()).send([span])]
    Process(any_store, Settings()).send(spans)
    before = stored()
    outcomes = Process(any_store, Settings()).send(spans)
    assert stored() == before
    assert len(outcomes) == len(first) == 4
    assert sum(outcome.stored for outcome in outcomes) == 2
