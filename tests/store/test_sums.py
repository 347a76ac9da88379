"""Sums of days: equal to those of the rows at every moment, whatever is sealed, dirty, late or cut off."""

import itertools
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from otel_usage.config import Settings
from otel_usage.month_lock import LEASE
from otel_usage.sealing import seal
from otel_usage.store import Store, sums
from otel_usage.store.pieces import pieces
from otel_usage.store.queries import UsageFilter
from otel_usage.store.summary import UsageSum, summarize
from otel_usage.store.unpriced import unpriced_models
from tests.store.rows import usage

_SECOND: Final = 10**9
_HOUR: Final = 3_600 * _SECOND
_DAY: Final = 24 * _HOUR
_BEGIN: Final = int(datetime(2025, 10, 30, tzinfo=UTC).timestamp()) * _SECOND
"""Two days before a month ends."""
_SEEDS: Final = itertools.count()

Row = Mapping[str, Any]


async def _seal(store: Store, quiet: float = 0) -> list[int]:
    """The days that were sealed."""
    return [day.number async for month in seal(store, quiet) for day in month.days]


def _run(function: Callable[..., Awaitable[Any]], *arguments: object) -> Any:  # noqa: ANN401
    """Its answer, from a thread of its own: that of the tests has a loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, function, *arguments).result()


def _by_hand(rows: Sequence[Row]) -> list[UsageSum]:
    """What a plain GROUP BY over the rows says."""
    groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    groups["all", ""] = []
    for row in rows:
        for group in (("all", ""), ("context", row["context"]), ("model", row["model_id"])):
            groups[group].append(row)
    return [_sum(by, key, members) for (by, key), members in sorted(groups.items())]


def _sum(by: str, key: str, rows: Sequence[Row]) -> UsageSum:
    def known(name: str, some: Sequence[Row] = rows) -> Any:  # noqa: ANN401
        told = [row[name] for row in some if row[name] is not None]
        return sum(told) if told else None

    def tokens(some: Sequence[Row]) -> int:
        return sum((row["input_tokens"] or 0) + (row["output_tokens"] or 0) for row in some)

    unpriced = [row for row in rows if row["unpriced_reason"] == "unknown_model"]
    unattributed = [row for row in rows if row["attribution"] == "unattributed"]
    return UsageSum(
        by=by,
        key=key,
        calls=len(rows),
        billed_cost=known("billed_cost"),
        input_tokens=known("input_tokens"),
        output_tokens=known("output_tokens"),
        list_cost=known("list_cost"),
        unpriced_calls=len(unpriced),
        unpriced_tokens=tokens(unpriced),
        unattributed_calls=len(unattributed),
        unattributed_tokens=tokens(unattributed),
        unattributed_cost=known("billed_cost", unattributed),
    )


_costs = st.sampled_from([None, Decimal("0.000000000000000001"), Decimal("0.1"), Decimal(3)])
_moments = st.integers(0, 4 * 96).map(lambda quarter: quarter * _HOUR // 4) | st.integers(0, 4 * _DAY)


@st.composite
def _rows(draw: st.DrawFn) -> Row:
    cost = draw(_costs)
    return {
        "call": draw(st.integers(0, 9)),
        "hour": draw(st.sampled_from([0, 1, 23, 24, 47, 48, 60, 95])),
        "within": draw(st.sampled_from([0, _HOUR // 4 - 1, _HOUR // 4, _HOUR // 2, _HOUR - 1])),
        "account_id": draw(st.sampled_from(["", "acme", "beta"])),
        "context": draw(st.sampled_from(["customer", "system"])),
        "model_id": draw(st.sampled_from(["gpt-4o", "o3"])),
        "request_model": draw(st.sampled_from(["gpt-4o", "mine"])),
        "attribution": draw(st.sampled_from(["span", "unattributed"])),
        "role": draw(st.sampled_from(["inference", "inference", "duplicate"])),
        "is_deleted": draw(st.sampled_from([0, 0, 0, 1])),
        "input_tokens": draw(st.sampled_from([None, 0, 7])),
        "output_tokens": draw(st.sampled_from([None, 5])),
        "billed_cost": cost,
        "list_cost": draw(_costs),
        "unpriced_reason": "" if cost is not None else "unknown_model",
    }


_filters = st.fixed_dictionaries(
    {},
    optional={
        "account_id": st.sampled_from(["acme", "beta"]),
        "context": st.just("system"),
        "model_id": st.sampled_from(["o3", "gpt-4o"]),
        "transaction_id": st.just(""),
    },
)
_steps = st.lists(st.lists(_rows(), min_size=1, max_size=6) | st.none(), min_size=2, max_size=6)
"""What happens: rows come, at once, or (None) what there is is sealed."""


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(
    steps=_steps,
    asked=st.lists(st.tuples(_filters, st.none() | _moments, st.none() | _moments), min_size=3, max_size=3),
)
def test_an_answer_is_that_of_the_rows_whatever_is_sealed(
    store: Store, steps: Sequence[Sequence[Row] | None], asked: Sequence[tuple[Any, int | None, int | None]]
) -> None:
    tenant, version, held = f"t{next(_SEEDS)}", 0, dict[tuple[Any, ...], Row]()
    for step in steps:
        if step is None:
            _run(_seal, store)
        else:
            coming = []
            for each in step:
                version += 1
                row = {**each, "tenant": tenant, "version": version}
                hour = row.pop("hour")
                row["started_at"] = _BEGIN + hour * _HOUR + row.pop("within")
                held[row["account_id"], hour, row["call"]] = row
                coming.append(row)
            store.insert(usage(*coming))
        _assert_sums_are_right(store, tenant, [*held.values()], asked)


def _assert_sums_are_right(
    store: Store, tenant: str, held: Sequence[Row], asked: Sequence[tuple[Any, int | None, int | None]]
) -> None:
    billable = [row for row in held if row["role"] == "inference" and not row["is_deleted"]]
    for told, begin, end in [({}, None, None), *asked]:
        usage_filter = UsageFilter(
            tenant,
            **told,
            from_ns=None if begin is None else _BEGIN + begin,
            to_ns=None if end is None else _BEGIN + end,
        )
        meant = [row for row in billable if _matches(row, told, usage_filter)]
        assert _run(store.query, summarize(usage_filter)) == _by_hand(meant), usage_filter


def _matches(row: Row, told: Mapping[str, Any], asked: UsageFilter) -> bool:
    return (
        all(
            value in (row.get(name, ""), name == "model_id" and row["request_model"])
            for name, value in told.items()
        )
        and (asked.from_ns is None or row["started_at"] >= asked.from_ns)
        and (asked.to_ns is None or row["started_at"] < asked.to_ns)
    )


@pytest.mark.anyio
async def test_a_sealed_day_is_read_from_its_sums_and_a_dirty_one_from_its_rows(
    any_store: Store, any_client: Client
) -> None:
    any_store.insert(usage({"call": 1, "started_at": _BEGIN}, {"call": 2, "started_at": _BEGIN + _DAY}))
    assert await _seal(any_store) == [20251030, 20251031]
    # A sum that is not that of the rows: whoever shows it has read it.
    any_client.command(
        "ALTER TABLE sealed_sums UPDATE calls = 100 WHERE calls > 0 SETTINGS mutations_sync = 2"
    )
    assert (await any_store.query(summarize(UsageFilter("default"))))[0].calls == 200
    any_store.insert(usage({"call": 3, "started_at": _BEGIN}))
    assert (await any_store.query(summarize(UsageFilter("default"))))[0].calls == 2 + 100


@pytest.mark.anyio
async def test_only_what_changed_is_sealed_again(any_store: Store) -> None:
    any_store.insert(usage(*({"call": n, "started_at": _BEGIN + n * _DAY} for n in range(4))))
    assert await _seal(any_store) == [20251101, 20251102, 20251030, 20251031]  # the newest month first
    assert await _seal(any_store) == []
    any_store.insert(usage({"call": 9, "started_at": _BEGIN}))
    assert await _seal(any_store, quiet=60) == []
    assert await _seal(any_store) == [20251030]
    assert all(day.is_sealed for day in await any_store.query(sums.read_days()))


@pytest.mark.anyio
async def test_a_deletion_or_mutation_makes_a_day_dirty(any_store: Store, any_client: Client) -> None:
    any_store.insert(usage({"call": 1, "started_at": _BEGIN}, {"call": 2, "started_at": _BEGIN}))
    await _seal(any_store)
    any_client.command(
        "ALTER TABLE usage_rows DELETE WHERE endsWith(call_id, char(2)) SETTINGS mutations_sync = 2"
    )
    assert [day.is_sealed for day in await any_store.query(sums.read_days())] == [0]
    assert (await any_store.query(summarize(UsageFilter("default"))))[0].calls == 1


@pytest.mark.anyio
async def test_a_merge_leaves_a_day_sealed(any_store: Store, any_client: Client) -> None:
    for call in (1, 1, 2):
        any_store.insert(usage({"call": call, "started_at": _BEGIN}))
    await _seal(any_store)
    any_client.command("OPTIMIZE TABLE usage_rows FINAL")
    assert [(day.is_sealed, day.rows) for day in await any_store.query(sums.read_days())] == [(1, 2)]


@pytest.mark.anyio
async def test_a_month_that_another_is_sealing_is_left_to_it(any_store: Store) -> None:
    any_store.insert(usage({"call": 1, "started_at": _BEGIN}, {"call": 2, "started_at": _BEGIN + 2 * _DAY}))
    await any_store.command(sums.take_lock("sealing_202510", 1))
    if any_store.is_exclusive:  # nobody else can be there: it is what a dead process left
        assert await _seal(any_store) == [20251101, 20251030]
    else:
        assert await _seal(any_store) == [20251101]
        await any_store.command(sums.drop_table("sealing_202510"))
        assert await _seal(any_store) == [20251030]


@pytest.mark.anyio
async def test_two_sealers_at_once_and_rows_that_come_meanwhile_leave_every_answer_right(
    any_store: Store,
) -> None:
    stop, calls = anyio.Event(), 0

    async def come() -> None:
        nonlocal calls
        for number in range(30):
            row = {"call": number, "started_at": _BEGIN + number % 3 * _DAY}
            await anyio.to_thread.run_sync(any_store.insert, usage(row))
            calls = number + 1
        stop.set()

    async def seal() -> None:
        while not stop.is_set():
            await _seal(any_store)

    async def look() -> None:
        while not stop.is_set():
            least = calls
            (total, *_) = await any_store.query(summarize(UsageFilter("default")))
            assert least <= total.calls <= calls + 1

    async with anyio.create_task_group() as tasks:
        for task in (come, seal, look):
            tasks.start_soon(task)
        if not any_store.is_exclusive:
            tasks.start_soon(seal)
    assert (await any_store.query(summarize(UsageFilter("default"))))[0].calls == 30


def test_a_lock_lasts_longer_than_one_statement_may_take() -> None:
    assert Settings().seal_timeout <= LEASE


_PROCESS: Final = """
import os, sys, anyio
from otel_usage.config import Settings
from otel_usage.sealing import seal
from otel_usage.store import Store
from otel_usage.store.queries import UsageFilter
from otel_usage.store.summary import summarize
from tests.store.rows import usage

