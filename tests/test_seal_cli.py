"""`otel-usage seal`: what a server does for the store by itself, once."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from clickhouse_connect.driver.client import Client

from otel_usage.cli import main
from otel_usage.config import Settings
from otel_usage.store import Store
from tests.store.rows import usage


@pytest.fixture
def run(migrated_dsn: str) -> list[str]:
    return ["seal", "--seal-quiet", "0", "--dsn", migrated_dsn]


def test_it_seals_days_and_lets_those_expire_that_are_past_and_says_which(
    run: list[str], migrated_dsn: str, migrated: str, chdb_client: Client
) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=ago) for ago in (9, 2)]
    with Store.open(Settings(dsn=migrated_dsn)) as store:
        store.insert(usage(*({"started_at": int(day.timestamp()) * 10**9} for day in days)))
    decide = f"INSERT INTO {migrated}.retention SELECT 5, 'test', toDateTime64(0, 6)"
    chdb_client.command(decide, use_database=False)
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0
    sealed, *rest = sorted(done.stdout.splitlines(), reverse=True)
    assert re.fullmatch(r"sealed [\d-]+(, [\d-]+)? in \d+\.\d s", sealed)
    assert rest[-1] == f"expired {days[0]:%Y-%m-%d}: sums count in the place of rows, which go later"
    again = CliRunner().invoke(main, run)
    assert (again.exit_code, again.stdout) == (0, "")


def test_a_store_that_is_not_there_is_one_sentence() -> None:
    done = CliRunner().invoke(main, ["seal", "--dsn", "http://127.0.0.1:1/x"])
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
