"""What tables should look like is what the engine said of a new database."""

import re

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.store import shape
from otel_usage.store.migrations import migrations
from otel_usage.store.shape import Shape
from tools import shapes

_TABLE = Shape("MergeTree", "", "a", {"a": "String"})


def test_the_file_is_what_the_migrations_make(chdb_client: Client, database: str) -> None:
    assert shapes.PATH.read_text() == shapes.recorded(chdb_client, database), "Run: python -m tools.shapes"


def test_each_migration_has_its_part() -> None:
    made = [len(shape.expected(range(1, migration.number + 1))) for migration in migrations()]
    assert made[0] == 5  # with the ledger
    assert made == sorted(made)


def test_what_a_migration_changes_and_drops_is_kept_apart() -> None:
    wider = Shape("MergeTree", "", "a", {"a": "String", "b": "String"})
    assert shape.changes(
        {"kept": _TABLE, "wider": _TABLE, "gone": _TABLE}, {"kept": _TABLE, "wider": wider}
    ) == {
        "gone": None,
        "wider": {"engine": "MergeTree", "partition_key": "", "sorting_key": "a", "columns": wider.columns},
    }


@pytest.mark.parametrize(
    ("full", "engine"),
    [
        ("ReplacingMergeTree(version, is_deleted) ORDER BY a", "ReplacingMergeTree(version, is_deleted)"),
        ("ReplicatedReplacingMergeTree('/a/{shard}', '{replica}', at) ORDER BY a", "ReplacingMergeTree(at)"),
        ("ReplicatedMergeTree('/a/{shard}', '{replica}') ORDER BY a", "MergeTree"),
        ("SharedReplacingMergeTree('/a', 'r', at, gone) ORDER BY a", "ReplacingMergeTree(at, gone)"),
        ("ReplicatedReplacingMergeTree('/a', 'r') PARTITION BY (kept > 0) ORDER BY a", "ReplacingMergeTree"),
        ("MergeTree PARTITION BY (kept > 0) ORDER BY a", "MergeTree"),
        ("Distributed('c', 'd', 't', rand())", "Distributed('c', 'd', 't', rand())"),
    ],
)
def test_a_replicated_table_is_what_it_is_a_replica_of(full: str, engine: str) -> None:
    name = re.match(r"\w+", full)
    assert name
    assert shape.plain_engine(name[0], full) == engine


def test_the_type_of_a_column_of_a_view_is_the_engine_s_own_affair() -> None:
    wanted = {"v": Shape("View", "", "", {"a": "UInt8", "b": "String"})}
    actual = {"v": Shape("View", "", "", {"a": "Bool", "c": "String"})}
    assert list(shape.differences(wanted, actual)) == ["Column v.b is missing.", "Column v.c is not ours."]
