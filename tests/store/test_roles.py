"""Who may do what: the file for an administrator, read by the real engine, and its policies held by it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.store import shape
from otel_usage.store.migrations import created, migrations, statements
from tests.store import reader_of_one_tenant

_ROOT: Final = Path(__file__).parents[2]
_TEXT: Final = (_ROOT / "clickhouse" / "roles.sql").read_text()
_STATEMENTS: Final = list(statements(_TEXT))
_EXAMPLE: Final = list(statements(_TEXT.partition("-- EXAMPLE")[2].partition("\n")[2].replace("-- ", "")))
_PEOPLE: Final = {"usage", "usage_observations", "usage_daily", "usage_by_account_daily", "focus_usage"}
"""The stable views for people."""
_MADE: Final = shape.expected(migration.number for migration in migrations())


def _granted(role: str, right: str) -> set[str]:
    """The tables of ours that a role has a right to."""
    found = (
        re.fullmatch(rf"GRANT ([A-Z, ]+) ON otel_usage\.(\S+) TO otel_usage_{role}", sql)
        for sql in _STATEMENTS
    )
    return {match[2] for match in found if match and right in match[1].split(", ")}


def _policies(role: str, told: list[str]) -> dict[str, set[str]]:
    """The conditions that are for a role, by table."""
    conditions: dict[str, set[str]] = {}
    for sql in told:
        if match := re.fullmatch(
            r"CREATE ROW POLICY .*?\sON (.*?)\s+FOR SELECT USING (.*) TO (.*)", sql, re.DOTALL
        ):
            for table in match[1].split(", ") if role in match[3].split(", ") else ():
                conditions.setdefault(table.removeprefix("otel_usage."), set()).add(match[2])
    return conditions


def _seen(folder: Path, policies: dict[str, str]) -> dict[str, Any]:
    """What a user sees who has these policies."""
    done = subprocess.run(
        [sys.executable, "-m", reader_of_one_tenant.__name__],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        input=json.dumps(policies),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_every_statement_is_one_the_engine_can_read(chdb_client: Client) -> None:
    assert len(_EXAMPLE) == 4
    for statement in [*_STATEMENTS, *_EXAMPLE]:
        read = chdb_client.command(
            "SELECT formatQuerySingleLine({sql:String})", parameters={"sql": statement}
        )
        # A word that is no setting can be read as something else: `readonly TO` as a setting that is CONST.
        assert str(read).split()[:2] == statement.split()[:2]
        assert "CONST" not in str(read)


def test_every_table_that_is_named_is_there() -> None:
    named = set(re.findall(r"\botel_usage\.(\w+)(?![\w*])", _TEXT))
    assert named - created() - _PEOPLE == set()


def test_the_writer_writes_what_the_server_writes_and_never_the_schema() -> None:
    assert {name for name in _granted("writer", "INSERT") if "*" not in name} == {
        name
        for name, made in _MADE.items()
        if made.engine != shape.VIEW and name not in {"schema_migrations", "retention"}
    }
    assert _granted("writer", "ALTER TABLE") == set()
    assert _granted("writer", "DROP TABLE") == {"sealed_next_*", "sealing_*"}


def test_the_reader_reads_every_view_and_writes_nothing() -> None:
    views = {name for name, made in _MADE.items() if made.engine == shape.VIEW}
    assert views - _granted("reader", "SELECT") == set()
    assert [sql for sql in _STATEMENTS if sql.endswith("TO otel_usage_reader") and "INSERT" in sql] == []


def test_every_table_with_a_tenant_that_a_reader_may_read_has_a_policy_for_each_who_may() -> None:
    shared = {
        name
        for name in _granted("reader", "SELECT") & _MADE.keys()
        if "tenant" in _MADE[name].columns and _MADE[name].engine != shape.VIEW
    }
    assert shared == {"usage_rows", "usage_history", "token_points", "sealed_sums"}
    for role in ("reader", "read_all", "admin", "writer"):
        assert _policies(f"otel_usage_{role}", _STATEMENTS).keys() == shared
    assert _policies("otel_usage_tenant_acme", _EXAMPLE).keys() == shared


def test_a_reader_of_one_tenant_sees_its_rows_and_exact_sums_and_no_others(tmp_path: Path) -> None:
    base = _policies("otel_usage_reader", _STATEMENTS)
    mine = _policies("otel_usage_tenant_acme", _EXAMPLE)
    either = {table: " OR ".join(f"({told})" for told in sorted(base[table] | mine[table])) for table in base}
    seen = _seen(tmp_path, either)
    assert seen == {"rows": [[["acme"], 2]], "unsealed": [[["acme"], 2]], "sealed": [[["acme"], 20]]}


def test_a_reader_without_a_tenant_sees_nothing(tmp_path: Path) -> None:
    base = _policies("otel_usage_reader", _STATEMENTS)
    seen = _seen(tmp_path, {table: told for table, (told,) in base.items()})
    assert seen == {"rows": [[[], 0]], "unsealed": [[[], 0]], "sealed": [[[], 0]]}


@pytest.mark.parametrize("limit", ["readonly = 2", "max_execution_time", "max_memory_usage"])
def test_readers_have_limits(limit: str) -> None:
    (profile,) = (sql for sql in _STATEMENTS if sql.startswith("CREATE SETTINGS PROFILE"))
    assert limit in profile
    assert profile.endswith("TO otel_usage_reader")
