"""The pages of a repricing, on every engine: each row once, in order, and only its version that counts."""

import random
from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pytest

from otel_usage.store import Store, history
from otel_usage.store.repricing import Cursor, Reprice, Step, find_steps, read_page, step_row
from tests.store.rows import NOON, usage

pytestmark = pytest.mark.anyio

HOUR: Final = 3_600 * 10**9
DAY_NS: Final = 24 * HOUR
DAY: Final = NOON // DAY_NS * DAY_NS
WHOLE: Final = Reprice(tenant="default", from_ns=DAY, to_ns=DAY + DAY_NS)


def page(store: Store, reprice: Reprice, after: Cursor, limit: int = 100, run_id: str = "") -> pa.Table:
    return history.versions(store.fetch(read_page(reprice, after, DAY + DAY_NS, run_id, limit)))


def pages(store: Store, limit: int) -> Iterator[pa.Table]:
    cursor = Cursor(DAY)
    while (found := page(store, WHOLE, cursor, limit)).num_rows:
        yield found
        last = history.keys(found.slice(found.num_rows - 1))[0]
        cursor = Cursor(DAY, last.account_id, last.hour, last.call_id)


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_have_each_row_once_in_the_order_of_their_keys(any_store: Store, limit: int) -> None:
    rng = random.Random(limit)
    rows = usage(
        *(
            {
                "account_id": rng.choice(["", "a", "a'b", "ü"]),
                "started_at": DAY + rng.choice([0, 1, 23]) * HOUR + rng.choice([0, HOUR - 1]),
                "call": rng.choice([0, 255, 2**127]) + rng.randrange(100),
            }
            for _ in range(20)
        )
    )
    any_store.insert(rows)
    found = [key for each in pages(any_store, limit) for key in history.keys(each)]
    assert found == sorted({*history.keys(rows)}, key=lambda key: (key.account_id.encode(), *key[1:]))


def test_a_version_that_was_replaced_is_in_no_page(any_store: Store) -> None:
    any_store.insert(usage({"call": 1, "version": 1}, {"call": 2, "version": 1}))
    any_store.insert(usage({"call": 1, "version": 2, "started_at": NOON + HOUR // 2}))
    any_store.insert(usage({"call": 2, "version": 2, "is_deleted": 1}))
    early = Reprice(tenant="default", from_ns=NOON, to_ns=NOON + 1)
    assert page(any_store, early, Cursor(DAY)).num_rows == 0
    assert page(any_store, WHOLE, Cursor(DAY))["version"].to_pylist() == [2]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({}, {0, 1, 2, 3}),
        ({"account_id": "beta"}, {1}),
        ({"model_id": "gpt-4o"}, {0, 1, 3}),
        ({"model_id": "asked"}, {2}),
        ({"unpriced_only": True}, {3}),
        ({"unpriced_only": True, "account_id": "beta"}, set()),
        ({"from_ns": NOON + 1}, {2}),
        ({"tenant": "other"}, {6}),
    ],
)
def test_only_rows_that_are_meant_are_read(any_store: Store, asked: dict[str, Any], meant: set[int]) -> None:
    any_store.insert(
        usage(
            {},
            {"account_id": "beta"},
            {"started_at": NOON + 1, "model_id": "x", "request_model": "asked", "response_model": "y"},
            {"billed_cost": None, "unpriced_reason": "no_price"},
            {"role": "rollup"},
            {"role": "duplicate"},
            {"tenant": "other"},
        )
    )
    whole: dict[str, Any] = {"tenant": "default", "from_ns": DAY, "to_ns": DAY + DAY_NS}
    found = page(any_store, Reprice(**whole | asked), Cursor(DAY))
    assert {int.from_bytes(call) for call in found["call_id"].to_pylist()} == meant


def test_what_a_run_wrote_is_still_meant_by_it(any_store: Store) -> None:
    any_store.insert(usage({"price_run": "r"}, {"account_id": "beta", "price_run": "r"}, {"price_run": "q"}))
    asked = Reprice(
        tenant="default",
        from_ns=DAY,
        to_ns=DAY + DAY_NS,
        account_id="acme",
        model_id="before",
        unpriced_only=True,
    )
    assert page(any_store, asked, Cursor(DAY)).num_rows == 0
    found = page(any_store, asked, Cursor(DAY), run_id="r")
    assert [*zip(found["account_id"].to_pylist(), found["price_run"].to_pylist(), strict=True)] == [
        ("acme", "r")
    ]


async def test_the_steps_of_a_run_are_read_as_they_were_written(any_store: Store) -> None:
    steps = [Step(number, "running", "{}", "here", 3, 2, "[]", "me", "why") for number in range(12)]
    for step in [*reversed(steps), steps[3]]:
        any_store.append("reprice_runs", step_row("default", "r", step))
    assert await any_store.query(find_steps("default", "r")) == steps
    assert await any_store.query(find_steps("other", "r")) == []
    assert await any_store.query(find_steps("default", "s")) == []
