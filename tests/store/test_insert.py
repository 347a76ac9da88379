"""Inserts: every value survives, a retry lands on itself, and what is not taken stays the sender's."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from structlog.testing import capture_logs

from otel_usage.config import Settings
from otel_usage.model import MAX_TOKENS, TOKEN_COLUMNS, USAGE, Retryable
from otel_usage.store import Store
from otel_usage.store.client import Embedded, Server
from otel_usage.store.inserts import insert_settings
from otel_usage.store.queries import UsageFilter, list_usage
from otel_usage.store.schema import INSERTED_AT
from tests import chdb_server
from tests.chdb_server import ChdbServer
from tests.store.rows import NOON, usage

_EVERYTHING = UsageFilter("default")
_DAY_NS = 86_400 * 10**9


def _look(client: Client, sql: str) -> pa.Table:
    return client.query_arrow(sql, settings={"output_format_arrow_string_as_string": 1})


def _plain(table: pa.Table) -> list[dict[str, object]]:
    """Rows, with names as text and times as nanoseconds."""
    started_at = table.schema.get_field_index("started_at")
    whole = table.set_column(started_at, "started_at", table["started_at"].cast(pa.int64()))
    return whole.to_pylist()


async def _versions(store: Store) -> Sequence[int]:
    """The output tokens of each call, by which the tests tell its versions."""
    return sorted(row.output_tokens or 0 for row in await store.query(list_usage(_EVERYTHING, 100)))


def test_every_column_survives_to_the_last_digit(any_store: Store, any_client: Client) -> None:
    dear = MAX_TOKENS * Decimal("0.000600000000000001")
    rows = usage(
        {"started_at": NOON + 123_456_789, "billed_cost": Decimal("0.000000000000000001"), "list_cost": dear},
        {
            "duplicate_of": b"\xff" * 16,
            "trace_id": bytes(range(16)),
            "span_id": bytes(range(8)),
            "role": "duplicate",
        },
        {"account_id": "Zoë \N{SNOWMAN} \0 ' \\ \n", "transaction_id": "\t", "model_id": "x" * 10_000},
        {"billed_cost": None, "list_cost": None, "unpriced_reason": "unknown_model", "price_tier": 2**32 - 1},
        dict.fromkeys(TOKEN_COLUMNS, MAX_TOKENS) | {"version": 2**64 - 1, "duration_ns": 2**64 - 1},
        dict.fromkeys(TOKEN_COLUMNS, None),
        dict.fromkeys(TOKEN_COLUMNS, 0),
    )
    any_store.insert(rows)
    stored = _look(any_client, "SELECT * FROM usage_rows ORDER BY call_id").drop_columns([INSERTED_AT])
    assert stored.column_names == USAGE.names
    assert _plain(stored) == _plain(rows)


def test_a_table_of_many_chunks_with_a_dictionary_each_is_one_insert(
    any_store: Store, any_client: Client
) -> None:
    chunks = [usage({"call": index, "account_id": f"acc_{index}"}) for index in range(20)]
    any_store.insert(pa.concat_tables(chunks))
    stored = _look(any_client, "SELECT account_id FROM usage_rows ORDER BY call_id")["account_id"]
    assert stored.to_pylist() == [f"acc_{index}" for index in range(20)]


@pytest.mark.anyio
async def test_a_retry_lands_on_itself(any_store: Store) -> None:
    rows = usage(*({"call": index, "output_tokens": index} for index in range(10)))
    for _ in range(3):
        any_store.insert(rows)
    any_store.insert(rows.slice(2, 5))
    assert await _versions(any_store) == list(range(10))


@pytest.mark.anyio
@pytest.mark.parametrize("together", [True, False])
async def test_the_highest_version_of_a_call_wins_in_any_order(store: Store, *, together: bool) -> None:
    order = [3, 1, 4, 2]
    versions = [usage({"call": 7, "version": version, "output_tokens": version}) for version in order]
    for table in [pa.concat_tables(versions)] if together else versions:
        store.insert(table)
    assert await _versions(store) == [4]


@pytest.mark.anyio
async def test_a_call_that_moved_to_another_account_is_counted_once(store: Store) -> None:
    store.insert(usage({"call": 1, "version": 1}))
    store.insert(
        usage({"call": 1, "version": 2, "is_deleted": 1}, {"call": 1, "version": 2, "account_id": "other"})
    )
    store.insert(usage({"call": 1, "version": 1}))  # late, again
    (row,) = await store.query(list_usage(_EVERYTHING, 100))
    assert row.account_id == "other"


@pytest.mark.anyio
async def test_merged_parts_answer_as_fresh_ones(any_store: Store, any_client: Client) -> None:
    for version in random.sample(range(1, 9), 8):
        calls = ({"call": call, "version": version, "output_tokens": version} for call in range(5))
        any_store.insert(usage(*calls))
    before = await _versions(any_store)
    any_client.command("OPTIMIZE TABLE usage_rows FINAL")
    assert before == await _versions(any_store) == [8] * 5


@pytest.mark.anyio
async def test_a_late_commit_over_many_days_is_not_refused(any_store: Store) -> None:
    days = 101  # the default of max_partitions_per_insert_block is 100
    any_store.insert(usage(*({"started_at": NOON - day * _DAY_NS} for day in range(days))))
    rows = await any_store.query(list_usage(_EVERYTHING, 1000))
    noon = datetime(2025, 11, 23, 12, tzinfo=UTC)
    assert [row.started_at_ns for row in rows] == [
        int((noon - timedelta(days=day)).timestamp()) * 10**9 for day in range(days)
    ]


def test_nothing_to_insert_is_no_insert(server: ChdbServer, migrated: str) -> None:
    with Store.open(Settings(dsn=server.dsn(migrated))) as store:
        server.requests.clear()
        store.insert(USAGE.empty_table())
    assert server.requests == []


def test_a_table_of_another_schema_is_a_fault_of_ours(store: Store) -> None:
    with pytest.raises(TypeError, match="USAGE"):
        store.insert(usage({}).drop_columns("call_id"))


def test_an_insert_is_told_to_be_durable(server: ChdbServer, migrated: str) -> None:
    with Store.open(Settings(dsn=server.dsn(migrated), insert_timeout=5)) as store:
        server.requests.clear()
        store.insert(usage({}))
    (insert,) = server.requests
    assert insert["database"] == migrated
    told = {name: str(value) for name, value in insert_settings(Server("", 0), 5.0).items()}
    assert told == {
        "async_insert": "0",
        "wait_for_async_insert": "1",
        "distributed_foreground_insert": "1",
        "insert_quorum": "auto",
        "insert_quorum_timeout": "5000",
        "max_execution_time": "5.0",
        "max_partitions_per_insert_block": "0",
        "optimize_on_insert": "0",
    }
    assert insert.items() >= told.items()  # and the engine took them: it knows them all


def test_an_engine_in_this_process_is_told_nothing_of_other_machines() -> None:
    assert insert_settings(Embedded(Path("/data")), 8) == {
        "async_insert": 0,
        "max_execution_time": 8,
        "max_partitions_per_insert_block": 0,
        "optimize_on_insert": 0,
    }


@pytest.mark.usefixtures("any_store")
def test_the_table_is_told_to_survive_a_power_cut(any_client: Client) -> None:
    made = str(any_client.command("SHOW CREATE TABLE usage_rows"))
    assert "fsync_after_insert = 1" in made
    assert "fsync_part_directory = 1" in made


@pytest.mark.parametrize(
    "failure",
    [
        "Code: 252. DB::Exception: Too many parts (3001). (TOO_MANY_PARTS)",
        "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)",
        "Code: 243. DB::Exception: Cannot reserve 1.00 MiB. (NOT_ENOUGH_SPACE)",
        "Code: 53. DB::Exception: Type mismatch. (TYPE_MISMATCH)",  # our fault: the sender keeps the rows
        "<html>502 Bad Gateway</html>",
    ],
)
def test_what_clickhouse_does_not_take_is_refused_and_logged_once(
    server: ChdbServer, migrated: str, failure: str
) -> None:
    with Store.open(Settings(dsn=server.dsn(migrated), retry_after=7)) as store, capture_logs() as logs:
        server.failure = failure
        for _ in range(3):
            with pytest.raises(Retryable, match="does not take rows now") as caught:
                store.insert(usage({}))
            assert caught.value.retry_after == 7
        server.failure = ""
        store.insert(usage({}))
        store.insert(usage({}))
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("inserts fail", "error"),
        ("inserts work again", "info"),
    ]
    assert failure.partition(" DB::")[0] in logs[0]["reason"]


def test_an_insert_that_takes_too_long_is_refused(server: ChdbServer, migrated: str) -> None:
    with Store.open(Settings(dsn=server.dsn(migrated), insert_timeout=1)) as store:
        server.delay = 1.5
        with pytest.raises(Retryable):
            store.insert(usage({}))


def test_an_insert_into_a_server_that_went_away_is_refused(chdb_path: Path, migrated: str) -> None:
    with chdb_server.running(chdb_path) as server:
        store = Store.open(Settings(dsn=server.dsn(migrated)))
    with store, pytest.raises(Retryable):
        store.insert(usage({}))


def test_names_may_come_with_any_dictionary(any_store: Store, any_client: Client) -> None:
    rows = usage({"call": 1}, {"call": 2}, {"call": 3})
    names = pa.DictionaryArray.from_arrays(pa.array([3, 1, 3], pa.int32()), pa.array(["", "a", "c", "b"]))
    index = USAGE.get_field_index("account_id")
    any_store.insert(rows.set_column(index, USAGE.field(index), names))
    stored = _look(any_client, "SELECT account_id FROM usage_rows ORDER BY call_id")["account_id"]
    assert stored.to_pylist() == ["b", "a", "b"]
