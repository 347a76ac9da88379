"""The lock of a month: one process at a time changes the sums of its days.

It is a table, which only one can make. One whose holder died is taken away, after LEASE.
"""

import secrets
from types import TracebackType
from typing import Final, Self

import anyio

from otel_usage.store import Exists, Store, sums

LEASE: Final = 600
"""Seconds after which a lock that was not renewed is that of a dead process, and what it left may go."""


class Taken(Exception):
    """Another process has the month, or took it over."""


class MonthLock:
    """An async context manager. Entering it raises Taken, and Retryable if the store cannot do it now."""

    def __init__(self, store: Store, month: int) -> None:
        self._store = store
        self._name = f"{sums.LOCK}{month}"
        self._holder = secrets.randbits(63)

    async def __aenter__(self) -> Self:
        try:
            await self._store.command(sums.take_lock(self._name, self._holder))
        except Exists as error:
            raise Taken(self._name) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            if await self._is_ours():
                await self._store.command(sums.drop_table(self._name))

    async def renew(self) -> None:
        """Say that we are at work still. Raises Retryable, also if it was taken away."""
        await self._store.command(sums.renew_lock(self._name, self._holder))

    async def check(self) -> None:
        """Raise Taken if it took too long, and another process took over."""
        if not await self._is_ours():
            raise Taken(self._name)

    async def _is_ours(self) -> bool:
        found = await self._store.look(sums.read_tables(self._name))
        return [table.comment for table in found] == [str(self._holder)]


async def clear(store: Store) -> None:
    """Drop what dead processes left. An embedded store is ours alone: whatever is there was left."""
    for beginning in (sums.STAGING, sums.LOCK):
        for table in await store.look(sums.read_tables(beginning)):
            if store.is_exclusive or table.idle_for > LEASE:
                await store.command(sums.drop_table(table.name))
