"""`otel-usage accounts erase`: it says what there is, and erases only what it is told to."""

import re

import pytest
from click.testing import CliRunner, Result

from otel_usage.cli import main
from otel_usage.config import Settings
from otel_usage.store import Store
from tests.store.rows import usage


@pytest.fixture
def dsn(migrated_dsn: str) -> str:
    with Store.open(Settings(dsn=migrated_dsn)) as store:
        store.insert(usage({"call": 1}, {"call": 2, "account_id": "beta"}))
    return migrated_dsn


def _erase(dsn: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["accounts", "erase", *arguments, "--dsn", dsn])


def test_without_apply_it_says_what_there_is_and_erases_nothing(dsn: str) -> None:
    for _ in range(2):
        told = _erase(dsn, "acme")
        assert told.exit_code == 0
        assert told.stdout == (
            "1 rows on 1 days from 2025-11-23 to 2025-11-23\nNothing is erased yet: add --apply.\n"
        )


def test_with_apply_it_erases_and_says_what_stands_for_the_account(dsn: str) -> None:
    told = _erase(dsn, "acme", "--apply", "--reason", "asked")
    assert told.exit_code == 0
    assert re.search(r"^Erased: erased-[0-9a-f]{16} stands for it.$", told.stdout, re.MULTILINE)
    assert _erase(dsn, "acme").stdout == "nothing names this account\n"
    assert _erase(dsn, "beta").stdout.startswith("1 rows on 1 days")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["acme", "--apply"], "--apply needs a --reason."), ([""], "Name an account")],
)
def test_what_is_missing_is_told(dsn: str, arguments: list[str], told: str) -> None:
    refused = _erase(dsn, *arguments)
    assert refused.exit_code == 2
    assert told in refused.stderr
