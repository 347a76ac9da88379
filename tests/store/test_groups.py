"""Groups: the sums of a plain GROUP BY, by the hours and days of any time zone, and an exact rest."""

import itertools
import random
import zoneinfo
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from otel_usage.sealing import seal
from otel_usage.store import Store
from otel_usage.store.groups import COLUMNS, Grouping, group_usage
from otel_usage.store.queries import Statement, UsageFilter
from tests.store.rows import usage

_SECOND: Final = 10**9
_BEGIN: Final = int(datetime(2025, 10, 24, tzinfo=UTC).timestamp())
"""Before clocks are set back in Europe, and in America."""
_ANY: Final = UsageFilter("default")
_ZONES: Final = (
    *("UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/New_York"),
    *("Australia/Lord_Howe", "America/St_Johns", "Pacific/Chatham", "Pacific/Kiritimati"),
)

Row = Mapping[str, Any]
Totals = tuple[int, Decimal, int]


def _rows() -> list[Row]:
    rng = random.Random(7)
    return [
        {
            "call": number,
            "started_at": (_BEGIN + rng.randrange(14 * 86_400)) * _SECOND + rng.randrange(_SECOND),
            "account_id": rng.choice(["acme", "beta", "gamma"]),
            "model_id": rng.choice(["gpt-4o", "o3"]),
            "provider": rng.choice(["openai", "azure"]),
            "service_name": rng.choice(["web", "jobs"]),
            "transaction_id": rng.choice(["", "t1"]),
            "context": rng.choice(["customer", "system"]),
            "billed_cost": Decimal(rng.randrange(10**6)).scaleb(-6),
            "input_tokens": rng.randrange(1_000),
        }
        for number in range(400)
    ]


def _plain(rows: Sequence[Row], by: Sequence[str], zone: str = "", interval: str = "") -> dict[Any, Totals]:
    """What a plain GROUP BY says: calls, cost and input tokens."""
    sums: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        begin = _begin(row["started_at"] // _SECOND, zone, interval) if interval else 0
        sums[(*(row[COLUMNS[name]] for name in by), begin)].append(row)
    return {key: _totals(members) for key, members in sums.items()}


def _totals(rows: Sequence[Row]) -> Totals:
    return (
        len(rows),
        sum((row["billed_cost"] for row in rows), Decimal(0)),
        sum(row["input_tokens"] for row in rows),
    )


def _begin(second: int, zone: str, interval: str) -> int:
    """The first moment of the hour or day that it is by the clocks there."""
    clock = zoneinfo.ZoneInfo(zone)
    local = datetime.fromtimestamp(second, clock)
    if interval == "day":
        begin = local.replace(hour=0, minute=0, second=0, fold=0)
        while begin.astimezone(UTC).astimezone(clock).date() < local.date():  # midnight is left out that day
            begin += timedelta(minutes=15)
        return int(begin.timestamp())
    return second - (local.minute * 60 + local.second)


async def _asked(store: Store, grouping: Grouping, asked: UsageFilter = _ANY) -> dict[Any, Totals]:
    groups = await store.query(group_usage(asked, grouping))
    assert not any(group.others for group in groups)
    return {
        (*group.keys, group.begin_s): (
            group.sums.calls,
            group.sums.billed_cost or Decimal(0),
            group.sums.input_tokens or 0,
        )
        for group in groups
    }


async def _fill(store: Store) -> list[Row]:
    """Fill a store of which some days are sealed, and some were and are dirty."""
    rows = _rows()
    store.insert(usage(*rows[:300]))
    async for _ in seal(store, 0):
        pass
    store.insert(usage(*rows[300:320]))
    early = [row for row in rows[320:] if row["started_at"] < (_BEGIN + 5 * 86_400) * _SECOND]
    store.insert(usage(*early))
    return [*rows[:320], *early]


@pytest.mark.anyio
async def test_groups_are_those_of_a_plain_group_by(any_store: Store) -> None:
    store, rows = any_store, await _fill(any_store)
    for by in [(), *itertools.combinations(("account", "model", "provider", "context", "service"), 2)]:
        assert await _asked(store, Grouping(by)) == _plain(rows, by), by
    for name in COLUMNS.keys() - {"operation", "usageType"}:
        assert await _asked(store, Grouping((name,))) == _plain(rows, (name,)), name


@pytest.mark.anyio
async def test_hours_and_days_are_those_of_the_clocks_there_and_add_up(store: Store) -> None:
    rows, groups = await _fill(store), ((), ("model",), ("account", "provider"))
    for zone, interval, by in itertools.product(_ZONES, ("day", "hour"), groups):
        found = await _asked(store, Grouping(by, interval, zone))
        assert found == _plain(rows, by, zone, interval), (zone, interval, by)
        assert sum(calls for calls, _, _ in found.values()) == len(rows)


@pytest.mark.anyio
async def test_a_span_of_time_is_that_of_the_groups_too(store: Store) -> None:
    rows = await _fill(store)
    begin, end = (_BEGIN + 86_400 + 1_000) * _SECOND + 5, (_BEGIN + 9 * 86_400 - 1_000) * _SECOND
    asked = UsageFilter("default", from_ns=begin, to_ns=end, provider="openai")
    meant = [row for row in rows if begin <= row["started_at"] < end and row["provider"] == "openai"]
    for grouping in (
        Grouping(("model",)),
        Grouping(("account",), "day"),
        Grouping((), "hour", "Asia/Kolkata"),
    ):
        found = await _asked(store, grouping, asked)
        assert found == _plain(meant, grouping.by, grouping.timezone, grouping.interval), grouping


@pytest.mark.anyio
@pytest.mark.parametrize("interval", ["", "day"])
async def test_groups_beyond_the_limit_are_one_rest_and_all_of_it(store: Store, interval: str) -> None:
    rows = await _fill(store)
    by = ("account", "model", "provider")
    whole = _plain(rows, by)
    dearest = {key[:3] for key in sorted(whole, key=lambda key: whole[key][1], reverse=True)[:4]}
    groups = await store.query(group_usage(_ANY, Grouping(by, interval, limit=4)))
    assert {group.keys for group in groups if not group.others} == dearest
    assert {group.keys for group in groups if group.others} == {("", "", "")}
    assert sum(group.sums.calls for group in groups) == len(rows)
    assert sum(group.sums.billed_cost or 0 for group in groups) == sum(row["billed_cost"] for row in rows)
    if not interval:
        assert [group.others for group in groups] == [0, 0, 0, 0, len(whole) - 4]


@pytest.mark.anyio
async def test_the_days_of_every_time_zone_begin_at_a_quarter_hour_and_the_engine_knows_when(
    store: Store,
) -> None:
    """From 2020, before which there are no calls. The engine's data are compared with those of Python."""
    rng = random.Random(3)
    zones = sorted(zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"})
    first, last = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2020, 2027))
    moments = [rng.randrange(first, last) // 900 * 900 for _ in range(3)]
    different: list[tuple[str, int]] = []
    for zone in zones:
        statement: Statement[Any] = Statement(
            "days",
            "SELECT toUnixTimestamp(toStartOfDay(toDateTime(at, {zone:String}))) "
            "FROM (SELECT arrayJoin({moments:Array(UInt32)}) AS at)",
            {"moments": moments, "zone": zone},
            int,
        )
        found = await store.query(statement)
        assert all(begin % 900 == 0 for begin in found), zone
        expected = [_begin(moment, zone, "day") for moment in moments]
        different += [
            (zone, at) for at, one, other in zip(moments, found, expected, strict=True) if one != other
        ]
    assert different == []
