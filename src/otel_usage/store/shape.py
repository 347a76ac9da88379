"""What tables look like: as the migrations make them, and as they are found.

The first is `sql/shapes.json`, by migration: what the real engine said of a new database after each.
`python -m tools.shapes` writes it. No difference is a table of the user's own, nor a codec, a comment, a
default, an index, a setting or a TTL.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from otel_usage.store.schema_lock import PREFIX

VIEW: Final = "View"

# ReplicatedReplacingMergeTree('/path', '{replica}', version) ... is a ReplacingMergeTree(version) here.
_ENGINE: Final = re.compile(
    r"(?:Replicated|Shared)?(?P<name>\w+)(?:\((?:'[^']*', '[^']*'(?:, )?)?(?P<arguments>[^)]*)\))?"
)
_TABLES: Final = """\
SELECT name, engine, engine_full, partition_key, sorting_key FROM system.tables
WHERE database = {database:String}"""
_COLUMNS: Final = """\
SELECT table, name, type FROM system.columns WHERE database = {database:String} ORDER BY table, position"""
_CHANGED_VIEWS: Final = """\
SELECT name FROM system.tables
WHERE database = {database:String}
    AND formatQuerySingleLine(as_select) !=
        formatQuerySingleLine({queries:Array(String)}[indexOf({names:Array(String)}, name)])
    AND has({names:Array(String)}, name) AND engine = 'View'
ORDER BY name"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table or view."""

    engine: str
    """With its arguments, but whether it is replicated."""
    partition_key: str
    sorting_key: str
    columns: Mapping[str, str]
    """Type of each, by name, in their order."""


def expected(applied: Iterable[int]) -> Mapping[str, Shape]:
    """What the migrations `applied` make, by name."""
    shapes: dict[str, Shape] = {}
    for number, changed in _recorded().items():
        if number not in applied:
            continue
        for name, shape in changed.items():
            shapes.pop(name, None)
            if shape is not None:  # else the migration drops it
                shapes[name] = Shape(**shape)
    return shapes


def found(client: Client, database: str) -> Mapping[str, Shape]:
    """What `database` has, by name."""
    of = {"database": database}
    columns: dict[str, dict[str, str]] = {}
    for table, name, kind in client.query(_COLUMNS, parameters=of).result_rows:
        columns.setdefault(table, {})[name] = kind
    return {
        name: Shape(plain_engine(engine, full), partition_key, sorting_key, columns.get(name, {}))
        for name, engine, full, partition_key, sorting_key in client.query(_TABLES, parameters=of).result_rows
        if not name.startswith(PREFIX)
    }


def differences(wanted: Mapping[str, Shape], actual: Mapping[str, Shape]) -> Iterator[str]:
    """A sentence each: what is wanted and is not so."""
    for name, shape in wanted.items():
        if name not in actual:
            yield f"{_kind(shape)} {name} is missing."
        else:
            yield from _engine_differences(name, shape, actual[name])
            yield from _column_differences(name, shape, actual[name])


def changed_views(client: Client, database: str, queries: Mapping[str, str]) -> Iterator[str]:
    """The views that do not ask what they should: a sentence each. `queries` name the database of each table.

    Both sides are written by the server itself, so no difference is one of spelling.
    """
    parameters = {"database": database, "names": list(queries), "queries": list(queries.values())}
    for (name,) in client.query(_CHANGED_VIEWS, parameters=parameters).result_rows:
        yield f"View {name} asks something else than the migrations made it ask."


def changes(
    before: Mapping[str, Shape], after: Mapping[str, Shape]
) -> Mapping[str, Mapping[str, Any] | None]:
    """What one migration did, as `shapes.json` has it."""
    dropped: Sequence[str] = [name for name in before if name not in after]
    changed = {name: asdict(shape) for name, shape in sorted(after.items()) if before.get(name) != shape}
    return {**dict.fromkeys(dropped), **changed}


def plain_engine(engine: str, full: str) -> str:
    """What `Shape.engine` is of an engine, and all that was said of it."""
    if engine == "Distributed":
        return full
    match = _ENGINE.match(full) if engine.endswith("MergeTree") else None
    if not match:
        return engine
    return f"{match['name']}({match['arguments']})" if match["arguments"] else match["name"]


def _recorded() -> Mapping[int, Mapping[str, Mapping[str, Any] | None]]:
    text = resources.files(__package__).joinpath("sql", "shapes.json").read_text("utf-8")
    return {int(number): changed for number, changed in json.loads(text).items()}


def _kind(shape: Shape) -> str:
    return "View" if shape.engine == VIEW else "Table"


def _engine_differences(name: str, wanted: Shape, actual: Shape) -> Iterator[str]:
    if actual.engine != wanted.engine:
        yield f"{_kind(wanted)} {name} has the engine {actual.engine}, and must have {wanted.engine}."
    elif actual.sorting_key != wanted.sorting_key:
        yield f"Table {name} is ordered by ({actual.sorting_key}), and must be by ({wanted.sorting_key})."
    elif actual.partition_key != wanted.partition_key:
        keys = f"({actual.partition_key}), and must be by ({wanted.partition_key})"
        yield f"Table {name} is partitioned by {keys}."


def _column_differences(name: str, wanted: Shape, actual: Shape) -> Iterator[str]:
    for column, kind in wanted.columns.items():
        if column not in actual.columns:
            yield f"Column {name}.{column} is missing."
        # Which type an expression has is a matter of the server's version.
        elif actual.columns[column] != kind and wanted.engine != VIEW:
            yield f"Column {name}.{column} is {actual.columns[column]}, and must be {kind}."
    for column in actual.columns:
        if column not in wanted.columns:
            yield f"Column {name}.{column} is not ours."
