"""The schema of the database: numbered SQL files, applied in order, each once.

ClickHouse has no transactions for DDL, so a migration must be one that can be run again: it is, if its
process dies before it is entered in `schema_migrations`. A lock keeps two processes from applying at once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client

from otel_usage.model import Permanent
from otel_usage.store import schema_lock, shape
from otel_usage.store.client import DATABASE, Embedded, Target
from otel_usage.store.cluster import Cluster, cluster_of, home, qualified, rendered, shapes, view_source
from otel_usage.store.migrations import Migration, ledger, migrations, script, statements

__all__ = [
    "INSERTED_AT",
    "TABLE",
    "Migration",
    "apply",
    "check",
    "migrations",
    "preview",
    "show",
    "statements",
    "unlock",
    "version",
]

TABLE: Final = "usage_rows"
INSERTED_AT: Final = "inserted_at"
"""The one column that the store fills itself: its clock is the same for all who write."""

_HEADER: Final = """\
-- The schema of otel-usage, as `otel-usage schema show` prints it. `otel-usage schema apply` does the same.
-- By hand: clickhouse-client --database otel_usage --multiquery < schema.sql
"""
_CLUSTER_HEADER: Final = """\
-- The schema of otel-usage for the cluster '{cluster.name}'. `schema apply --cluster` does the same.
-- By hand: clickhouse-client --multiquery < schema.sql
-- `{cluster.database}` is what people and the server use: Distributed tables over the tables of each
-- shard, which are in `{cluster.local}`; and small tables that are the same on every node.

