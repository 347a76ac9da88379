"""The numbered SQL files of the schema, and the statements in them."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

_FILE_NAME: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_CREATED: Final = re.compile(r"^CREATE (?:OR REPLACE )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
_END: Final = re.compile(r";[ \t]*(?:\n|$)")


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
        """SHA-256 of the file, in hex: the same on a cluster, where other statements are made of it."""
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


def ledger() -> str:
    """The table of the migrations that a database has. It is there before the first of them."""
    return resources.files(__package__).joinpath("sql", "schema_migrations.sql").read_text("utf-8")


def created() -> frozenset[str]:
    """The tables and views that the migrations make."""
    return frozenset(name for sql in script(migrations()) for name in _CREATED.findall(sql))


def script(pending: Sequence[Migration]) -> Sequence[str]:
    """What applies the migrations `pending`: SQL with its comments, each migration followed by its entry."""
    return [ledger(), *(part for migration in pending for part in (migration.sql, migration.entry))]


def statements(sql: str) -> Iterator[str]:
    """The statements of `sql`, without its comment lines. A statement ends in `;` at the end of a line."""
    code = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return (statement.strip() for statement in _END.split(code) if statement.strip())
