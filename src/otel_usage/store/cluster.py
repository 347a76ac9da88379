"""The schema on a cluster: a migration's statements, as those that make the same on every node.

Two databases. The one that is named in the DSN has what people and the server use, under the names that all
SQL of ours has: a table has one name, on one node and on a hundred. `<database>_local` has each shard's own
part, under the same names. A table of the first is one of these:

- sharded: a Distributed table over the local ones. It writes a row to the shard that its key names, and reads
  all of them;
- of each shard: the same without a key, so that it refuses rows. Who seals a shard writes to its local table;
- everywhere: small, the same on every node, replicated by all. To ask each shard would count it many times;
- a view for people: over the tables above, so that what it sums is the sum of all shards.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client

from otel_usage.model import Permanent
from otel_usage.store.migrations import created, statements
from otel_usage.store.shape import Shape

SHARD_PATH: Final = "/clickhouse/tables/{shard}/{database}/{table}"
PATH: Final = "/clickhouse/tables/{database}/{table}"
"""Without the shard: the replicas of such a table are all nodes."""
_EVERY_NODE: Final = "{shard}-{replica}"

_PAYER: Final = "cityHash64(tenant, account_id)"
_SHARDED: Final = {
    # FINAL asks each shard for its own rows, so all versions of a key must be on one. Every key begins with
    # tenant and account: an account's rows, their history and their tombstones are where the account is.
    "usage_rows": _PAYER,
    "usage_history": _PAYER,
    # No account is known yet. Any function of the key is right, and these spread it.
    "claims": "cityHash64(tenant, trace_id)",
    "token_points": "cityHash64(tenant, series)",
}
_OF_EACH_SHARD: Final = frozenset(
    {
        # Sums are valid while the partition they were made of is as it was, and a shard has its own.
        "sealed_sums",
        "expired_days",
        "usage_days",
        "summed_days",
        "day_sums",
        "quarter_sums",
        "account_sums",
        "account_model_sums",
    }
)
_EVERYWHERE: Final = frozenset(
    {
        "schema_migrations",
        "price_books",
        "price_book_events",
        "price_rules",
        "reprice_runs",
        "retention",
        "erasures",
    }
)

_NAME: Final = re.compile(r"[\w.{}-]+")  # with braces: a macro, as in '{cluster}'
_CREATE_TABLE: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)( AS (\w+))?")
_CREATE_VIEW: Final = re.compile(r"CREATE OR REPLACE VIEW (\w+) AS\b")
_CHANGE: Final = re.compile(r"(ALTER TABLE|DROP TABLE IF EXISTS|DROP VIEW IF EXISTS) (\w+)")
_INSERT: Final = re.compile(r"INSERT INTO (\w+)")
_ENGINE: Final = re.compile(r"\bENGINE = (\w*MergeTree)\b(?:\(([^)]*)\))?")
_OVER_SHARDS: Final = re.compile(r"Distributed\('([^']*)'")
_ENGINES: Final = """\
SELECT engine_full FROM system.tables
WHERE database = {database:String} AND name IN ('usage_rows', 'schema_migrations')"""
_PARTIAL: Final = re.compile(r"\bFROM (?:sealed_sums|summed_days|system\.\w+)\b")
_READ: Final = re.compile(r"\b(FROM|JOIN|IN) (\w+)\b(?![.(])")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that servers know by `name`, and the database that people use there."""

    name: str
    database: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Permanent(f"{self.name!r} cannot be the name of a cluster.", field="cluster")

    @property
    def local(self) -> str:
        """The database that has what is of one shard."""
        return local_database(self.database)

    @property
    def clause(self) -> str:
        """What a statement needs to be run on every node."""
        return f"ON CLUSTER '{self.name}'"

    def create_databases(self) -> Sequence[str]:
        """Statements. Atomic: tables are replaced and moved in one step."""
        return [
            f"CREATE DATABASE IF NOT EXISTS {quote_identifier(name)} {self.clause} ENGINE = Atomic"
            for name in (self.database, self.local)
        ]


def local_database(database: str) -> str:
    """The database of what is of one shard, beside `database`."""
    return f"{database}_local"


def rendered(cluster: Cluster, scripts: Sequence[str]) -> Sequence[str]:
    """The statements of the `scripts`, as they are run on a cluster. They name each database.

    Raises TypeError if there is one whose place is not known: whoever writes a migration decides it.
    """
    return [
        each for sql in scripts for statement in statements(sql) for each in _rendered(cluster, statement)
    ]


def shapes(cluster: Cluster, made: Mapping[str, Shape]) -> Mapping[str, Mapping[str, Shape]]:
    """By database: what it has where the migrations made `made` of one node."""
    local = {name: shape for name, shape in made.items() if home(cluster, name) == cluster.local}
    over = {
        name: Shape(_over_shards(cluster, name), "", "", shape.columns) if name in local else shape
        for name, shape in made.items()
    }
    return {cluster.database: over, cluster.local: local}


