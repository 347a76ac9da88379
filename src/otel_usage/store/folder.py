"""The folder of an embedded store: whose it is, and whether it is whole.

chDB takes any folder. It says why it cannot start on standard error only, and a part of a table that it
cannot read it puts aside, and goes on without its rows: a bill would be short, and nobody told.
"""

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

_OURS: Final = frozenset({"data", "metadata", "metadata_dropped", "status", "store", "tmp"})
"""What chDB makes in its folder."""
_STORE: Final = frozenset({"metadata", "store"})
_OF_A_SERVER: Final = frozenset({"preprocessed_configs", "uuid"})
_OF_NOBODY: Final = frozenset({"lost+found"})
_NAMED: Final = 3  # of the files of others
_STATUS_PID: Final = re.compile(r"PID: (\d+)")
_RESTORE: Final = "restore it from a backup, or name a new folder in OTEL_USAGE_DSN."
_BROKEN: Final = """\
SELECT table, path FROM system.detached_parts
WHERE database = {database:String} AND startsWith(reason, 'broken') ORDER BY table, name"""


class Unusable(Exception):
    """The folder cannot be a store of ours: why, and what to do, as what follows its name in a sentence."""


class EngineWords:
    """What the engine wrote to standard error while it started."""

    text = ""

    def first(self) -> str:
        """Its first line, with what cannot be printed replaced."""
        line = next((line for line in self.text.splitlines() if line.strip()), "")
        return "".join(each if each.isprintable() else "?" for each in line)


def prepare(path: Path) -> bool:
    """Make the folder if there is none; whether the engine has yet to be started in it.

    Raises Unusable, and OSError if the folder cannot be made or read.
    """
    if path.exists() and not path.is_dir():
        raise Unusable("cannot be opened: it is a file; name a folder in OTEL_USAGE_DSN.")
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise Unusable(
            "cannot be opened: this user may not write there; "
            "allow it, or name another folder in OTEL_USAGE_DSN."
        )
    owner = _owner(path / "status")
    if owner == os.getpid():
        return False
    if owner is not None:
        raise Unusable(
            f"is in use by process {owner}, and belongs to one process at a time: "
            "stop that one, or name another folder or a ClickHouse server in OTEL_USAGE_DSN."
        )
    _check_owner(path)
    _check_tables(path)
    return True


def check_parts(client: Client, database: str) -> None:
    """Raise Unusable if the engine has put aside a part of a table of the database: its rows are not read."""
    rows = client.query(_BROKEN, parameters={"database": database}).result_rows
    if not rows:
        return
    table, part = rows[0]
    others = f" (and {len(rows) - 1} more)" if rows[1:] else ""
    raise Unusable(
        f"is damaged: a part of table {table} cannot be read, and was put aside as {part}{others}; "
        "restore the store from a backup, or move the part away to go on without its rows."
    )


def damaged(words: str) -> Unusable:
    """The engine does not start, for this reason."""
    return Unusable(f"cannot be opened: {words.rstrip('. ')}; if it is damaged, {_RESTORE}")


@contextlib.contextmanager
def engine_words() -> Iterator[EngineWords]:
    """Keep what is written to standard error meanwhile. It is written after all if there is no error."""
    words = EngineWords()
    try:
        stderr = os.dup(2)
    except OSError:  # it is closed
        yield words
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield words
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            kept.seek(0)
            words.text = kept.read().decode(errors="replace")
    os.write(2, words.text.encode())


def _owner(status: Path) -> int | None:
    """The process that has the store of this status file open: it locks the file, and is named in it."""
    try:
        with status.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        found = _STATUS_PID.search(status.read_text())
        return int(found[1]) if found else None
    return None


def _check_owner(path: Path) -> None:
    found = {each.name for each in path.iterdir() if not each.name.startswith(".")} - _OF_NOBODY
    if found & _OF_A_SERVER:
        raise Unusable(
            "cannot be opened: the folder is of a ClickHouse server; "
            "name that server, or another folder, in OTEL_USAGE_DSN."
        )
    others = sorted(found - _OURS)
    if others and not found >= _STORE:
        raise Unusable(
            f"cannot be opened: the folder has other files ({_listed(others)}); "
            "name a new or an empty one in OTEL_USAGE_DSN."
        )


def _check_tables(path: Path) -> None:
    """Each table has a link to its data. The engine would make an empty table of one whose data is gone."""
    for link in sorted((path / "data").glob("*/*")):
        if link.is_symlink() and not (path / "store").joinpath(*link.readlink().parts[-2:]).exists():
            raise Unusable(f"is damaged: the data of table {link.name} is gone; {_RESTORE}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join((*names[:_NAMED], *(["..."] if names[_NAMED:] else [])))
