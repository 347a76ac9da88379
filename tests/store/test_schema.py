"""The schema: what is shown is what is applied, and the table is what the code believes it to be."""

import contextlib
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.model import USAGE, Permanent
from otel_usage.store import Store, schema
from otel_usage.store.client import Target, connect, parse
from tests.chdb_server import ChdbServer

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
    *columns, last = schema.table_columns(any_client).items()
    assert columns == list(schema.columns())
    assert last == (schema.INSERTED_AT, "DateTime64(3, 'UTC')")
    assert [name for name, _ in schema.columns()] == USAGE.names


def test_what_is_applied_is_not_applied_again(any_client: Client, target: Target) -> None:
    applied = [str(migration) for migration in schema.apply(any_client, target)]
    assert applied == ["0001_usage", "0002_prices", "0003_sums"]
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
    pending, *missing = schema.check(any_client, target)
    assert pending == "Migration 0001_usage is not applied: run otel-usage schema apply."
    assert "Column usage_rows.tenant is missing." in missing


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE usage_rows DROP COLUMN price_tier", "Column usage_rows.price_tier is missing."),
        ("ALTER TABLE usage_rows ADD COLUMN note String", "Column usage_rows.note is not ours."),
        (
            "ALTER TABLE usage_rows MODIFY COLUMN billed_cost Nullable(Decimal(38, 9))",
            "Column usage_rows.billed_cost is Nullable(Decimal(38, 9)), and must be Nullable(Decimal(38, 18)).",
        ),
        (
            "INSERT INTO schema_migrations VALUES (1, 'usage', 'x', now() + 9)",
            "Migration 0001_usage is not the one that was applied: its file was edited after that.",
        ),
        (
            "INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, 'tomorrow', 'x')",
            "Migration 9999 is applied, which this version does not know: it is too old.",
        ),
    ],
)
def test_a_schema_that_drifted_is_told_and_takes_no_money(dsn: str, change: str, told: str) -> None:
    target = parse(dsn)
    with contextlib.closing(connect(target, timeout=10)) as client:
        schema.apply(client, target)
        client.command(change)
        assert schema.check(client, target) == [told]
    with pytest.raises(Permanent, match="has another schema") as caught:
        Store.open(Settings(dsn=dsn))
    assert told in str(caught.value)


def test_a_statement_ends_at_a_semicolon_at_the_end_of_a_line_of_code() -> None:
    sql = "-- first;\nSELECT ';'\n  -- not here;\n, 2;\nSELECT 3 ;  \n\nSELECT 4"
    assert list(schema.statements(sql)) == ["SELECT ';'\n, 2", "SELECT 3", "SELECT 4"]


def test_a_store_that_is_up_to_date_is_opened_without_writing(server: ChdbServer, database: str) -> None:
    with Store.open(Settings(dsn=server.dsn(database))):
        pass
    server.read_only = True
    with Store.open(Settings(dsn=server.dsn(database))):
        pass
