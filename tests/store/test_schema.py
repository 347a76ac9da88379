"""The schema: what is shown is what is applied, and the table is what the code believes it to be."""

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.model import USAGE, Permanent
from otel_usage.store import Store, schema, shape
from otel_usage.store.client import Target, connect, parse
from tests.chdb_server import ChdbServer

_DAYS = "CREATE OR REPLACE TABLE expired_days AS expired_days ENGINE = ReplacingMergeTree(expired_at)"
_SCHEMA_SQL = Path(__file__).parents[2] / "clickhouse" / "schema.sql"


@pytest.fixture
def target(any_dsn: str) -> Target:
    return parse(any_dsn)


def test_the_file_for_people_is_what_the_command_shows() -> None:
    assert _SCHEMA_SQL.read_text() == schema.show(), "Run: otel-usage schema show > clickhouse/schema.sql"


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    numbers = [migration.number for migration in schema.migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_table_has_the_columns_of_the_arrow_schema(any_client: Client, target: Target) -> None:
    schema.apply(any_client, target)
    *columns, last = shape.found(any_client, target.database)[schema.TABLE].columns.items()
    assert columns == [(field.name, _column_type(field)) for field in USAGE]
    assert last == (schema.INSERTED_AT, "DateTime64(3, 'UTC')")


def test_what_is_applied_is_not_applied_again(any_client: Client, target: Target) -> None:
    applied = [str(migration) for migration in schema.apply(any_client, target)]
    assert applied == [str(migration) for migration in schema.migrations()]
    assert applied[:4] == ["0001_usage", "0002_prices", "0003_sums", "0004_views"]
    assert schema.apply(any_client, target) == []
    assert schema.check(any_client, target) == []
    assert schema.version(any_client) == len(schema.migrations())


def test_the_schema_applied_by_hand_is_the_same(any_client: Client, target: Target) -> None:
    any_client.command(f"CREATE DATABASE {target.database} ENGINE = Atomic")
    any_client.database = target.database
    for statement in schema.statements(schema.show()):
        any_client.command(statement)
    assert schema.check(any_client, target) == []
    assert schema.apply(any_client, target) == []


def test_a_migration_that_ran_before_its_process_died_runs_again(any_client: Client, target: Target) -> None:
    schema.apply(any_client, target)
    any_client.command("TRUNCATE TABLE schema_migrations")
    assert len(schema.apply(any_client, target)) == len(schema.migrations())
    assert schema.check(any_client, target) == []


def test_a_database_that_is_not_there_is_told_and_not_made_by_a_check(
    any_client: Client, target: Target
) -> None:
    for _ in range(2):
        (told,) = schema.check(any_client, target)
        assert told == f"Database {target.database} does not exist: run otel-usage schema apply."


def test_an_empty_database_is_told_as_pending(any_client: Client, target: Target) -> None:
    any_client.command(f"CREATE DATABASE {target.database} ENGINE = Atomic")
    assert schema.check(any_client, target) == [
        f"Migration {migration} is not applied: run otel-usage schema apply."
        for migration in schema.migrations()
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE usage_rows DROP COLUMN price_tier", "Column usage_rows.price_tier is missing."),
        ("ALTER TABLE usage_rows ADD COLUMN note String", "Column usage_rows.note is not ours."),
        (
            "ALTER TABLE usage_rows MODIFY COLUMN list_cost Nullable(Decimal(38, 9))",
            "Column usage_rows.list_cost is Nullable(Decimal(38, 9)), and must be Nullable(Decimal(38, 18)).",
        ),
        (
            "INSERT INTO schema_migrations VALUES (1, 'usage', 'x', now() + 9)",
            "Migration 0001_usage is not the one that was applied: its file was edited after that.",
        ),
        (
            "INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, 'tomorrow', 'x')",
            "Migration 9999 is applied, which this version does not know: it is too old.",
        ),
        ("DROP TABLE token_points", "Table token_points is missing."),
        ("DROP VIEW summed_days", "View summed_days is missing."),
        (
            "CREATE OR REPLACE TABLE price_books AS price_books ENGINE = MergeTree ORDER BY book_id",
            "Table price_books has the engine MergeTree, and must have ReplacingMergeTree(inserted_at).",
        ),
        (
            f"{_DAYS} ORDER BY (day, kept)",
            "Table expired_days is ordered by (day, kept), and must be by (day).",
        ),
        (
            f"{_DAYS} PARTITION BY kept ORDER BY day",
            "Table expired_days is partitioned by (kept), and must be by ().",
        ),
    ],
)
def test_a_schema_that_drifted_is_told_and_takes_no_money(dsn: str, change: str, told: str) -> None:
    target = parse(dsn)
    with contextlib.closing(connect(target, timeout=10)) as client:
        schema.apply(client, target)
        client.command(change)
        assert schema.check(client, target) == [told]
        with pytest.raises(Permanent, match="has another schema"):
            schema.apply(client, target)
    with pytest.raises(Permanent, match="has another schema") as caught:
        Store.open(Settings(dsn=dsn))
    assert told in str(caught.value)


