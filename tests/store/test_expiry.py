"""Days that expire: their rows go, what they cost stays, and nothing is lost or counted twice meanwhile."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Self

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.expiry import WrongSums, expire
from otel_usage.horizon import Horizon, expires_before, horizon
from otel_usage.model import EARLIEST_NS
from otel_usage.sealing import seal
from otel_usage.store import Store, expiries, sums
from otel_usage.store.client import connect, parse
from otel_usage.store.groups import Grouping, group_usage
from otel_usage.store.queries import Statement, UsageFilter
from otel_usage.store.retention import Decision
from otel_usage.store.summary import summarize
from tests.store.rows import usage

_NS: Final = 10**9
_DAY: Final = 86_400 * _NS
_FIRST: Final = datetime(2025, 10, 30, tzinfo=UTC)
_BEGIN: Final = int(_FIRST.timestamp()) * _NS
_ALL: Final = UsageFilter("default")
_KEPT_DAYS: Final = 2


@pytest.fixture
def client(migrated_dsn: str) -> Iterator[Client]:
    target = parse(migrated_dsn)
    with contextlib.closing(connect(target, timeout=10)) as client:
        client.database = target.database
        yield client


def _fill(store: Store, days: int = 5) -> None:
    """Two calls of two accounts on each day; the second one was told twice."""
    for version in (1, 2):
        store.insert(
            usage(
                *(
                    {
                        "call": 2 * day + call,
                        "version": version,
                        "started_at": _BEGIN + day * _DAY + 1_000 * _NS * call,
                        "account_id": ("acme", "beta")[call],
                    }
                    for day in range(days)
                    for call in range(version - 1, 2)
                )
            )
        )


def _keep(client: Client, days: int, since: datetime = _FIRST) -> None:
    client.command(
        "INSERT INTO retention SELECT {days:UInt32}, 'test', {since:DateTime64(6)}",
        parameters={"days": days, "since": since},
    )


async def _expire(store: Store, now: datetime, linger: float = 0) -> list[tuple[int, bool]]:
    async for _ in seal(store, 0):
        pass
    return [(each.day, each.rows_are_gone) async for each in expire(store, now, linger)]


async def _answers(store: Store) -> Sequence[object]:
    """All that is asked of sums, by day, quarter hour and account."""
    asked: list[Statement[Any]] = [
        summarize(_ALL),
        summarize(UsageFilter("default", from_ns=_BEGIN + _DAY, to_ns=_BEGIN + 3 * _DAY)),
        summarize(UsageFilter("default", from_ns=_BEGIN + 900 * _NS)),
        summarize(UsageFilter("default", account_id="beta")),
        group_usage(_ALL, Grouping(("account",), "day")),
        group_usage(_ALL, Grouping(("model",), "hour", "Asia/Kathmandu")),
    ]
    return [await store.query(each) for each in asked]


def _count(client: Client, table: str) -> int:
    ((count,),) = client.query(f"SELECT count() FROM {table}").result_rows  # noqa: S608
    return int(count)


@pytest.mark.anyio
async def test_rows_go_after_their_sums_took_their_place_and_no_answer_changes(
    any_store: Store, any_client: Client
) -> None:
    _fill(any_store)
    before = await _answers(any_store)
    _keep(any_client, _KEPT_DAYS)
    now = _FIRST + timedelta(days=5, hours=1)  # of five days the last two are kept, and one more for grace
    assert await _expire(any_store, now) == [(20251030, False), (20251031, False)]
    assert _count(any_client, "usage_rows") == 15
    assert await _answers(any_store) == before
    assert await _expire(any_store, now, linger=600) == []
    assert await _expire(any_store, now) == [(20251030, True), (20251031, True)]
    assert _count(any_client, "usage_rows") == 9
    assert await _answers(any_store) == before
    assert await _expire(any_store, now + timedelta(days=1)) == [(20251101, False)]
    assert await _expire(any_store, now + timedelta(days=1)) == [(20251101, True)]
    assert await _answers(any_store) == before
    assert [(day.number, day.rows) for day in await any_store.query(sums.read_days()) if day.is_expired] == [
        (20251030, 0),
        (20251031, 0),
        (20251101, 0),
    ]


@pytest.mark.anyio
async def test_a_row_that_comes_after_the_sums_were_kept_is_counted(store: Store, client: Client) -> None:
    _fill(store, 1)
    _keep(client, _KEPT_DAYS)
    now = _FIRST + timedelta(days=9)
    assert await _expire(store, now) == [(20251030, False)]
    store.insert(usage({"call": 9, "started_at": _BEGIN, "account_id": "acme"}))
    assert await _expire(store, now) == []  # it has not expired after all
    assert (await store.query(summarize(_ALL)))[0].calls == 3
    assert await _expire(store, now) == [(20251030, False)]
    assert (await store.query(summarize(_ALL)))[0].calls == 3
    assert await _expire(store, now) == [(20251030, True)]
    assert (await store.query(summarize(_ALL)))[0].calls == 3
    assert _count(client, "usage_rows") == 0


@pytest.mark.anyio
async def test_a_day_is_not_let_go_whose_sums_are_not_those_of_its_rows(store: Store, client: Client) -> None:
    _fill(store, 2)
    await _expire(store, _FIRST)
    client.command(
        "ALTER TABLE sealed_sums UPDATE billed_cost = billed_cost + 1 "
        "WHERE level = 'account' AND account_id = 'beta' AND toYYYYMMDD(bucket) = 20251030 "
        "SETTINGS mutations_sync = 2"
    )
    _keep(client, _KEPT_DAYS)
    now = _FIRST + timedelta(days=9)
    with pytest.raises(WrongSums, match="What would be kept of 2025-10-30 is not what the rows say"):
        await _expire(store, now)
    with pytest.raises(WrongSums):
        await _expire(store, now)
    assert [day.number for day in await store.query(sums.read_days()) if day.is_expired] == [20251031]
    assert _count(client, "usage_rows WHERE toYYYYMMDD(started_at) = 20251030") == 3


@pytest.mark.anyio
async def test_what_rows_of_the_day_were_before_goes_with_them(store: Store, client: Client) -> None:
    _fill(store, 2)
    client.command("INSERT INTO usage_history SELECT * FROM usage_rows")
    _keep(client, _KEPT_DAYS)
    now = _FIRST + timedelta(days=3 + _KEPT_DAYS - 1)
    await _expire(store, now)
    assert await _expire(store, now) == [(20251030, True)]
    assert client.query("SELECT DISTINCT toYYYYMMDD(started_at) FROM usage_history").result_rows == [
        (20251031,)
    ]


class _Killed(BaseException):
    pass


class _Mortal(Store):
    """Dies before the statement that is `fatal`; what it would tidy up then, it does not either."""

    fatal: int = 0
    commands: int = 0

    async def command(self, statement: Statement[None]) -> None:
        self.commands += 1
        if self.fatal and self.commands >= self.fatal:
            raise _Killed
        await super().command(statement)

    def dies_at(self, fatal: int) -> Self:
        self.fatal, self.commands = fatal, 0
        return self


@pytest.mark.anyio
async def test_a_process_that_dies_between_any_two_statements_changes_no_answer(
    migrated_dsn: str, client: Client
) -> None:
    with _Mortal.open(Settings(dsn=migrated_dsn)) as store:
        _fill(store, 2)
        before = await _answers(store)
        _keep(client, 1)
        now = _FIRST + timedelta(days=9)
        deaths = 0
        while True:
            try:
                done = await _expire(store.dies_at(deaths + 1), now)
            except _Killed:
                deaths += 1
                assert await _answers(store) == before
                continue
            assert await _answers(store) == before
            if not done:
                break
        assert deaths > 10  # as many places to die at
        assert _count(client, "usage_rows") == 0
        assert await store.query(expiries.read_orphans(202510)) == []
        assert _count(client, "sealed_sums WHERE kept = 0") == 0


@pytest.mark.parametrize(
    ("decisions", "last_expired", "accepted", "expired"),
    [
        ([], None, None, None),
        ([90], None, date(2026, 1, 1), None),
        ([90, None], None, None, None),
        ([90, 365], date(2025, 12, 30), date(2025, 12, 31), date(2025, 12, 31)),
        ([90], date(2025, 12, 30), date(2026, 1, 1), date(2025, 12, 31)),
        ([None, 1], None, date(2026, 3, 31), None),
    ],
    ids=["no decision", "days", "for good again", "longer than before", "expired", "shorter"],
)
def test_the_doors_close_on_days_that_are_past_and_never_open_to_what_has_expired(
    decisions: Sequence[int | None], last_expired: date | None, accepted: date | None, expired: date | None
) -> None:
    now = datetime(2026, 4, 1, 0, 0, 1, tzinfo=UTC)
    told = [Decision(days, number) for number, days in enumerate(decisions)]
    assert horizon(told, last_expired, now) == Horizon(_ns(accepted) or EARLIEST_NS, _ns(expired))


@pytest.mark.parametrize(
    ("decisions", "first"),
    [
        ([], None),
        ([(90, 48)], date(2025, 12, 31)),
        ([(90, 23)], None),  # rows were kept for good an hour ago, a day ago
        ([(90, 48), (10, 23)], date(2025, 12, 31)),
        ([(90, 48), (10, 25)], date(2026, 3, 21)),
        ([(90, 48), (None, 23)], None),
        ([(None, 48), (10, 24.1)], date(2026, 3, 21)),
        ([(10, 48), (30, 1)], date(2026, 3, 1)),
    ],
)
def test_rows_go_a_day_after_the_doors_are_closed_to_them_whatever_was_decided_meanwhile(
    decisions: Sequence[tuple[int | None, float]], first: date | None
) -> None:
    now = datetime(2026, 4, 1, 12, tzinfo=UTC)
    told = [
        Decision(days, int((now - timedelta(hours=ago)).timestamp() * 1_000_000)) for days, ago in decisions
    ]
    assert expires_before(told, now) == first


def _ns(day: date | None) -> int | None:
    return None if day is None else (day - date(1970, 1, 1)).days * _DAY
