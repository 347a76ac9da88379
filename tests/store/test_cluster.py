"""The schema on a cluster: read by the real engine, and run as far as one process can be a cluster."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.model import Permanent
from otel_usage.store import schema, shape
from otel_usage.store.cluster import Cluster, cluster_of, rendered, shapes
from otel_usage.store.migrations import created, migrations, script, statements
from otel_usage.store.schema_lock import PREFIX
from tests.store import cluster_of_one

_ROOT: Final = Path(__file__).parents[2]
_MAIN: Final = Cluster("main", "otel_usage")
_ALL: Final = rendered(_MAIN, script(migrations()))
_TABLES: Final = [sql for sql in _ALL if sql.startswith("CREATE TABLE")]
_OVER: Final = [sql for sql in _ALL if sql.startswith("CREATE OR REPLACE TABLE")]

_OVER_HISTORY: Final = """\
CREATE OR REPLACE TABLE `otel_usage`.usage_history ON CLUSTER 'main' AS `otel_usage_local`.usage_history
ENGINE = Distributed('main', 'otel_usage_local', 'usage_history', cityHash64(tenant, account_id))"""


def _render(sql: str) -> list[str]:
    return list(rendered(_MAIN, [sql]))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What a process saw whose chDB knows clusters."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "config.xml").write_text(cluster_of_one.CONFIG)
    done = subprocess.run(
        [sys.executable, "-m", cluster_of_one.__name__],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_every_statement_is_one_the_engine_can_read(chdb_client: Client) -> None:
    for statement in [*_MAIN.create_databases(), *_ALL, *statements(schema.show("main"))]:
        chdb_client.command("SELECT formatQuery({sql:String})", parameters={"sql": statement})


def test_every_statement_that_makes_something_is_run_on_every_node() -> None:
    making = [sql for sql in [*_MAIN.create_databases(), *_ALL] if not sql.startswith("INSERT")]
    assert [sql for sql in making if " ON CLUSTER 'main'" not in sql] == []
    assert len(making) + len(migrations()) == len(_ALL) + 2


def test_every_table_is_replicated() -> None:
    made = [
        sql for part in script(migrations()) for sql in statements(part) if sql.startswith("CREATE TABLE")
    ]
    assert len(_TABLES) == len(made)
    for plain, sql in zip(made, _TABLES, strict=True):
        (engine,) = re.findall(r"ENGINE = (\w*MergeTree\b(?:\([^)]*\))?)", plain)
        (replicated,) = re.findall(r"ENGINE = (\w*MergeTree\([^)]*\))", sql)
        assert shape.plain_engine("ReplicatedMergeTree", replicated) == engine


def test_every_name_of_one_node_is_a_name_of_the_cluster() -> None:
    made = {
        match[1]
        for sql in _ALL
        if (
            match := re.match(
                r"CREATE (?:OR REPLACE )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?`otel_usage`\.(\w+)", sql
            )
        )
    }
    assert made == created()


def test_a_table_that_takes_rows_for_shards_says_for_which() -> None:
    keys = {
        match[1]: match[2]
        for sql in _OVER
        if (match := re.search(r"Distributed\('main', 'otel_usage_local', '(\w+)'(?:, (.*))?\)$", sql))
    }
    assert len(keys) == len(set(_OVER))
    assert {name: key for name, key in keys.items() if key} == {
        "usage_rows": "cityHash64(tenant, account_id)",
        "usage_history": "cityHash64(tenant, account_id)",
        "claims": "cityHash64(tenant, trace_id)",
        "token_points": "cityHash64(tenant, series)",
    }


@pytest.mark.parametrize("name", ["usage_rows", "usage_history", "claims", "token_points"])
def test_a_sharding_key_is_a_function_of_the_key_of_the_table(name: str) -> None:
    """Else two versions of one row could be on two shards, and count twice."""
    key = shape.expected(migration.number for migration in migrations())[name].sorting_key.split(", ")
    (over,) = {sql for sql in _OVER if f"`otel_usage`.{name} " in sql}
    (columns,) = re.findall(r"cityHash64\((.*)\)\)$", over)
    assert set(columns.split(", ")) <= set(key)


def test_what_is_everywhere_has_every_node_as_a_replica() -> None:
    everywhere = [sql for sql in _TABLES if "`otel_usage`." in sql]
    assert len(everywhere) >= 6
    for sql in everywhere:
        assert "('/clickhouse/tables/{database}/{table}', '{shard}-{replica}'" in sql
    for sql in set(_TABLES) - set(everywhere):
        assert "('/clickhouse/tables/{shard}/{database}/{table}', '{replica}'" in sql


def test_statements_as_they_are_run() -> None:
    history, over = (sql for sql in _ALL if re.search(r"(TABLE|EXISTS) `\w+`\.usage_history ", sql))
    assert history == (
        "CREATE TABLE IF NOT EXISTS `otel_usage_local`.usage_history ON CLUSTER 'main'"
        " AS `otel_usage_local`.usage_rows\n"
        "ENGINE = ReplicatedReplacingMergeTree"
        "('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')\n"
        "PARTITION BY toYYYYMM(started_at)\n"
        "ORDER BY (tenant, account_id, toStartOfHour(started_at), call_id, version, inserted_at)\n"
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)'"
    )
    assert over == _OVER_HISTORY
    (days,) = (sql for sql in _ALL if sql.startswith("CREATE OR REPLACE VIEW `otel_usage_local`.summed_days"))
    assert days.endswith(
        "(SELECT groupArray(kept) FROM `otel_usage_local`.expired_days FINAL WHERE kept > 0) AS kept\n"
        "FROM `otel_usage_local`.usage_days"
    )


def test_a_view_for_people_reads_all_shards() -> None:
    (view,) = _render("CREATE OR REPLACE VIEW usage AS SELECT * FROM usage_rows FINAL WHERE is_deleted = 0;")
    assert view == (
        "CREATE OR REPLACE VIEW `otel_usage`.usage ON CLUSTER 'main' AS"
        " SELECT * FROM `otel_usage`.usage_rows FINAL WHERE is_deleted = 0"
    )


def test_a_later_change_of_a_sharded_table_is_made_on_each_shard_and_then_over_all() -> None:
    assert _render("ALTER TABLE usage_history ADD COLUMN seat String;") == [
        "ALTER TABLE `otel_usage_local`.usage_history ON CLUSTER 'main' ADD COLUMN seat String",
        _OVER_HISTORY,
    ]
    assert _render("ALTER TABLE price_rules ADD COLUMN IF NOT EXISTS note String;") == [
        "ALTER TABLE `otel_usage`.price_rules ON CLUSTER 'main' ADD COLUMN IF NOT EXISTS note String"
    ]
    assert _render("DROP VIEW IF EXISTS day_sums;") == [
        "DROP VIEW IF EXISTS `otel_usage_local`.day_sums ON CLUSTER 'main'",
        "DROP TABLE IF EXISTS `otel_usage`.day_sums ON CLUSTER 'main'",
    ]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("CREATE TABLE IF NOT EXISTS seats (a String) ENGINE = MergeTree ORDER BY a;", "Table seats: say in"),
        ("CREATE TABLE IF NOT EXISTS claims (a String) ENGINE = Memory;", "no engine that can be replicated"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1 FROM sealed_sums;", "View v reads what is of one shard"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1 FROM system.parts;", "View v reads what is of one shard"),
        ("INSERT INTO usage_rows SELECT * FROM usage_history;", "No cluster can run"),
        ("RENAME TABLE usage_rows TO gone;", "No cluster can run"),
    ],
)
def test_what_has_no_place_on_a_cluster_is_refused_when_it_is_written(sql: str, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        _render(sql)


@pytest.mark.parametrize("name", ["", "a'b", "a b", "a;b"])
def test_a_name_that_no_cluster_has_is_refused(name: str) -> None:
    with pytest.raises(Permanent, match="cannot be the name of a cluster"):
        Cluster(name, "otel_usage")


def test_a_cluster_may_be_named_by_a_macro(chdb_client: Client) -> None:
    for statement in statements(schema.show("{cluster}")):
        chdb_client.command("SELECT formatQuery({sql:String})", parameters={"sql": statement})


def test_a_database_that_was_begun_for_a_cluster_is_not_made_one_of_a_node(
    chdb_client: Client, database: str
) -> None:
    chdb_client.command(f"CREATE DATABASE {database} ENGINE = Atomic")
    # What is told of it is what would be told of a replicated table, which takes a Keeper.
    chdb_client.command(
        f"CREATE TABLE {database}.schema_migrations (a UInt8) ENGINE = Merge('x', '{{shard}}-{{replica}}')"
    )
    with pytest.raises(Permanent, match="begun for a cluster: name it with --cluster"):
        cluster_of(chdb_client, database)
    assert cluster_of(chdb_client, database, "main") == Cluster("main", database)


def test_the_lock_is_no_table_of_ours() -> None:
    assert not any(name.startswith(PREFIX) for name in created())


def test_shapes_are_told_of_both_databases() -> None:
    made = shape.expected(migration.number for migration in migrations())
    over, local = shapes(_MAIN, made).values()
    assert over.keys() == made.keys()
    assert {name: made[name] for name in local} == local
    assert over["usage_rows"].columns == local["usage_rows"].columns


def test_a_cluster_is_as_it_should_be_and_has_nothing_pending(seen: Mapping[str, Any]) -> None:
    assert (seen["differences"], seen["pending"]) == ([], [])


def test_the_bill_of_a_cluster_is_the_bill_of_one_node(seen: Mapping[str, Any]) -> None:
    assert "calls=20" in seen["bill of one node"][0]
    assert seen["bill of the cluster"] == seen["bill of one node"]
    assert seen["rows of the shard"] == 20
    assert seen["sums"] == ["20", "20", "7"]


def test_a_shard_is_sealed_and_its_days_expire_and_the_bill_stays(seen: Mapping[str, Any]) -> None:
    days = [20251123, 20251124, 20251125]
    assert seen["upkeep"]["sealed"] == days
    assert seen["upkeep"]["expired"] == [[day, False] for day in days] + [[day, True] for day in days]
    assert (seen["upkeep"]["same bill"], seen["rows left"]) == (True, 0)


def test_an_account_on_a_cluster_is_not_erased_and_one_is_told_why(seen: Mapping[str, Any]) -> None:
    assert seen["upkeep"]["erasure"].startswith("An account cannot be erased on a cluster yet: ")


def test_every_statement_of_ours_can_be_asked_of_several_shards(seen: Mapping[str, Any]) -> None:
    assert seen["faults"] == []


def test_what_was_changed_by_hand_is_told_with_its_database(seen: Mapping[str, Any]) -> None:
    claims, column, view = seen["drift"]
    assert "engine Distributed('one', 'many_local', 'claims', rand()), and must have" in claims
    assert "Distributed('one', 'many_local', 'claims', cityHash64(tenant, trace_id))." in claims
    assert column == "Column many_local.usage_rows.price_tier is missing."
    assert view == "View summed_days asks something else than the migrations made it ask."


def test_a_database_stays_with_its_cluster(seen: Mapping[str, Any]) -> None:
    assert seen["same cluster"] == ""
    assert seen["other cluster"] == "Database many is of the cluster one, not two."
    assert seen["one node"] == "Database single is of one node: a cluster needs a database of its own."
