"""Repricing: what changes, what is kept, and that a run that is cut off ends as one that is not."""

import dataclasses
import random
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.differences import Difference
from otel_usage.ingest import Ingest
from otel_usage.model import Outcome, Permanent, Retryable
from otel_usage.pricing import PriceBook, Pricer
from otel_usage.pricing.rules import Kind, Rule, Rules
from otel_usage.repricing import Repriced, Repricing, RunConflict, UnknownRun
from otel_usage.store import Store
from otel_usage.store.repricing import Reprice
from tests.store.processes import ID, NOON_NS, Told
from tests.store.rows import NOON
from tests.store.rows import usage as rows_of

pytestmark = pytest.mark.anyio

HOUR: Final = 3_600 * 10**9
DAY: Final = 24 * HOUR
ALL: Final = Reprice(tenant="default", from_ns=NOON - DAY, to_ns=NOON + 3 * DAY)
DOUBLE: Final = Rule(
    rule_id="double", tenant="default", model="gpt-4o", kind=Kind.MULTIPLIER, multiplier=Decimal(2)
)
ALIAS: Final = Rule(rule_id="ours", tenant="default", model="our-chat", kind=Kind.ALIAS, to_model="gpt-4o")


def pricer(*rules: Rule) -> Pricer:
    return Pricer(PriceBook.bundled(), Rules.of(rules))


def calls(*rows: Mapping[str, Any]) -> pa.Table:
    """USAGE rows of calls that cost 0.0085."""
    return rows_of(*({"cache_read_tokens": 200, "price_book": "then", **row} for row in rows))


def unpriced(**changed: Any) -> dict[str, Any]:  # noqa: ANN401
    """A row of a model that has no price until ALIAS says which it is."""
    return {
        "request_model": "our-chat",
        "response_model": "our-chat",
        "model_id": "our-chat",
        "list_cost": None,
        "billed_cost": None,
        "unpriced_reason": "unknown_model",
    } | changed


def difference(  # noqa: PLR0913, PLR0917 (what it has)
    account: str, model: str, before: str, after: str, rows: int = 1, healed: int = 0
) -> Difference:
    return Difference(account, model, rows, healed, 0, Decimal(before), Decimal(after))


