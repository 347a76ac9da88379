"""The bill as it was: every version that there was at a time, and none that came after it."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_usage.store import Store
from otel_usage.store.queries import UsageFilter, UsageRow, list_usage
from otel_usage.store.summary import summarize
from otel_usage.store.unpriced import unpriced_models
from tests.store.rows import NOON, usage
from tests.store.versions import written

HOUR: Final = 3_600 * 10**9
MONDAY, TUESDAY, WEDNESDAY = (NOON + day * 24 * HOUR for day in range(3))
MINE: Final = UsageFilter("default")
_tenants = itertools.count()


def _costs(rows: Sequence[UsageRow]) -> list[Decimal | None]:
    return [row.billed_cost for row in rows]


@pytest.mark.anyio
async def test_a_row_that_was_replaced_is_shown_as_it_was(any_store: Store) -> None:
    old = usage({"call": 1, "version": 1, "billed_cost": Decimal(1)})
    written(any_store, old, MONDAY, "usage_history")
    written(any_store, usage({"call": 1, "version": 2, "billed_cost": Decimal(2)}), TUESDAY)
    for at, costs in ((None, [2]), (WEDNESDAY, [2]), (TUESDAY, [2]), (TUESDAY - 1, [1]), (MONDAY - 1, [])):
        asked = replace(MINE, as_of_ns=at)
        assert _costs(await any_store.query(list_usage(asked, 10))) == costs
        (total, *_) = await any_store.query(summarize(asked))
        assert (total.calls, total.billed_cost) == (len(costs), sum(costs) if costs else None)


@pytest.mark.anyio
async def test_a_version_that_is_stored_twice_is_one(any_store: Store) -> None:
    old = usage({"call": 1, "version": 1})
    for table in ("usage_rows", "usage_history", "usage_history"):
        written(any_store, old, MONDAY, table)
    assert len(await any_store.query(list_usage(replace(MINE, as_of_ns=MONDAY), 10))) == 1


@pytest.mark.anyio
async def test_a_row_that_moved_away_is_where_it_was(any_store: Store) -> None:
    written(any_store, usage({"call": 1, "account_id": "old", "version": 1}), MONDAY, "usage_history")
    tombstone = {"call": 1, "account_id": "old", "version": 2, "is_deleted": 1}
    written(any_store, usage(tombstone, {"call": 1, "account_id": "new", "version": 2}), TUESDAY)
    for at, accounts in ((MONDAY, ["old"]), (TUESDAY, ["new"])):
        told = await any_store.query(list_usage(replace(MINE, as_of_ns=at), 10))
        assert [row.account_id for row in told] == accounts
        for account in ("old", "new"):
            asked = replace(MINE, as_of_ns=at, account_id=account)
            assert (await any_store.query(summarize(asked)))[0].calls == accounts.count(account)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("before", "after", "asked"),
    [
        ({"model_id": "one"}, {"model_id": "two"}, replace(MINE, model_id="one")),
        ({"context": "customer"}, {"context": "system"}, replace(MINE, context="customer")),
        ({"role": "inference"}, {"role": "duplicate"}, MINE),
        ({"started_at": NOON}, {"started_at": NOON + 9}, replace(MINE, to_ns=NOON + 5)),
        ({"started_at": NOON + 5}, {"started_at": NOON}, replace(MINE, from_ns=NOON + 5)),
    ],
)
async def test_a_filter_asks_the_newest_version_not_the_newest_that_it_likes(
    any_store: Store, before: Mapping[str, object], after: Mapping[str, object], asked: UsageFilter
) -> None:
    written(any_store, usage({"call": 1, "version": 1, **before}), MONDAY)
    written(any_store, usage({"call": 1, "version": 2, **after}), TUESDAY)
    assert len(await any_store.query(list_usage(replace(asked, as_of_ns=MONDAY), 10))) == 1
    assert await any_store.query(list_usage(replace(asked, as_of_ns=TUESDAY), 10)) == []
    assert await any_store.query(list_usage(asked, 10)) == []


@pytest.mark.anyio
async def test_other_tenants_are_not_seen_in_the_past_either(any_store: Store) -> None:
    written(any_store, usage({"tenant": "theirs"}), MONDAY)
    written(any_store, usage({"tenant": "theirs"}), MONDAY, "usage_history")
    assert await any_store.query(list_usage(replace(MINE, as_of_ns=WEDNESDAY), 10)) == []


@pytest.mark.anyio
async def test_what_was_unpriced_then_is_told_of_then(any_store: Store) -> None:
    unpriced = {"call": 1, "version": 1, "unpriced_reason": "unknown_model", "billed_cost": None}
    written(any_store, usage(unpriced), MONDAY, "usage_history")
    written(any_store, usage({"call": 1, "version": 2}), TUESDAY)
    for at, count in ((MONDAY, 1), (TUESDAY, 0)):
        asked = replace(MINE, as_of_ns=at)
        assert (await any_store.query(summarize(asked)))[0].unpriced_calls == count
        assert len(await any_store.query(unpriced_models(asked))) == count


@dataclass(frozen=True, slots=True)
class Change:
    """A call as it became at a time."""

    call: int
    cost: int
    model: str
    deleted: bool
    merged: bool
    """Whether ClickHouse has dropped the version before it."""


changes = st.lists(
    st.builds(
        Change,
        call=st.integers(0, 3),
        cost=st.integers(0, 9),
        model=st.sampled_from(["one", "two"]),
        deleted=st.sampled_from([False, False, True]),
        merged=st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=changes, model=st.sampled_from([None, "one"]))
def test_at_every_moment_the_answer_is_the_one_given_then(
    store: Store, history: Sequence[Change], model: str | None
) -> None:
    tenant = f"tenant {next(_tenants)}"
    times = [MONDAY + i * HOUR for i in range(len(history))]
    kept: dict[int, tuple[Mapping[str, object], int]] = {}
    tables: list[tuple[Mapping[str, object], int, str]] = []
    now: list[Mapping[int, Change]] = [{}]
    for number, (change, at) in enumerate(zip(history, times, strict=True)):
        row = {
            "tenant": tenant,
            "call": change.call,
            "version": number + 1,
            "billed_cost": Decimal(change.cost),
        }
        row |= {"model_id": change.model, "is_deleted": int(change.deleted)}
        if change.call in kept:
            tables.append((*kept[change.call], "usage_history"))
            if not change.merged:
                tables.append((*kept[change.call], "usage_rows"))
        kept[change.call] = (row, at)
        now.append({**now[-1], change.call: change})
    tables += [(stored, at, "usage_rows") for stored, at in kept.values()]
    for stored, at, table in tables:
        written(store, usage(stored), at, table)
    for at, state in zip([MONDAY - HOUR, *times], now, strict=True):
        asked = UsageFilter(tenant, as_of_ns=at, model_id=model)
        total = store.fetch(summarize(asked)).to_pylist()[0]
        meant = [each for each in state.values() if not each.deleted and model in (None, each.model)]
        assert total["sum(calls)"] == len(meant)
        assert (total["sum(billed_cost)"] or 0) == sum(each.cost for each in meant)
