"""The price feed: a server prices by what the store says is in force, and needs no restart for it."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
import httpx2
import pytest
import structlog
from clickhouse_connect.driver.client import Client

from otel_usage import serve
from otel_usage.bookshelf import Bookshelf
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Permanent, Retryable
from otel_usage.price_feed import PriceFeed
from otel_usage.pricing import PriceBook, Pricer
from otel_usage.pricing.rules import Kind, Rule
from otel_usage.rulebook import Rulebook
from otel_usage.store import Store
from otel_usage.store.books import EVENTS, HELD, IN_FORCE, event_row
from tests.api.conftest import RECORD
from tests.chdb_server import ChdbServer
from tests.store.conftest import server as http_store  # noqa: F401 (a fixture)
from tests.test_bookshelf import BUNDLED, CHEAP, book

pytestmark = pytest.mark.anyio

RULE: Final = Rule(
    rule_id="", tenant="default", model="our-chat", kind=Kind.ALIAS, to_model="gpt-4o", reason="ours"
)
OTHER: Final = book(input_mtok="5", output_mtok="10", cache_read_mtok="1.25")
SOON: Final = 0.05


async def test_an_empty_store_gets_the_book_of_this_version(
    store: Store, chdb_client: Client, database: str
) -> None:
    for _ in range(2):
        pricer = await PriceFeed(store).load()
        assert pricer.book.id == BUNDLED
        stored = chdb_client.query(f"SELECT book_id, body FROM {database}.price_books")  # noqa: S608 (ours)
        assert [(key, PriceBook.load(body.encode()).id) for key, body in stored.result_rows] == [
            (BUNDLED, BUNDLED)
        ]


async def test_it_tells_only_what_changed(store: Store) -> None:
    feed, rulebook = PriceFeed(store), Rulebook(store)
    first = await feed.load()
    assert await feed.news() is None
    rule = await rulebook.add(RULE)
    ruled = await feed.news()
    assert ruled is not None
    assert ruled.book is first.book  # not read again
    assert [str(each) for each in ruled.rules.rules] == [f"{rule.rule_id}@1"]
    assert await feed.news() is None
    await Bookshelf(store).take(CHEAP, "", "")
    booked = await feed.news()
    assert booked is not None
    assert (booked.book.id, len(booked.rules)) == (CHEAP.book_id, 1)
    assert await feed.news() is None
    await rulebook.revoke("default", rule.rule_id, "", "no more")
    revoked = await feed.news()
    assert revoked is not None
    assert (revoked.book.id, len(revoked.rules)) == (CHEAP.book_id, 0)


@contextlib.asynccontextmanager
async def following(store: Store, dsn: str) -> AsyncIterator[Ingest]:
    feed = PriceFeed(store)
    settings = Settings(dsn=dsn)
    async with Ingest(settings, store, await feed.load()) as ingest:
        task = asyncio.create_task(feed.follow(ingest, SOON))
        try:
            yield ingest
            assert not task.done()
        finally:
            task.cancel()


async def until(ingest: Ingest, before: Pricer) -> Pricer:
    """The pricer in force, once it is another."""
    until = time.monotonic() + 20
    while ingest.pricer is before:
        assert time.monotonic() < until
        await anyio.sleep(SOON / 5)
    return ingest.pricer


async def test_a_book_that_is_missing_or_damaged_changes_nothing(
    store: Store, dsn: str, chdb_client: Client, database: str
) -> None:
    async with following(store, dsn) as ingest:
        before = ingest.pricer
        with structlog.testing.capture_logs() as logs:
            store.append(EVENTS, event_row("f" * 64, IN_FORCE, "", ""))
            await asyncio.sleep(SOON * 10)
            with pytest.raises(Permanent, match="no price book"):
                await PriceFeed(store).load()
            chdb_client.command(
                f"INSERT INTO {database}.price_books (book_id, body) "  # noqa: S608 (ours)
                f"VALUES ('{'f' * 64}', '{{}}')"
            )
            await asyncio.sleep(SOON * 10)
            with pytest.raises(Permanent, match="damaged"):
                await PriceFeed(store).load()
        assert ingest.pricer is before
        # Once each, however often it looked.
        told = [(each["event"], str(each["exc_info"])) for each in logs]
        assert [(event, "damaged" in reason) for event, reason in told] == [
            ("prices cannot be read", False),
            ("prices cannot be read", True),
        ]
        await Bookshelf(store).approve(BUNDLED, "", "back")
        assert (await until(ingest, before)).book.id == BUNDLED


async def test_it_goes_on_when_the_store_was_away(http_store: ChdbServer, database: str) -> None:  # noqa: F811
    dsn = http_store.dsn(database)
    with Store.open(Settings(dsn=dsn)) as store:
        async with following(store, dsn) as ingest:
            before = ingest.pricer
            http_store.failure = "Code: 241. DB::Exception: no memory. (MEMORY_LIMIT_EXCEEDED)"
            with structlog.testing.capture_logs() as logs:
                await asyncio.sleep(SOON * 10)
                with pytest.raises(Retryable):
                    await PriceFeed(store).load()
            assert ingest.pricer is before
            assert [each["event"] for each in logs].count("prices were not read") == 1
            http_store.failure = ""
            await Bookshelf(store).take(CHEAP, "", "")
            assert (await until(ingest, before)).book.id == CHEAP.book_id


async def test_a_running_server_takes_rules_and_books_without_a_restart(dsn: str) -> None:
    listen = dict.fromkeys(("grpc_address", "otlp_http_address", "api_address"), "127.0.0.1:0")
    settings = Settings.model_validate({"dsn": dsn, "price_refresh": SOON, **listen})
    ready: asyncio.Future[serve.Addresses] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve.serve(settings, ready=ready.set_result))
    async with _stopped(serving), asyncio.timeout(60):
        api = (await ready).api
        with Store.open(settings) as store:
            async with httpx2.AsyncClient(base_url=f"http://{api}", timeout=30) as http:
                assert await _cost(http, "our-chat") is None
                assert await _cost(http, "gpt-4o") == 0.0085
                rule = {"model": "our-chat", "kind": "alias", "toModel": "gpt-4o", "reason": "ours"}
                (await http.post("/v1/price-rules", json=rule)).raise_for_status()
                await _costs(http, "our-chat", 0.0085)
                # Through the store, as another process does it.
                verdict = await Bookshelf(store).take(OTHER, "eva", "dearer")
                assert verdict.event == HELD  # of a model in use
                assert await _cost(http, "gpt-4o") == 0.0085
                await Bookshelf(store).approve(verdict.book_id, "eva", "so it is")
                await _costs(http, "gpt-4o", 0.01175)
                await Bookshelf(store).approve(BUNDLED, "eva", "back")
                await _costs(http, "gpt-4o", 0.0085)


@contextlib.asynccontextmanager
async def _stopped(serving: "asyncio.Task[None]") -> AsyncIterator[None]:
    """Stop the server of this process in the end."""
    try:
        yield
    finally:
        if not serving.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await serving


async def _costs(http: httpx2.AsyncClient, model: str, expected: float) -> None:
    """Wait until a call costs that."""
    until = time.monotonic() + 20
    while (cost := await _cost(http, model)) != expected:
        assert time.monotonic() < until, f"{model} costs {cost}"
        await anyio.sleep(SOON)


async def _cost(http: httpx2.AsyncClient, model: str) -> float | None:
    """What a call costs that is recorded now."""
    record = RECORD | {"modelId": model, "transactionId": f"txn_{time.time_ns()}"}
    answer: dict[str, Any] = (await http.post("/v1/usage/record", json=record)).raise_for_status().json()
    cost: float | None = answer["usageRecord"]["estimatedCostUsd"]
    return cost
