"""The schema of the database: numbered SQL files, applied in order, each once.

ClickHouse has no transactions for DDL, so a migration must be one that can be run again: a process that dies
between a migration and its entry in `schema_migrations` runs it twice, and so do two that start together.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

import pyarrow as pa
from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client

from otel_usage.model import USAGE
from otel_usage.store.client import Embedded, Target

TABLE: Final = "usage_rows"
INSERTED_AT: Final = "inserted_at"
"""The one column that the store fills itself: its clock is the same for all who write."""

_FILE_NAME: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_HEADER: Final = """\
-- The schema of otel-usage, as `otel-usage schema show` prints it. `otel-usage schema apply` does the same.
-- By hand: clickhouse-client --database otel_usage --multiquery < schema.sql
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of SQL."""

    number: int
    name: str
    sql: str

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def entry(self) -> str:
        """The statement that enters it as applied."""
        values = f"({self.number}, '{self.name}', '{self.checksum}')"
        return f"INSERT INTO schema_migrations (number, name, checksum) VALUES {values};\n"  # noqa: S608 (ours)


def migrations() -> Sequence[Migration]:
    """All migrations of this version, in order."""
    files = resources.files(__package__).joinpath("sql").iterdir()
    named = ((file, _FILE_NAME.fullmatch(file.name)) for file in files)
    found = [Migration(int(name[1]), name[2], file.read_text("utf-8")) for file, name in named if name]
    return sorted(found, key=lambda migration: migration.number)


def show() -> str:
    """The whole schema as SQL: what `clickhouse/schema.sql` holds, and what `apply` runs."""
    parts = (part for migration in migrations() for part in (migration.sql, migration.entry))
    return "\n".join((_HEADER, _ledger(), *parts))


def apply(client: Client, target: Target) -> Sequence[Migration]:
    """Apply the migrations that are pending; which those were. With none, nothing is written.

    The database is made if there is none. `client` has it chosen afterwards.
    """
    if not _choose_database(client, target):
        # chDB's default engine, Overlay, cannot hold our tables; a server's own default is right for it.
        engine = " ENGINE = Atomic" if isinstance(target, Embedded) else ""
        client.command(f"CREATE DATABASE IF NOT EXISTS {quote_identifier(target.database)}{engine}")
        _choose_database(client, target)
    applied = _applied(client)
    pending = [migration for migration in migrations() if migration.number not in applied]
    if pending:
        _run(client, _ledger())
    for migration in pending:
        _run(client, migration.sql)
        _run(client, migration.entry)
    return pending


def check(client: Client, target: Target) -> Sequence[str]:
    """How the database differs from this version's schema: a sentence each. Reads only."""
    if not _choose_database(client, target):
        return [f"Database {target.database} does not exist: run otel-usage schema apply."]
    return [*_drift(migrations(), _applied(client)), *_column_drift(client)]


def version(client: Client) -> int:
    """The number of the last migration that is applied; 0 if none is."""
    return max(_applied(client), default=0)


def columns() -> Sequence[tuple[str, str]]:
    """Name and ClickHouse type of each column that a USAGE table has."""
    return [(field.name, _column_type(field)) for field in USAGE]


def table_columns(client: Client) -> Mapping[str, str]:
    """Type of each column that the table has, by name, in its order."""
    sql = (
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
    )
    rows = client.query(f"{sql} ORDER BY position", parameters={"table": TABLE}).result_rows
    return {str(name): str(kind) for name, kind in rows}


def statements(sql: str) -> Iterator[str]:
    """The statements of `sql`, without its comment lines. A statement ends in `;` at the end of a line."""
    code = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return (statement.strip() for statement in re.split(r";[ \t]*(?:\n|$)", code) if statement.strip())


def _choose_database(client: Client, target: Target) -> bool:
    """Choose the database of `target`; false if there is none."""
    name = quote_identifier(target.database)
    if not client.command(f"EXISTS DATABASE {name}", use_database=False):
        return False
    client.database = target.database
    return True


def _ledger() -> str:
    return resources.files(__package__).joinpath("sql", "schema_migrations.sql").read_text("utf-8")


def _run(client: Client, sql: str) -> None:
    for statement in statements(sql):
        client.command(statement)


def _applied(client: Client) -> Mapping[int, str]:
    """Checksums of the applied migrations, by number."""
    if not client.command("EXISTS TABLE schema_migrations"):
        return {}
    rows = client.query("SELECT number, checksum FROM schema_migrations FINAL").result_rows
    return {int(number): str(checksum) for number, checksum in rows}


def _drift(known: Sequence[Migration], applied: Mapping[int, str]) -> Iterator[str]:
    for migration in known:
        if migration.number not in applied:
            yield f"Migration {migration} is not applied: run otel-usage schema apply."
        elif applied[migration.number] != migration.checksum:
            yield f"Migration {migration} is not the one that was applied: its file was edited after that."
    unknown = sorted(applied.keys() - {migration.number for migration in known})
    if unknown:
        yield f"Migration {unknown[-1]:04d} is applied, which this version does not know: it is too old."


def _column_drift(client: Client) -> Iterator[str]:
    actual = table_columns(client)
    expected = dict(columns())
    for name, kind in expected.items():
        if name not in actual:
            yield f"Column {TABLE}.{name} is missing."
        elif actual[name] != kind:
            yield f"Column {TABLE}.{name} is {actual[name]}, and must be {kind}."
    for name in actual.keys() - expected.keys() - {INSERTED_AT}:
        yield f"Column {TABLE}.{name} is not ours."


def _column_type(field: pa.Field) -> str:
    plain = _plain_type(field.type)
    return f"Nullable({plain})" if field.nullable else plain


def _plain_type(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return f"LowCardinality({_plain_type(kind.value_type)})"
    if pa.types.is_string(kind):
        return "String"
    if pa.types.is_fixed_size_binary(kind):
        return f"FixedString({kind.byte_width})"
    if pa.types.is_unsigned_integer(kind):
        return f"UInt{kind.bit_width}"
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return f"DateTime64(9, '{kind.tz}')"
    if pa.types.is_decimal(kind):
        return f"Decimal({kind.precision}, {kind.scale})"
    raise TypeError(f"There is no column type for {kind}.")
