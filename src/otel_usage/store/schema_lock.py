"""One process at a time changes the schema of a database.

Each that wants to raises a flag, a table of its own, and then looks for flags of others. If there is one, it
takes its own down and waits. Of two the one who raised later sees the other, so two never go on together,
whatever the order; both may step back, and try again after times that differ. No flag is ever taken over, so
there is no race for the flag of one that died: it is old, and anyone may remove it by its name.
On a cluster a flag is raised on every node before its owner looks at one.
"""

import contextlib
import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from otel_usage.model import Retryable

PREFIX: Final = "schema_lock_"
STALE: Final = 600
"""Seconds without a sign of life after which a flag is void. Its owner gives one before each migration."""
WAIT: Final = 30
"""Seconds to wait for others."""

_UNKNOWN_TABLE: Final = 60
_FLAGS: Final = f"""\
SELECT name, comment, toInt64(now()) - toInt64(metadata_modification_time) AS age
FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '{PREFIX}')
ORDER BY name"""  # noqa: S608 (ours)


@contextlib.contextmanager
def held(
    client: Client, clause: str = "", *, wait: float = WAIT, stale: int = STALE
) -> Iterator[Callable[[], None]]:
    """Hold the lock of the client's database; what is yielded says that its owner lives.

    `clause` is the ON CLUSTER of each statement. Raises Retryable if others have the lock for `wait` seconds,
    or if it was taken from us because we gave no sign of life for too long.
    """
    flag = _Flag(client, f"{PREFIX}{secrets.token_hex(8)}", clause, stale)
    try:
        _acquire(flag, time.monotonic() + wait)
        yield flag.renew
    finally:
        flag.drop()


def unlock(client: Client, clause: str = "") -> Sequence[str]:
    """Remove all flags, whosesoever they are; who had raised them."""
    return _Flag(client, "", clause, stale=-1).clear()


@dataclass(frozen=True, slots=True)
class _Flag:
    """A table that says that its owner changes the schema, or wants to."""

    client: Client
    name: str
    clause: str
    stale: int

    def hoist(self) -> None:
        self.client.command(f"CREATE TABLE {self._table} (is UInt8) ENGINE = Null {_owner()}")

    def renew(self) -> None:
        """Say that the owner lives. Raises Retryable if the flag is gone."""
        try:
            self.client.command(f"ALTER TABLE {self._table} MODIFY {_owner()}")
        except DatabaseError as error:
            if getattr(error, "code", None) != _UNKNOWN_TABLE:
                raise
            message = "The lock of the schema was taken away: try again."
            raise Retryable(message, retry_after=WAIT) from error

    def drop(self) -> None:
        self.client.command(f"DROP TABLE IF EXISTS {self._table} SYNC")

    def others(self) -> Sequence[str]:
        """Who else has one. Those of the dead are removed."""
        self.clear()
        return [owner for name, owner, _ in self.client.query(_FLAGS).result_rows if name != self.name]

    def clear(self) -> Sequence[str]:
        """Remove the flags of others that are stale; whose they were."""
        rows = self.client.query(_FLAGS).result_rows
        dead = {name: str(owner) for name, owner, age in rows if age > self.stale and name != self.name}
        for name in dead:
            _Flag(self.client, name, self.clause, self.stale).drop()
        return list(dead.values())

    @property
    def _table(self) -> str:
        return f"{quote_identifier(self.name)} {self.clause}"


def _acquire(flag: _Flag, deadline: float) -> None:
    while others := flag.others() or _contenders(flag):
        if time.monotonic() > deadline:
            raise Retryable(
                f"The schema is being changed by {' and '.join(others)}: try again. "
                "If that process is dead, remove its lock: otel-usage schema apply --unlock.",
                retry_after=WAIT,
            )
        time.sleep(random.uniform(0.1, 0.5))  # noqa: S311 (no secret: two that wait must not wait alike)


def _contenders(flag: _Flag) -> Sequence[str]:
    """Who has a flag up beside ours. If there are any, ours is taken down again."""
    flag.hoist()
    others = flag.others()
    if others:
        flag.drop()
    return others


def _owner() -> str:
    host = socket.gethostname().replace("\\", "").replace("'", "")
    return f"COMMENT 'process {os.getpid()} on {host}'"