def cluster_of(client: Client, database: str, name: str = "") -> Cluster | None:
    """The cluster that `database` is of, or the one of that `name` if it is empty; None: it is of one node.

    Raises Permanent if it is of another than `name`.
    """
    engines = [full for (full,) in client.query(_ENGINES, parameters={"database": database}).result_rows]
    of = {match[1] for full in engines if (match := _OVER_SHARDS.match(full))}
    if of and (not name or name in of):
        return Cluster(of.pop(), database)
    if of:
        raise Permanent(f"Database {database} is of the cluster {of.pop()}, not {name}.", field="cluster")
    begun = any(_EVERY_NODE in full for full in engines)
    if begun and not name:
        raise Permanent(
            f"Database {database} was begun for a cluster: name it with --cluster.", field="cluster"
        )
    if engines and name and not begun:
        raise Permanent(
            f"Database {database} is of one node: a cluster needs a database of its own.", field="cluster"
        )
    return Cluster(name, database) if name else None


def home(cluster: Cluster, name: str) -> str:
    """The database that has the table or view itself, not a Distributed table over it."""
    return cluster.local if name in _SHARDED.keys() | _OF_EACH_SHARD else cluster.database


def view_source(cluster: Cluster, view: str, table: str) -> str:
    """The database that a view reads a table from: its own shard's, or all shards'."""
    return home(cluster, table) if view in _OF_EACH_SHARD else cluster.database


def qualified(sql: str, database: Callable[[str], str]) -> str:
    """`sql`, with the database of each table of ours that it reads from."""
    ours = created()

    def name(match: re.Match[str]) -> str:
        return f"{match[1]} {_in(database(match[2]), match[2])}" if match[2] in ours else match[0]

    return _READ.sub(name, sql)


def _rendered(cluster: Cluster, statement: str) -> Iterator[str]:
    if match := _CREATE_TABLE.match(statement):
        yield from _table(cluster, statement, match)
    elif match := _CREATE_VIEW.match(statement):
        yield from _view(cluster, statement, match)
    elif match := _CHANGE.match(statement):
        yield from _change(cluster, statement, match)
    elif (match := _INSERT.match(statement)) and match[1] in _EVERYWHERE:
        yield f"INSERT INTO {_in(cluster.database, match[1])}{statement[match.end() :]}"
    else:
        raise TypeError(f"No cluster can run this statement of a migration: {statement[:60]}")


def _table(cluster: Cluster, statement: str, match: re.Match[str]) -> Iterator[str]:
    name, _, model = match.groups()
    if name not in _SHARDED.keys() | _OF_EACH_SHARD | _EVERYWHERE:
        raise TypeError(f"Table {name}: say in cluster.py where on a cluster its rows are.")
    place, body = home(cluster, name), statement[match.end() :]
    body, count = _ENGINE.subn(lambda engine: _replicated(engine, everywhere=name in _EVERYWHERE), body)
    if count != 1:
        raise TypeError(f"Table {name} has no engine that can be replicated.")
    like = f" AS {_in(home(cluster, model), model)}" if model else ""
    yield f"CREATE TABLE IF NOT EXISTS {_in(place, name)} {cluster.clause}{like}{body}"
    if name not in _EVERYWHERE:
        yield _distributed(cluster, name)


def _replicated(engine: re.Match[str], *, everywhere: bool) -> str:
    # Every node is a replica of what is everywhere; {replica} need not be unique over all shards.
    path, replica = (PATH, _EVERY_NODE) if everywhere else (SHARD_PATH, "{replica}")
    arguments = f", {engine[2]}" if engine[2] else ""
    return f"ENGINE = Replicated{engine[1]}('{path}', '{replica}'{arguments})"


def _view(cluster: Cluster, statement: str, match: re.Match[str]) -> Iterator[str]:
    name, body = match[1], statement[match.end() :]
    if name not in _OF_EACH_SHARD and _PARTIAL.search(body):
        raise TypeError(f"View {name} reads what is of one shard: say in cluster.py that it is, too.")
    body = qualified(body, lambda table: view_source(cluster, name, table))
    yield f"CREATE OR REPLACE VIEW {_in(home(cluster, name), name)} {cluster.clause} AS{body}"
    if name in _OF_EACH_SHARD:
        yield _distributed(cluster, name)


def _change(cluster: Cluster, statement: str, match: re.Match[str]) -> Iterator[str]:
    verb, name = match.groups()
    place = home(cluster, name)
    yield f"{verb} {_in(place, name)} {cluster.clause}{statement[match.end() :]}"
    if place == cluster.local:
        dropped = f"DROP TABLE IF EXISTS {_in(cluster.database, name)} {cluster.clause}"
        yield _distributed(cluster, name) if verb == "ALTER TABLE" else dropped


def _distributed(cluster: Cluster, name: str) -> str:
    """The table over all shards. It holds nothing: it is made anew whenever the local ones change."""
    table, model = _in(cluster.database, name), _in(cluster.local, name)
    return (
        f"CREATE OR REPLACE TABLE {table} {cluster.clause} AS {model}\nENGINE = {_over_shards(cluster, name)}"
    )


def _over_shards(cluster: Cluster, name: str) -> str:
    key = f", {_SHARDED[name]}" if name in _SHARDED else ""
    return f"Distributed('{cluster.name}', '{cluster.local}', '{name}'{key})"


def _in(database: str, name: str) -> str:
    return f"{quote_identifier(database)}.{name}"