def test_a_view_that_asks_something_else_is_told(any_client: Client, target: Target) -> None:
    schema.apply(any_client, target)
    assert schema.check(any_client, target, views=True) == []
    asks = any_client.command(
        "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = 'summed_days'"
    )
    any_client.command(f"CREATE OR REPLACE VIEW summed_days AS {asks} WHERE day > 20200101")
    assert schema.check(any_client, target, views=True) == [
        "View summed_days asks something else than the migrations made it ask."
    ]


def test_what_a_user_adds_beside_our_tables_is_theirs(any_client: Client, target: Target) -> None:
    schema.apply(any_client, target)
    any_client.command("CREATE TABLE notes (text String) ENGINE = Memory")
    any_client.command("CREATE VIEW mine AS SELECT count() FROM usage_rows")
    any_client.command("ALTER TABLE usage_history MODIFY TTL toDateTime(started_at) + INTERVAL 9 YEAR")
    any_client.command("ALTER TABLE usage_history ADD INDEX by_call call_id TYPE bloom_filter")
    assert schema.check(any_client, target, views=True) == []


def test_a_preview_is_what_an_apply_then_runs(any_client: Client, target: Target) -> None:
    shown = schema.preview(any_client, target)
    assert shown in schema.show()
    assert schema.check(any_client, target)[0].startswith(f"Database {target.database} does not exist")
    schema.apply(any_client, target)
    assert schema.preview(any_client, target) == ""
    any_client.command("ALTER TABLE schema_migrations DELETE WHERE number > 1 SETTINGS mutations_sync = 1")
    assert schema.preview(any_client, target).count("INSERT INTO") == len(schema.migrations()) - 1


def test_a_database_with_some_migrations_is_only_asked_for_what_those_made(
    any_client: Client, target: Target
) -> None:
    schema.apply(any_client, target)
    any_client.command("ALTER TABLE schema_migrations DELETE WHERE number > 1 SETTINGS mutations_sync = 1")
    any_client.command("DROP TABLE price_rules")
    assert [told for told in schema.check(any_client, target) if "is not applied" not in told] == []
    schema.apply(any_client, target)
    assert schema.check(any_client, target) == []


def test_two_that_apply_at_once_apply_each_migration_once(server: ChdbServer, database: str) -> None:
    target = parse(server.dsn(database))

    def apply(_: int) -> Sequence[schema.Migration]:
        with contextlib.closing(connect(target, timeout=30)) as client:
            return schema.apply(client, target)

    with ThreadPoolExecutor(4) as pool:
        applied = [migration.number for done in pool.map(apply, range(4)) for migration in done]
    assert sorted(applied) == [migration.number for migration in schema.migrations()]
    with contextlib.closing(connect(target, timeout=30)) as client:
        assert schema.check(client, target) == []


def test_a_statement_ends_at_a_semicolon_at_the_end_of_a_line_of_code() -> None:
    sql = "-- first;\nSELECT ';'\n  -- not here;\n, 2;\nSELECT 3 ;  \n\nSELECT 4"
    assert list(schema.statements(sql)) == ["SELECT ';'\n, 2", "SELECT 3", "SELECT 4"]


def test_a_store_that_is_up_to_date_is_opened_without_writing(server: ChdbServer, database: str) -> None:
    with Store.open(Settings(dsn=server.dsn(database))):
        pass
    server.read_only = True
    with Store.open(Settings(dsn=server.dsn(database))):
        pass


def _column_type(field: pa.Field) -> str:
    plain = _plain_type(field.type)
    return f"Nullable({plain})" if field.nullable else plain


def _plain_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return f"LowCardinality({_plain_type(kind.value_type)})"
    if pa.types.is_string(kind):
        return "String"
    if pa.types.is_fixed_size_binary(kind):
        return f"FixedString({kind.byte_width})"
    if pa.types.is_unsigned_integer(kind):
        return f"UInt{kind.bit_width}"
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return f"DateTime64(9, '{kind.tz}')"
    assert pa.types.is_decimal(kind)
    return f"Decimal({kind.precision}, {kind.scale})"
