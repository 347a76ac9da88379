"""Price books in the store: what was written is what is read, and the last one in force is the one."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.model import Retryable
from otel_usage.store import Store
from otel_usage.store.books import (
    BOOKS,
    EVENTS,
    HELD,
    IN_FORCE,
    StoredBook,
    UsedModel,
    book_events,
    book_in_force,
    book_row,
    event_row,
    read_book,
    used_models,
)
from tests.chdb_server import ChdbServer
from tests.store.rows import NOON, usage

pytestmark = pytest.mark.anyio

_BODY = b'{"a": "\\u00e9 \\" \' \\\\ \\n", "b": "x"}' * 1000


async def test_a_book_is_read_as_it_was_written_by_the_first_digits_of_its_id(any_store: Store) -> None:
    any_store.append(BOOKS, book_row("abc1", _BODY))
    any_store.append(BOOKS, book_row("abc2", b"{}"))
    assert await any_store.query(read_book("abc1")) == [StoredBook("abc1", _BODY.decode())]
    assert len(await any_store.query(read_book("abc"))) == 2
    assert await any_store.query(read_book("b")) == []
    assert await any_store.query(read_book("abc%")) == []


async def test_a_book_that_is_written_twice_is_one(any_store: Store) -> None:
    for _ in range(2):
        any_store.append(BOOKS, book_row("abc", b"{}"))
    assert await any_store.query(read_book("abc")) == [StoredBook("abc", "{}")]


async def test_the_last_one_put_in_force_is_in_force(any_store: Store) -> None:
    (none,) = await any_store.query(book_in_force())
    assert none.book_id == ""
    told = [("first", IN_FORCE), ("second", IN_FORCE), ("first", IN_FORCE), ("third", HELD)]
    for book_id, event in told:
        any_store.append(EVENTS, event_row(book_id, event, "eva", f"{event} 'it'"))
        await anyio.sleep(0.002)
    (found,) = await any_store.query(book_in_force())
    assert found.book_id == "first"
    events = await any_store.query(book_events(3))
    assert [(each.book_id, each.event) for each in events] == told[:0:-1]
    assert {(each.author, each.reason) for each in events} == {
        ("eva", "in_force 'it'"),
        ("eva", "held 'it'"),
    }


async def test_models_in_use_are_those_of_calls_since_then(any_store: Store) -> None:
    any_store.insert(
        usage(
            {"response_model": "often", "model_id": "often"},
            {"response_model": "often", "model_id": "often"},
            {"response_model": "deployed", "model_id": "meant"},
            {"response_model": "", "request_model": "asked", "model_id": "asked"},
            {"response_model": "again", "role": "duplicate"},
            {"response_model": "old", "started_at": NOON - 1},
            {"response_model": "", "request_model": "", "model_id": ""},
        )
    )
    first, *others = await any_store.query(used_models(NOON))
    assert first == UsedModel("openai", "often", 2)
    assert sorted(others, key=lambda each: each.model) == [
        UsedModel("openai", name, 1) for name in ("asked", "deployed", "meant")
    ]


def test_many_threads_append_while_the_writer_inserts(any_store: Store, any_client: Client) -> None:
    with ThreadPoolExecutor(6) as threads:
        jobs = [
            threads.submit(any_store.append, BOOKS, book_row(f"book {number}", _BODY)) for number in range(40)
        ]
        jobs += [threads.submit(any_store.append, EVENTS, event_row("b", HELD, "", "")) for _ in range(40)]
        for number in range(20):
            any_store.insert(usage({"call": number}))
        for job in jobs:
            job.result()
    counts = [
        any_client.command(f"SELECT count() FROM {table}")  # noqa: S608 (ours)
        for table in (BOOKS, EVENTS, "usage_rows")
    ]
    assert counts == [40, 40, 20]


def test_a_row_that_cannot_be_appended_now_may_be_sent_again(server: ChdbServer, database: str) -> None:
    with Store.open(Settings(dsn=server.dsn(database))) as store:
        server.failure = "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)"
        with pytest.raises(Retryable, match="TOO_MANY_PARTS"):  # it connects for it
            store.append(BOOKS, book_row("a", b"{}"))
        for failure, told in (("", None), (server.failure, "does not take rows now"), ("", None)):
            server.failure = failure
            with pytest.raises(Retryable, match=told) if told else contextlib.nullcontext():
                store.append(BOOKS, book_row("a", b"{}"))