class Failing(Store):
    """Fails at one write, counted from `fail_at` on: as if killed between it and the write before."""

    left = 0

    def fail_at(self, write: int) -> None:
        self.left = write

    def _insert(self, table: str, rows: pa.Table, client: Client | None = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise Retryable("killed", retry_after=1)
        super()._insert(table, rows, client)


@dataclasses.dataclass
class Server:
    """Ingest on a store, and what looks behind it."""

    store: Failing
    client: Client
    ingest: Ingest
    database: str

    def repricing(self, *rules: Rule, page_rows: int = 20_000) -> Repricing:
        """Repricing with these rules in force."""
        self.ingest.pricer = pricer(*rules)
        return Repricing(self.ingest, self.store, page_rows)

    def select(
        self, columns: str, table: str = "usage_rows FINAL", order: str = "1"
    ) -> list[tuple[Any, ...]]:
        sql = f"SELECT {columns} FROM {self.database}.{table} ORDER BY {order}"  # noqa: S608 (ours)
        return [tuple(row) for row in self.client.query(sql).result_rows]

    def costs(self) -> list[tuple[str, Decimal | None, str, str]]:
        """Account, billed cost, reason and rule of each row."""
        return self.select(
            "account_id, billed_cost, unpriced_reason, price_rule", order="account_id, call_id"
        )


@pytest.fixture
async def server(migrated_dsn: str, database: str, chdb_client: Client) -> AsyncIterator[Server]:
    settings = Settings(dsn=migrated_dsn)
    with Failing.open(settings) as store:
        async with Ingest(settings, store, pricer()) as ingest:
            yield Server(store, chdb_client, ingest, database)


async def test_a_dry_run_tells_the_differences_and_writes_nothing(server: Server) -> None:
    server.store.insert(calls({}, {"account_id": "beta"}, unpriced()))
    before = server.select("*", order="account_id, call_id")
    found = await server.repricing(DOUBLE, ALIAS).try_out(ALL)
    assert found == Repriced(
        "",
        "done",
        3,
        3,
        [
            Difference("acme", "gpt-4o", 2, 1, 0, Decimal("0.0085"), Decimal("0.0340")),
            difference("beta", "gpt-4o", "0.0085", "0.0170"),
        ],
    )
    assert found.total.difference == Decimal("0.0425") - Decimal("0.0085") + Decimal("0.0085") - Decimal(
        "0.0085"
    )
    assert server.select("*", order="account_id, call_id") == before
    assert server.select("count()", "usage_history") == server.select("count()", "reprice_runs") == [(0,)]


async def test_applied_it_changes_costs_and_keeps_what_they_were(server: Server) -> None:
    server.store.insert(calls({}))
    (before,) = server.select("version, billed_cost, inserted_at")
    found = await server.repricing(DOUBLE).apply(ALL, "a new contract", "me", "run_1")
    assert found == Repriced(
        "run_1",
        "done",
        1,
        1,
        [difference("acme", "gpt-4o", "0.0085", "0.0170")],
        "me",
        "a new contract",
    )
    (after,) = server.select("version, billed_cost, list_cost, price_rule, price_run")
    assert after == (before[0] + 1, Decimal("0.017"), Decimal("0.0085"), "double@1", "run_1")
    assert server.select("version, billed_cost, inserted_at", "usage_history") == [before]
    assert {*server.select("author, reason", "reprice_runs")} == {("me", "a new contract")}


async def test_what_had_no_price_gets_one_when_an_alias_appears(server: Server) -> None:
    server.store.insert(calls(unpriced(), {"account_id": "beta"}))
    only = dataclasses.replace(ALL, unpriced_only=True)
    found = await server.repricing(ALIAS, DOUBLE).apply(only, "named")
    assert found.differences == [difference("acme", "gpt-4o", "0", "0.0170", healed=1)]
    assert server.costs() == [
        ("acme", Decimal("0.017"), "", "double@1"),
        ("beta", Decimal("0.0085"), "", ""),
    ]


async def test_applied_again_it_finds_nothing(server: Server) -> None:
    server.store.insert(calls({}, unpriced()))
    await server.repricing(DOUBLE, ALIAS).apply(ALL, "once")
    before = server.select("*", order="call_id")
    again = await server.repricing(DOUBLE, ALIAS).apply(ALL, "twice")
    assert (again.rows, again.changed, again.differences) == (2, 0, [])
    assert server.select("*", order="call_id") == before


async def test_a_run_that_is_done_is_told_again_and_not_done_again(server: Server) -> None:
    server.store.insert(calls({}))
    first = await server.repricing(DOUBLE).apply(ALL, "once", run_id="run_1")
    assert await server.repricing().apply(ALL, "once", run_id="run_1") == first
    assert server.costs() == [("acme", Decimal("0.017"), "", "double@1")]


async def test_the_id_of_another_request_is_refused(server: Server) -> None:
    await server.repricing().apply(ALL, "once", run_id="run_1")
    with pytest.raises(RunConflict):
        await server.repricing().apply(dataclasses.replace(ALL, account_id="x"), "once", run_id="run_1")
    with pytest.raises(UnknownRun):
        await server.repricing().state("other", "run_1")


@pytest.mark.parametrize("to_ns", [ALL.from_ns, ALL.from_ns + 367 * DAY])
async def test_a_range_that_is_none_or_too_long_is_refused(server: Server, to_ns: int) -> None:
    with pytest.raises(Permanent):
        await server.repricing().try_out(dataclasses.replace(ALL, to_ns=to_ns))


async def test_only_what_is_asked_for_is_priced_again(server: Server) -> None:
    rows: list[dict[str, Any]] = [
        {"account_id": "acme", "started_at": NOON},
        {"account_id": "beta", "started_at": NOON},
        {"account_id": "acme", "started_at": NOON + 1},
        {
            "account_id": "acme",
            "request_model": "x",
            "response_model": "gpt-4o-mini",
            "model_id": "gpt-4o-mini",
        },
        {"account_id": "acme", "role": "duplicate"},
        {"account_id": "acme", "tenant": "other"},
    ]
    server.store.insert(calls(*rows))
    asked = Reprice(tenant="default", from_ns=NOON, to_ns=NOON + 1, account_id="acme", model_id="gpt-4o")
    found = await server.repricing(DOUBLE).apply(asked, "some")
    assert (found.rows, found.changed) == (1, 1)
    runs = server.select("price_run != ''", order="call_id")
    assert runs == [(number == 0,) for number in range(len(rows))]


def many(count: int, seed: int = 1) -> pa.Table:
    """Calls of some accounts and days, priced or not; at equal moments, at the ends of hours and of days."""
    rng = random.Random(seed)
    return calls(
        *(
            (unpriced() if rng.random() < 0.3 else {})
            | {
                "account_id": rng.choice(["", "a", "b", "ç"]),
                "context": "system",
                "started_at": NOON + rng.choice([-13, -12, 0, 1, 30]) * HOUR + rng.choice([0, 1, HOUR - 1]),
                "call": rng.randrange(2**128),
            }
            for _ in range(count)
        )
    )


RESULT: Final = "account_id, call_id, version, billed_cost, list_cost, unpriced_reason, price_run, model_id"


@pytest.mark.parametrize("page_rows", [1, 3, 40])
async def test_pages_of_any_size_give_the_same(server: Server, page_rows: int) -> None:
    server.store.insert(many(40))
    whole = await server.repricing(DOUBLE, ALIAS).try_out(ALL)
    assert await server.repricing(DOUBLE, ALIAS, page_rows=page_rows).try_out(ALL) == whole
    applied = await server.repricing(DOUBLE, ALIAS, page_rows=page_rows).apply(ALL, "all", run_id="r")
    assert (applied.rows, applied.changed, applied.differences) == (40, 40, whole.differences)
    assert sum(each.billed_after for each in whole.differences) == sum(
        cost for _, cost, _, _ in server.costs() if cost is not None
    )
    assert {run for (run,) in server.select("price_run")} == {"r"}


async def test_killed_anywhere_and_asked_for_again_a_run_ends_the_same(server: Server) -> None:
    rows = calls(*(unpriced(started_at=NOON + day * DAY) for day in (0, 0, 0, 1)), {})
    asked = Reprice(
        tenant="default", from_ns=NOON, to_ns=NOON + 2 * DAY, model_id="our-chat", unpriced_only=True
    )
    writes, killed = 0, True
    while killed:
        writes += 1
        for table in ("usage_rows", "usage_history", "reprice_runs"):
            server.client.command(f"TRUNCATE TABLE {server.database}.{table}")
        server.store.insert(rows)
        server.store.fail_at(writes)
        repricing = server.repricing(DOUBLE, ALIAS, page_rows=2)
        killed = await _killed(repricing, asked)
        done = await server.repricing(DOUBLE, ALIAS, page_rows=3).apply(asked, "healing", run_id="r")
        healed = Difference("acme", "gpt-4o", 4, 4, 0, Decimal(0), Decimal("0.068"))
        assert done == Repriced("r", "done", 4, 4, [healed], reason="healing")
        assert await repricing.state("default", "r") == done
        versions = server.select("started_at, version, billed_cost, price_run", order="call_id")
        assert [row[1:] for row in versions] == [(2, Decimal("0.017"), "r")] * 4 + [
            (1, Decimal("0.0085"), "")
        ]
        assert len(server.select("DISTINCT call_id, version", "usage_history")) == 4
    assert writes > 9


async def _killed(repricing: Repricing, asked: Reprice) -> bool:
    try:
        await repricing.apply(asked, "healing", run_id="r")
    except Retryable as error:
        return "run r goes on" in str(error)
    return False


async def send(server: Server, *spans: Told) -> list[Outcome]:
    return [await server.ingest.export(span.body(), tenant="default") for span in spans]


SPANS: Final = dataclasses.replace(ALL, from_ns=NOON_NS - DAY, to_ns=NOON_NS + DAY)


async def test_a_span_sent_again_does_not_undo_it(server: Server, dsn: str) -> None:
    await send(server, Told(1, response_id=ID, account="alpha"))
    await server.repricing(DOUBLE).apply(SPANS, "more")
    doubled = server.select("billed_cost, price_run")
    server.ingest.pricer = pricer()
    await send(server, Told(1, response_id=ID, account="alpha"))
    assert server.select("billed_cost, price_run") == doubled
    async with Ingest(Settings(dsn=dsn), server.store, pricer()) as another:
        await another.export(Told(1, response_id=ID, account="alpha").body(), tenant="default")
    assert server.select("billed_cost, price_run") == doubled


async def test_what_is_learned_after_it_counts_and_is_charged_once(server: Server) -> None:
    await send(server, Told(1, parent=9))
    for times in range(2, 5):
        rule = dataclasses.replace(DOUBLE, multiplier=Decimal(times))
        await server.repricing(rule).apply(SPANS, "more")
    await send(server, Told(9, operation="", account="alpha"))
    assert server.select("account_id, input_tokens, price_rule, price_run") == [
        ("alpha", 100, "double@1", "")
    ]


async def test_after_a_restart_too(server: Server, dsn: str) -> None:
    await send(server, Told(1, parent=9))
    for times in range(2, 5):
        rule = dataclasses.replace(DOUBLE, multiplier=Decimal(times))
        await server.repricing(rule).apply(SPANS, "more")
    async with Ingest(Settings(dsn=dsn), server.store, pricer()) as another:
        await another.export(Told(1, parent=9).body(), tenant="default")
        await another.export(Told(9, operation="", account="alpha").body(), tenant="default")
    assert server.select("account_id, input_tokens, price_rule, price_run") == [("alpha", 100, "", "")]


async def test_it_remembers_nothing_that_was_not_remembered(server: Server) -> None:
    server.store.insert(many(40))
    await server.repricing(DOUBLE, ALIAS).apply(ALL, "all")
    halves = await server.ingest.in_writer(lambda writer: writer._recent._halves)  # noqa: SLF001
    assert [len(half) for half in halves] == []