dsn, fatal, dirty = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

class Mortal(Store):
    commands = 0
    async def command(self, statement):
        self.commands += 1
        if self.commands == fatal:
            os.kill(os.getpid(), 9)
        await super().command(statement)

async def main(store):
    if dirty:
        store.insert(usage({"call": dirty, "started_at": 1761782400 * 10**9 + dirty % 2 * 86400 * 10**9}))
    print("calls", (await store.query(summarize(UsageFilter("default"))))[0].calls, flush=True)
    async for _ in seal(store, 0):
        pass
    print("calls", (await store.query(summarize(UsageFilter("default"))))[0].calls)

with Mortal.open(Settings(dsn=dsn)) as store:
    anyio.run(main, store)
"""


def test_a_process_that_dies_between_any_two_statements_changes_no_answer(tmp_path: Path) -> None:
    def run(fatal: int, dirty: int) -> list[str]:
        arguments = [sys.executable, "-c", _PROCESS, f"chdb://{tmp_path}/data", str(fatal), str(dirty)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode in (0, -9), done.stderr
        told = re.findall(r"calls (\d+)", done.stdout)
        assert len(told) == (1 if done.returncode else 2)
        return told

    stored = 0
    fatal = 1
    while True:
        stored += 1
        told = run(fatal, stored)
        assert told[0] == str(stored)
        if len(told) > 1:
            assert told[1] == str(stored)
            break
        fatal += 1
    assert fatal > 10  # as many places to die at
    assert run(0, 0) == [str(stored), str(stored)]


# The pieces that a span of time is cut into


def _cut(usage_filter: UsageFilter, *dimensions: str) -> list[str]:
    """What is read."""
    read = pieces(usage_filter, dimensions)
    if "usage_history" in read.sql:
        return ["usage_rows"]
    return [
        next(
            name for name in ("day_sums", "quarter_sums", "account_model_sums", "usage_rows") if name in each
        )
        for each in read.sql.split("UNION ALL")
    ]


@pytest.mark.parametrize(
    ("begin", "end", "cut"),
    [
        (None, None, ["day_sums"]),
        (0, _DAY, ["day_sums"]),
        (0, None, ["day_sums"]),
        (_HOUR, 2 * _DAY, ["quarter_sums", "day_sums"]),
        (_HOUR, 2 * _HOUR, ["quarter_sums"]),
        (0, _DAY + 1, ["day_sums", "usage_rows"]),
        (1, 2 * _DAY, ["usage_rows", "quarter_sums", "day_sums"]),
        (1, 3 * _DAY - 1, ["usage_rows", "quarter_sums", "day_sums", "quarter_sums", "usage_rows"]),
        (1, 2, ["usage_rows"]),
        (1, _HOUR // 4 + 1, ["usage_rows"]),
    ],
)
def test_a_span_is_read_in_the_largest_pieces_there_are(
    begin: int | None, end: int | None, cut: Sequence[str]
) -> None:
    told = [None if each is None else _BEGIN + each for each in (begin, end)]
    assert sorted(_cut(UsageFilter("t", from_ns=told[0], to_ns=told[1]))) == sorted(cut)


def test_what_the_sums_do_not_tell_apart_is_read_from_rows() -> None:
    assert _cut(UsageFilter("t", transaction_id="x")) == ["usage_rows"]
    assert _cut(UsageFilter("t", as_of_ns=1)) == ["usage_rows"]
    assert _cut(UsageFilter("t"), "service_name") == ["usage_rows"]
    assert _cut(UsageFilter("t", account_id="a"), "quarter") == ["usage_rows"]
    assert _cut(UsageFilter("t", account_id="a"), "provider") == ["account_model_sums"]
    assert _cut(UsageFilter("t"), "quarter") == ["quarter_sums"]


@pytest.mark.anyio
async def test_unpriced_models_are_found_in_the_sums(any_store: Store) -> None:
    row = {"started_at": _BEGIN, "unpriced_reason": "unknown_model", "billed_cost": None, "model_id": "x"}
    any_store.insert(
        usage({**row, "call": 1}, {**row, "call": 2, "provider": "p"}, {"call": 3, "started_at": _BEGIN})
    )
    before = await any_store.query(unpriced_models(UsageFilter("default")))
    await _seal(any_store)
    assert await any_store.query(unpriced_models(UsageFilter("default"))) == before
    assert [(each.provider, each.calls, each.tokens) for each in before] == [
        ("openai", 1, 2000),
        ("p", 1, 2000),
    ]
