"""Sealing: the sums of days whose rows rest are made, so that summaries need not read those rows.

A day is sealed again whenever something came to it. Nothing depends on it: a day that is not sealed is read
from its rows. So it waits until a day is quiet, seals one month at a time, and rests for longer than it
worked. One process seals a month, under a lock that is a table; a lock whose holder died is taken away.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from otel_usage.config import Settings
from otel_usage.model import Retryable
from otel_usage.store import Exists, Store, sums
from otel_usage.store.sums import Day

LEASE: Final = 600
"""Seconds after which a lock that was not renewed is that of a dead process, and what it left may go."""
REST: Final = 4
"""How many times as long as it worked a server leaves the engine to others before it seals another month."""


class Taken(Exception):
    """Another process is sealing the month."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A month of which some days were sealed."""

    month: int
    days: Sequence[Day]
    seconds: float


class Sealer:
    """Seals what is to be sealed."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._holder = secrets.randbits(63)
        self._trouble = ""

    async def follow(self) -> None:
        """Seal what is quiet, again and again. What fails is tried again the next time, and told once."""
        rest = 0.0
        while True:
            await asyncio.sleep(max(rest, self._settings.seal_interval))
            rest = 0.0
            try:
                async for sealed in self.seal(self._settings.seal_quiet):
                    structlog.get_logger().info(
                        "sealed", month=sealed.month, days=len(sealed.days), seconds=round(sealed.seconds, 3)
                    )
                    rest = REST * sealed.seconds
                    await asyncio.sleep(rest)
                self._trouble = ""
            except Exception as error:  # noqa: BLE001  days that are not sealed are read from their rows
                self._tell(error)

    async def seal(self, quiet: float) -> AsyncIterator[Sealed]:
        """Seal the days to which nothing came for `quiet` seconds, the newest month first.

        A month that another process is sealing is left to it. Raises Retryable if the store cannot do it now.
        """
        await self._clear()
        due = [day for day in await self._store.query(sums.read_days()) if _is_due(day, quiet)]
        months = [(month, [*days]) for month, days in itertools.groupby(due, lambda day: day.month)]
        for month, days in reversed(months):
            begun = time.monotonic()
            try:
                await self._seal_month(month, days)
            except Taken:
                continue
            yield Sealed(month, days, time.monotonic() - begun)

    async def _seal_month(self, month: int, days: Sequence[Day]) -> None:
        lock = f"{sums.LOCK}{month}"
        staging = f"{sums.STAGING}{secrets.token_hex(8)}"
        await self._take(lock)
        try:
            await self._store.command(sums.create_staging(staging))
            for day in days:
                await self._store.command(sums.renew_lock(lock, self._holder))
                await self._store.command(sums.seal_day(staging, day))
                await self._store.command(sums.mark_day(staging, day))
            await self._store.command(sums.sum_days(staging))
            await self._store.command(sums.sum_accounts(staging))
            await self._store.command(sums.copy_others(staging, month, days))
            if not await self._is_ours(lock):  # it took too long, and another process took over
                raise Taken(lock)
            await self._store.command(sums.replace_month(staging, month))
        finally:
            with anyio.CancelScope(shield=True):
                await self._store.command(sums.drop_table(staging))
                if await self._is_ours(lock):
                    await self._store.command(sums.drop_table(lock))

    async def _take(self, lock: str) -> None:
        try:
            await self._store.command(sums.take_lock(lock, self._holder))
        except Exists as error:
            raise Taken(lock) from error

    async def _is_ours(self, lock: str) -> bool:
        found = await self._store.query(sums.read_tables(lock))
        return [table.comment for table in found] == [str(self._holder)]

    async def _clear(self) -> None:
        """Drop what dead processes left. An embedded store is ours alone: whatever is there was left."""
        for beginning in (sums.STAGING, sums.LOCK):
            for table in await self._store.query(sums.read_tables(beginning)):
                if self._store.is_exclusive or table.idle_for > LEASE:
                    await self._store.command(sums.drop_table(table.name))

    def _tell(self, error: Exception) -> None:
        if str(error) == self._trouble:
            return
        self._trouble = str(error)
        log = structlog.get_logger()
        if isinstance(error, Retryable):
            log.warning("nothing was sealed", reason=str(error))
        else:
            log.error("nothing can be sealed", exc_info=error)


def _is_due(day: Day, quiet: float) -> bool:
    return not day.is_sealed and not day.is_expired and day.rows > 0 and day.quiet_for >= quiet
