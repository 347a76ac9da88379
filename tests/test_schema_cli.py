"""The commands of the schema: what is shown before it is run, what is refused, and how long rows are kept."""

import contextlib
import logging
from collections.abc import Iterator

import pytest
import structlog
from click.testing import CliRunner, Result
from clickhouse_connect.driver.client import Client

from otel_usage.cli import main
from otel_usage.store import retention, schema
from otel_usage.store.client import connect, parse
from otel_usage.store.schema_lock import PREFIX


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["schema", *arguments])


@pytest.fixture
def client(migrated_dsn: str) -> Iterator[Client]:
    target = parse(migrated_dsn)
    with contextlib.closing(connect(target, timeout=10)) as client:
        client.database = target.database
        yield client


def test_a_dry_run_shows_the_sql_and_runs_none(dsn: str) -> None:
    for _ in range(2):
        told = _run("apply", "--dry-run", "--ttl", "90", "--dsn", dsn)
        assert told.exit_code == 0
        assert told.stdout.endswith("-- Then: usage rows are kept 90 days.\n")
        assert told.stdout.count("CREATE TABLE") == schema.show().count("CREATE TABLE")
    assert "does not exist" in _run("check", "--dsn", dsn).stdout


def test_a_dry_run_of_nothing_says_so(migrated_dsn: str) -> None:
    told = _run("apply", "--dry-run", "--dsn", migrated_dsn)
    assert (told.exit_code, told.stdout) == (0, "nothing to apply\n")


def test_a_database_that_drifted_is_refused(client: Client, migrated_dsn: str) -> None:
    client.command("ALTER TABLE reprice_runs DROP COLUMN author")
    for asked in (["apply"], ["apply", "--dry-run"], ["apply", "--ttl", "9"]):
        told = _run(*asked, "--dsn", migrated_dsn)
        assert told.exit_code == 2
        assert "has another schema. Column reprice_runs.author is missing." in told.stderr
    assert retention.days(client) is None


def test_a_view_that_was_changed_is_told_by_a_check(client: Client, migrated_dsn: str) -> None:
    client.command("CREATE OR REPLACE VIEW summed_days AS SELECT [] AS sealed, [] AS summed, [] AS kept")
    told = _run("check", "--dsn", migrated_dsn)
    assert (told.exit_code, told.stdout) == (
        1,
        "View summed_days asks something else than the migrations made it ask.\n",
    )


def test_how_long_rows_are_kept_is_set_once_and_has_a_history(client: Client, migrated_dsn: str) -> None:
    assert retention.days(client) is None
    steps = [
        ("90", "usage rows are kept 90 days\n", 90),
        ("90", "nothing to apply\n", 90),
        ("none", "usage rows are kept for good\n", None),
        ("none", "nothing to apply\n", None),
        ("400", "usage rows are kept 400 days\n", 400),
    ]
    for ttl, told, days in steps:
        assert _run("apply", "--ttl", ttl, "--dsn", migrated_dsn).stdout == told
        assert retention.days(client) == days
    history = client.query("SELECT days, author != '' FROM retention ORDER BY at").result_rows
    assert [tuple(row) for row in history] == [(90, 1), (None, 1), (400, 1)]


@pytest.mark.parametrize("ttl", ["0", "-1", "1.5", "soon", "", "4294967296"])
def test_a_time_that_is_no_number_of_days_is_refused(migrated_dsn: str, ttl: str) -> None:
    told = _run("apply", f"--ttl={ttl}", "--dsn", migrated_dsn)
    assert told.exit_code == 2
    assert "is not a number of days" in told.stderr


def test_a_lock_of_the_dead_is_removed_when_it_is_asked_for(client: Client, migrated_dsn: str) -> None:
    client.command(f"CREATE TABLE {PREFIX}dead (a UInt8) ENGINE = Null COMMENT 'process 1 on afar'")
    told = _run("apply", "--unlock", "--dsn", migrated_dsn)
    assert told.stdout == "removed the lock of process 1 on afar\nnothing to apply\n"


def test_the_embedded_store_has_no_cluster(dsn: str) -> None:
    told = _run("apply", "--cluster", "main", "--dsn", dsn)
    assert told.exit_code == 2
    assert "has no cluster: name a ClickHouse server" in told.stderr


def test_the_schema_of_a_cluster_is_shown_without_one() -> None:
    told = _run("show", "--cluster", "main", "--database", "bills")
    assert told.stdout == schema.show("main", database="bills")
    assert "CREATE DATABASE IF NOT EXISTS `bills_local` ON CLUSTER 'main'" in told.stdout
    assert _run("show", "--cluster", "a b").exit_code == 2
