"""The bookshelf: a book is put in force, held or refused, and none is ever lost."""

import hashlib
import json
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import anyio
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.bookshelf import Bookshelf
from otel_usage.model import Permanent
from otel_usage.pricing import PriceBook
from otel_usage.pricing.book import bundled_body
from otel_usage.pricing.build import Built, Report
from otel_usage.pricing.gate import Severity
from otel_usage.store import Store
from otel_usage.store.books import HELD, IN_FORCE
from tests.store.rows import usage

pytestmark = pytest.mark.anyio

BUNDLED: Final = hashlib.sha256(bundled_body()).hexdigest()


@cache
def bundled() -> Mapping[str, Any]:
    """The document of the bundled book."""
    return json.loads(bundled_body())


def providers(prices: Mapping[str, object]) -> list[dict[str, Any]]:
    """Those of genai-prices in the bundled book, with gpt-4o at these prices."""
    (source,) = (each for each in bundled()["sources"] if each["name"] == "genai-prices")
    ours = {"id": "gpt-4o", "match": {"equals": "gpt-4o"}, "prices": prices}
    return [
        each
        if each["id"] != "openai"
        else {**each, "models": [ours, *(model for model in each["models"] if model["id"] != "gpt-4o")]}
        for each in source["providers"]
    ]


def book(*, version: str = "1", **prices: str) -> Built:
    """The bundled book without its corrections and policy, with gpt-4o at these prices."""
    source = {
        "name": "genai-prices",
        "version": version,
        "providers": providers(prices or {"input_mtok": "2.5"}),
    }
    others = [each for each in bundled()["sources"] if each["name"] == "litellm"]
    document = {"schema": 1, "sources": [source, *others]}
    body = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return Built(body, Report({}, [], [], []))


CHEAP: Final = book(input_mtok="2.5")
DEAR: Final = book(input_mtok="25")


@pytest.fixture
def shelf(store: Store) -> Bookshelf:
    return Bookshelf(store)


def use(store: Store) -> None:
    """Let gpt-4o be in use."""
    store.insert(usage({"started_at": time.time_ns(), "response_model": "gpt-4o"}))


async def test_a_store_without_books_has_the_one_of_this_version(shelf: Bookshelf) -> None:
    assert await shelf.in_force() == bundled_body()
    assert await shelf.body(BUNDLED[:12]) == bundled_body()
    assert await shelf.events() == []


async def test_a_book_with_nothing_against_it_is_put_in_force(shelf: Bookshelf) -> None:
    verdict = await shelf.take(CHEAP, "eva", "newer prices")
    assert (verdict.book_id, verdict.event) == (CHEAP.book_id, IN_FORCE)
    assert {each.severity for each in verdict.findings} == {Severity.NOTE}
    assert await shelf.in_force() == CHEAP.body
    (event,) = await shelf.events()
    assert (event.book_id, event.event, event.author, event.reason) == (
        CHEAP.book_id,
        IN_FORCE,
        "eva",
        "newer prices",
    )


async def test_one_that_moves_a_model_in_use_is_held_until_it_is_approved(
    shelf: Bookshelf, store: Store
) -> None:
    await shelf.take(CHEAP, "eva", "first")
    use(store)
    verdict = await shelf.take(DEAR, "eva", "dearer")
    assert verdict.event == HELD
    told = [each.message for each in verdict.findings if each.severity is Severity.HOLD]
    assert told == [
        "is in use and moves by more than 25 %: input_mtok 2.5 to 25",
        "is in use and has another price for the past: always, input_mtok 2.5 to 25",
    ]
    assert await shelf.in_force() == CHEAP.body
    await anyio.sleep(0.002)
    assert await shelf.approve(f"sha256:{DEAR.book_id[:12]}", "finn", "it is so") == DEAR.book_id
    assert await shelf.in_force() == DEAR.body
    assert [(each.book_id, each.event, each.author, each.reason) for each in await shelf.events()] == [
        (DEAR.book_id, IN_FORCE, "finn", "it is so"),
        (DEAR.book_id, HELD, "eva", "dearer"),
        (CHEAP.book_id, IN_FORCE, "eva", "first"),
    ]


