"""An erased account: nothing names it any more, no total changes, and what comes late adds nothing."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_usage.config import Settings
from otel_usage.erased import Erased, Erasure, pseudonym
from otel_usage.erasure import Order, erase, find
from otel_usage.erasure_feed import ErasureFeed
from otel_usage.expiry import expire
from otel_usage.ingest import Ingest
from otel_usage.pricing import Pricer
from otel_usage.sealing import seal
from otel_usage.store import Store, erasures, expiries
from otel_usage.store.client import connect, parse
from otel_usage.store.groups import Grouping, group_usage
from otel_usage.store.queries import Statement, UsageFilter
from otel_usage.store.summary import summarize
from tests.receiver.wires import llm_request
from tests.store.rows import usage

pytestmark = pytest.mark.anyio

_ACCOUNT: Final = "jane@example.com"
_ORDER: Final = Order("default", _ACCOUNT, "eva", "she asked")
_DAY: Final = 86_400 * 10**9
_FIRST: Final = datetime(2025, 10, 30, tzinfo=UTC)
_BEGIN: Final = int(_FIRST.timestamp()) * 10**9
_ALL: Final = UsageFilter("default")


@pytest.fixture
def client(migrated_dsn: str) -> Iterator[Client]:
    target = parse(migrated_dsn)
    with contextlib.closing(connect(target, timeout=10)) as client:
        client.database = target.database
        yield client


def _fill(store: Store, days: int = 3) -> None:
    """Calls of the account and of another one, the first of them corrected; and one of another tenant."""
    rows = [
        {"call": 2 * day + call, "started_at": _BEGIN + day * _DAY, "account_id": (_ACCOUNT, "beta")[call]}
        for day in range(days)
        for call in range(2)
    ]
    more = {"response_id": "resp", "trace_id": b"t" * 16}
    store.insert(usage(*({**row, **more, "transaction_id": f"of {row['account_id']}"} for row in rows)))
    store.insert(usage({**rows[0], "version": 2, "input_tokens": 9}))
    store.insert(usage({**rows[0], "tenant": "other"}))


def _insert(client: Client, table: str, **values: str) -> None:
    told = ", ".join(f"'{value}'" for value in values.values())
    client.command(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({told})")  # noqa: S608


async def _answers(store: Store) -> Sequence[object]:
    """All that is asked of sums, but for who pays."""
    asked: list[Statement[Any]] = [
        summarize(_ALL),
        summarize(UsageFilter("other", account_id=_ACCOUNT)),
        summarize(UsageFilter("default", account_id="beta")),
        group_usage(_ALL, Grouping(("model",), "hour", "Asia/Kathmandu")),
    ]
    return [await store.query(each) for each in asked]


def _naming(client: Client, database: str, word: str, more: str = "") -> list[str]:
    """The columns of the database that have the word in them, in rows of the tenant `default`."""
    columns = client.query(
        "SELECT table, name FROM system.columns WHERE database = {database:String} AND type ILIKE '%String%' "
        "AND table IN "
        "(SELECT name FROM system.tables WHERE database = {database:String} AND engine != 'View')",
        parameters={"database": database},
    ).result_rows
    tables = {table for table, name in columns if name == "tenant"}
    found = []
    for table, name in columns:
        mine = "tenant = 'default' AND " if table in tables else ""
        mine += more if table in ("usage_rows", "usage_history") else ""
        sql = f"SELECT count() FROM {table} WHERE {mine}position(toString({name}), '{word}') > 0"  # noqa: S608
        ((count,),) = client.query(sql).result_rows
        if count:
            found.append(f"{table}.{name}")
    return found


async def test_nothing_names_the_account_any_more_and_no_total_changes(
    any_store: Store, any_client: Client
) -> None:
    _fill(any_store)
    any_client.command("INSERT INTO usage_history SELECT * FROM usage_rows WHERE version = 1")
    any_client.command(
        "INSERT INTO claims (tenant, trace_id, account_id, context) "
        f"SELECT 'default', 't', '{_ACCOUNT}', 'customer'"
    )
    async for _ in seal(any_store, 0):
        pass
    before = await _answers(any_store)
    named = _naming(any_client, str(any_client.database), _ACCOUNT)
    assert {*named} >= {"usage_rows.account_id", "usage_rows.transaction_id", "usage_history.account_id"}
    assert {*named} >= {"claims.account_id", "sealed_sums.account_id"}
    found = await find(any_store, _ORDER)
    assert (found.rows, [day.day for day in found.days]) == (3, [20251030, 20251031, 20251101])
    done = await erase(any_store, _ORDER, pause=0)
    assert await _answers(any_store) == before
    assert _naming(any_client, str(any_client.database), _ACCOUNT) == []
    assert _naming(any_client, str(any_client.database), "resp", more="account_id != 'beta' AND ") == []
    assert not (await find(any_store, _ORDER)).days
    (mine, *_) = await any_store.query(summarize(UsageFilter("default", account_id=done.pseudonym)))
    assert mine.calls == 3
    told = any_client.query("SELECT event, pseudonym, erased, author, reason FROM erasures ORDER BY at")
    assert told.result_rows == [
        ("begun", done.pseudonym, 0, "eva", "she asked"),
        ("done", done.pseudonym, 3, "eva", "she asked"),
    ]
    async for _ in seal(any_store, 0):
        pass
    assert await _answers(any_store) == before
    assert _naming(any_client, str(any_client.database), _ACCOUNT) == []


def _remember(client: Client) -> None:
    """Two earlier versions of each row, in the history."""
    for version, date, tokens in ((0, "2025-11-01", 7), (1, "2025-11-03", 11)):
        client.command(
            "INSERT INTO usage_history "  # noqa: S608
            f"SELECT * REPLACE(toDateTime64('{date}', 3, 'UTC') AS inserted_at, {version} AS version, "
            f"{tokens} AS input_tokens) FROM usage_rows FINAL WHERE tenant = 'default'"
        )


def _as_of(*times: int) -> Sequence[Statement[Any]]:
    """The sums as of the times at which each of these versions was the one, and some more."""
    past = [int(datetime(2025, 11, day, tzinfo=UTC).timestamp()) * 10**9 for day in (1, 2, 3, 4)]
    return [summarize(UsageFilter("default", as_of_ns=each)) for each in (*past, *times)]


async def test_what_was_told_as_of_a_time_is_told_again(store: Store, client: Client) -> None:
    _fill(store, 1)
    _remember(client)
    asked = _as_of(time.time_ns())
    before = [await store.query(each) for each in asked]
    assert [each[0].calls for each in before] == [2, 2, 2, 2, 2]
    assert [each[0].input_tokens for each in before] == [14, 14, 22, 22, 9 + 1_500]
    await erase(store, _ORDER, pause=0)
    assert [await store.query(each) for each in asked] == before


async def test_the_sums_of_days_that_have_expired_name_it_no_more(store: Store, client: Client) -> None:
    _fill(store)
    client.command("INSERT INTO retention SELECT 1, 'test', toDateTime64(0, 6)")
    for _ in range(2):
        async for _ in seal(store, 0):
            pass
        async for _ in expire(store, _FIRST + timedelta(days=4), linger=0):
            pass
    before = await _answers(store)
    assert (await find(store, _ORDER)).expired == 2
    done = await erase(store, _ORDER, pause=0)
    assert _naming(client, str(client.database), _ACCOUNT) == []
    assert await _answers(store) == before
    (mine, *_) = await store.query(summarize(UsageFilter("default", account_id=done.pseudonym)))
    assert mine.calls == 3
    assert await store.query(expiries.read_orphans(202510)) == []


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


async def test_a_process_that_dies_between_any_two_statements_changes_no_total(
    migrated_dsn: str, client: Client
) -> None:
    with _Mortal.open(Settings(dsn=migrated_dsn)) as store:
        _fill(store, 2)
        async for _ in seal(store, 0):
            pass
        _remember(client)
        asked = _as_of(time.time_ns())
        before, then = await _answers(store), [await store.query(each) for each in asked]
        for fatal in range(1, 100):
            store.fatal, store.commands = fatal, 0
            try:
                await erase(store, _ORDER, pause=0)
                break
            except _Killed:
                store.fatal = 0
                assert await _answers(store) == before
                assert [await store.query(each) for each in asked] == then
        assert fatal > 10  # as many places to die at
        assert _naming(client, str(client.database), _ACCOUNT) == []
        assert await _answers(store) == before


@pytest.fixture
async def ingest(store: Store) -> AsyncIterator[Ingest]:
    async with Ingest(Settings(), store, Pricer.bundled()) as ingest:
        yield ingest


async def test_what_is_told_again_after_the_erasure_adds_nothing_and_names_nobody(
    ingest: Ingest, store: Store, client: Client
) -> None:
    request = llm_request(3, account=_ACCOUNT)
    await ingest.export(request, tenant="default")
    before = await store.query(summarize(_ALL))
    await erase(store, _ORDER, pause=0)
    ingest.erased = await ErasureFeed(store).load()
    for _ in range(2):
        await ingest.export(request, tenant="default")
    async with Ingest(Settings(), store, Pricer.bundled()) as other:  # it remembers nothing
        other.erased = await ErasureFeed(store).load()
        outcome = await other.export(request, tenant="default")
    assert outcome.received == 3
    assert await store.query(summarize(_ALL)) == before
    assert _naming(client, str(client.database), _ACCOUNT) == []


async def test_what_comes_late_is_the_pseudonyms_and_a_new_call_the_accounts(
    ingest: Ingest, store: Store
) -> None:
    done = await erase(store, _ORDER, pause=0)
    ingest.erased = await ErasureFeed(store).load()
    request = ExportTraceServiceRequest.FromString(llm_request(3, account=_ACCOUNT))
    for number, span in enumerate(request.resource_spans[0].scope_spans[0].spans):
        span.start_time_unix_nano = done.before_ns + number - 1
        span.end_time_unix_nano = span.start_time_unix_nano + 10**6
    await ingest.export(request.SerializeToString(), tenant="default")
    for account, calls in ((done.pseudonym, 1), (_ACCOUNT, 2)):
        assert (await store.query(summarize(UsageFilter("default", account_id=account))))[0].calls == calls
    await ingest.export(request.SerializeToString(), tenant="other")
    assert (await store.query(summarize(UsageFilter("other", account_id=_ACCOUNT))))[0].calls == 3


async def test_price_rules_hold_for_the_pseudonym_and_runs_do_not_name_the_account(
    store: Store, client: Client
) -> None:
    for rule, tenant, account in (("r", "default", _ACCOUNT), ("s", "default", ""), ("t", "other", _ACCOUNT)):
        _insert(client, "price_rules", rule_id=rule, revision="1", tenant=tenant, account_id=account)
    told = {"request": f'{{"account_id": "{_ACCOUNT}"}}', "differences": f'[["{_ACCOUNT}", 1]]'}
    _insert(client, "reprice_runs", run_id="run", tenant="default", **told)
    done = await erase(store, _ORDER, pause=0)
    rules = client.query("SELECT rule_id, account_id FROM price_rules ORDER BY rule_id").result_rows
    assert rules == [("r", done.pseudonym), ("s", ""), ("t", _ACCOUNT)]
    runs = client.query("SELECT request, differences FROM reprice_runs").result_rows
    assert runs == [(f'{{"account_id": "{done.pseudonym}"}}', f'[["{done.pseudonym}", 1]]')]


async def test_an_account_has_one_pseudonym_and_another_tenants_has_another(store: Store) -> None:
    first = await erase(store, _ORDER, pause=0)
    again = await erase(store, _ORDER, pause=0)
    other = await erase(store, Order("other", _ACCOUNT), pause=0)
    assert first.pseudonym == again.pseudonym != other.pseudonym
    assert first.salt == again.salt != other.salt
    assert again.before_ns >= first.before_ns
    assert [each.before_ns for each in await store.query(erasures.read_erasures())] == [
        again.before_ns,
        other.before_ns,
    ]


async def test_a_salt_that_was_taken_away_is_not_used_again(store: Store, client: Client) -> None:
    first = await erase(store, _ORDER, pause=0)
    client.command(
        "ALTER TABLE erasures UPDATE salt = '' WHERE tenant = 'default' SETTINGS mutations_sync = 2"
    )
    again = await erase(store, _ORDER, pause=0)
    assert again.salt not in ("", first.salt)
    assert (await erase(store, _ORDER, pause=0)).salt == again.salt


def test_rows_of_others_are_left_as_they_are() -> None:
    erased = Erased.of([Erasure("default", pseudonym("salt", "default", _ACCOUNT), "salt", 10**18)])
    rows = usage({"account_id": "beta"}, {"account_id": "", "tenant": "x"})
    assert erased.rows(rows) is rows
    assert len(erased) == 1