"""
_VIEW: Final = re.compile(r"CREATE OR REPLACE VIEW (\w+) AS\b")


def show(cluster: str = "", *, database: str = DATABASE) -> str:
    """The whole schema as SQL, as `apply` runs it. Without a cluster: what `clickhouse/schema.sql` holds."""
    if not cluster:
        return "\n".join((_HEADER, *script(migrations())))
    named = Cluster(cluster, database)
    return _CLUSTER_HEADER.format(cluster=named) + _text(named, migrations())


def preview(client: Client, target: Target, *, cluster: str = "") -> str:
    """What `apply` would run, as SQL; empty if nothing is pending. Reads only, and raises as `apply` does."""
    layout, pending = _plan(client, target, cluster)
    if not pending:
        return ""
    return _text(layout, pending) if layout else "\n".join(script(pending))


def apply(
    client: Client, target: Target, *, cluster: str = "", wait: float = schema_lock.WAIT
) -> Sequence[Migration]:
    """Apply the migrations that are pending; which those were. With none, nothing is written.

    The database is made if there is none; `client` has it chosen afterwards. `cluster` is told once.
    Raises Permanent if the database is not what the applied migrations made, or if a newer version migrated
    it; Retryable if another process applies migrations for more than `wait` seconds.
    """
    layout, pending = _plan(client, target, cluster)
    if not pending:
        return []
    _create_database(client, target, layout)
    with schema_lock.held(client, layout.clause if layout else "", wait=wait) as still_ours:
        _, pending = _plan(client, target, cluster)  # another may have applied them while we waited
        _run(client, layout, [ledger()])
        for migration in pending:
            still_ours()
            _run(client, layout, [migration.sql, migration.entry])
    return pending


def check(client: Client, target: Target, *, views: bool = False) -> Sequence[str]:
    """How the database differs from this version's schema: a sentence each. Reads only.

    `views`: also whether each view is still what it was made.
    """
    if not _choose_database(client, target):
        return [f"Database {target.database} does not exist: run otel-usage schema apply."]
    layout = cluster_of(client, target.database)
    applied = _applied(client)
    pending = [migration for migration in migrations() if migration.number not in applied]
    return [
        *(f"Migration {migration} is not applied: run otel-usage schema apply." for migration in pending),
        *_drift(client, target, layout, applied),
        *(_view_drift(client, target, layout, applied) if views else ()),
    ]


def unlock(client: Client, target: Target) -> Sequence[str]:
    """Remove the lock of a process that is dead; which it was. Several, if several waited when they died."""
    if not _choose_database(client, target):
        return []
    layout = cluster_of(client, target.database)
    return schema_lock.unlock(client, layout.clause if layout else "")


def version(client: Client) -> int:
    """The number of the last migration that is applied; 0 if none is."""
    return max(_applied(client), default=0)


def _plan(client: Client, target: Target, name: str) -> tuple[Cluster | None, Sequence[Migration]]:
    """The cluster, and what is pending. Raises Permanent if the database is not what it should be."""
    if name and isinstance(target, Embedded):
        raise Permanent(
            f"{target} has no cluster: name a ClickHouse server in OTEL_USAGE_DSN.", field="cluster"
        )
    if not _choose_database(client, target):
        return Cluster(name, target.database) if name else None, migrations()
    layout = cluster_of(client, target.database, name)
    applied = _applied(client)
    drift = list(_drift(client, target, layout, applied))
    if drift:
        raise Permanent(f"{target} has another schema. {' '.join(drift)}", field="dsn")
    return layout, [migration for migration in migrations() if migration.number not in applied]


def _choose_database(client: Client, target: Target) -> bool:
    """Choose the database of `target`; false if there is none."""
    name = quote_identifier(target.database)
    if not client.command(f"EXISTS DATABASE {name}", use_database=False):
        return False
    client.database = target.database
    return True


def _create_database(client: Client, target: Target, layout: Cluster | None) -> None:
    if layout:
        for statement in layout.create_databases():
            client.command(statement, use_database=False)
    elif not client.database:
        # chDB's default engine, Overlay, cannot hold our tables; a server's own default is right for it.
        engine = " ENGINE = Atomic" if isinstance(target, Embedded) else ""
        client.command(f"CREATE DATABASE IF NOT EXISTS {quote_identifier(target.database)}{engine}")
    _choose_database(client, target)


def _run(client: Client, layout: Cluster | None, scripts: Sequence[str]) -> None:
    plain = (statement for sql in scripts for statement in statements(sql))
    for statement in rendered(layout, scripts) if layout else plain:
        client.command(statement)


def _text(layout: Cluster, pending: Sequence[Migration]) -> str:
    run = [*layout.create_databases(), *rendered(layout, script(pending))]
    return "\n\n".join(f"{statement};" for statement in run) + "\n"


def _applied(client: Client) -> Mapping[int, str]:
    """Checksums of the applied migrations, by number."""
    if not client.command("EXISTS TABLE schema_migrations"):
        return {}
    rows = client.query("SELECT number, checksum FROM schema_migrations FINAL").result_rows
    return {int(number): str(checksum) for number, checksum in rows}


def _drift(
    client: Client, target: Target, layout: Cluster | None, applied: Mapping[int, str]
) -> Iterator[str]:
    """What is not as the applied migrations made it."""
    known = {migration.number: migration for migration in migrations()}
    for number, checksum in sorted(applied.items()):
        if number in known and known[number].checksum != checksum:
            told = "is not the one that was applied: its file was edited after that."
            yield f"Migration {known[number]} {told}"
    unknown = sorted(applied.keys() - known.keys())
    if unknown:
        # What the tables should look like is not known either.
        yield f"Migration {unknown[-1]:04d} is applied, which this version does not know: it is too old."
        return
    made = shape.expected(applied.keys())
    for database, wanted in (shapes(layout, made) if layout else {target.database: made}).items():
        prefix = f"{database}." if database != target.database else ""
        found = shape.found(client, database)
        yield from shape.differences(_prefixed(prefix, wanted), _prefixed(prefix, found))


def _prefixed(prefix: str, shapes_: Mapping[str, shape.Shape]) -> Mapping[str, shape.Shape]:
    return {f"{prefix}{name}": each for name, each in shapes_.items()}


def _view_drift(
    client: Client, target: Target, layout: Cluster | None, applied: Mapping[int, str]
) -> Iterator[str]:
    queries: dict[str, dict[str, str]] = {}
    for migration in migrations():
        for statement in statements(migration.sql) if migration.number in applied else ():
            if match := _VIEW.match(statement):
                database, query = _view(target, layout, match[1], statement[match.end() :])
                queries.setdefault(database, {})[match[1]] = query
    for database, of_views in queries.items():
        yield from shape.changed_views(client, database, of_views)


def _view(target: Target, layout: Cluster | None, name: str, query: str) -> tuple[str, str]:
    """The database of a view, and what it asks, with the database of each table."""
    if layout is None:
        return target.database, qualified(query, lambda _: target.database)
    return home(layout, name), qualified(query, lambda table: view_source(layout, name, table))