async def test_a_small_move_in_the_past_is_held_too(shelf: Bookshelf, store: Store) -> None:
    await shelf.take(CHEAP, "", "")
    use(store)
    assert (await shelf.take(book(input_mtok="2.6"), "", "")).event == HELD


async def test_a_move_of_a_model_that_was_used_long_ago_is_none(shelf: Bookshelf, store: Store) -> None:
    await shelf.take(CHEAP, "", "")
    store.insert(usage({"started_at": time.time_ns() - 31 * 86_400 * 10**9, "response_model": "gpt-4o"}))
    assert (await shelf.take(DEAR, "", "")).event == IN_FORCE


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity", "999999"])
async def test_a_price_that_is_none_refuses_the_book_which_is_not_stored(
    shelf: Bookshelf, price: str
) -> None:
    bad = book(input_mtok=price)
    verdict = await shelf.take(bad, "", "")
    assert verdict.is_refused
    assert verdict.event == ""
    assert await shelf.in_force() == bundled_body()
    assert await shelf.events() == []
    with pytest.raises(Permanent, match="no price book"):
        await shelf.body(bad.book_id)


async def test_the_book_in_force_is_not_put_in_force_again(shelf: Bookshelf) -> None:
    await shelf.take(CHEAP, "", "")
    verdict = await shelf.take(CHEAP, "", "")
    assert (verdict.event, verdict.findings) == ("", [])
    assert len(await shelf.events()) == 1


async def test_the_bundled_book_is_in_force_where_no_other_is(shelf: Bookshelf) -> None:
    verdict = await shelf.take(Built(bundled_body(), Report({}, [], [], [])), "", "")
    assert (verdict.event, verdict.is_refused) == ("", False)
    assert await shelf.events() == []


async def test_one_can_go_back_to_every_book_there_was(
    shelf: Bookshelf, chdb_client: Client, database: str
) -> None:
    for each in (CHEAP, DEAR):
        assert (await shelf.take(each, "", "")).event == IN_FORCE
        await anyio.sleep(0.002)
    stored = chdb_client.query(f"SELECT book_id, body FROM {database}.price_books").result_rows  # noqa: S608
    # The one of the version too: a later version has another.
    assert {book_id: body.encode() for book_id, body in stored} == {
        BUNDLED: bundled_body(),
        CHEAP.book_id: CHEAP.body,
        DEAR.book_id: DEAR.body,
    }
    for book_id in (CHEAP.book_id, BUNDLED):
        await shelf.approve(book_id, "", "back")
        assert PriceBook.load(await shelf.in_force()).id == book_id
        await anyio.sleep(0.002)


async def test_first_digits_that_are_of_no_book_or_of_several_are_refused(shelf: Bookshelf) -> None:
    by_digit: dict[str, list[Built]] = {}
    for number in range(17):  # 16 digits: two have one in common
        made = book(version=str(number))
        await shelf.keep(made.body)
        by_digit.setdefault(made.book_id[0], []).append(made)
    common = next(digit for digit, books in by_digit.items() if len(books) > 1)
    for digits, told in ((common, "more than one price book"), ("xyz", "no price book"), ("", "book")):
        for ask in (shelf.body(digits), shelf.approve(digits, "", "")):
            with pytest.raises(Permanent, match=told) as refused:
                await ask
            assert refused.value.field == "book"
    assert await shelf.events() == []


async def test_a_damaged_book_is_not_read_and_another_can_be_put_in_force(
    shelf: Bookshelf, chdb_client: Client, database: str
) -> None:
    await shelf.take(CHEAP, "", "")
    columns = "(book_id, body) VALUES"
    chdb_client.command(f"INSERT INTO {database}.price_books {columns} ('{CHEAP.book_id}', '{{}}')")
    for ask in (shelf.in_force(), shelf.take(DEAR, "", ""), shelf.approve(CHEAP.book_id, "", "")):
        with pytest.raises(Permanent, match="is damaged"):
            await ask
    await anyio.sleep(0.002)
    await shelf.approve(BUNDLED, "", "")
    assert await shelf.in_force() == bundled_body()
