"""Sealing: the sums of days whose rows rest are made, so that summaries need not read those rows.

A day is sealed again whenever something came to it. Nothing depends on it: a day that is not sealed is read
from its rows. So it waits until a day is quiet, and seals one month at a time. One process seals a month,
under its lock.
"""

import itertools
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import anyio

from otel_usage.month_lock import MonthLock, Taken, clear
from otel_usage.store import Store, sums
from otel_usage.store.sums import Day


@dataclass(frozen=True, slots=True)
class Sealed:
    """A month of which some days were sealed."""

    month: int
    days: Sequence[Day]
    seconds: float


async def seal(store: Store, quiet: float) -> AsyncIterator[Sealed]:
    """Seal the days to which nothing came for `quiet` seconds, the newest month first.

    A month that another process is sealing is left to it. Raises Retryable if the store cannot do it now.
    """
    await clear(store)
    days = await store.look(sums.read_days())
    gone = [day for day in days if day.is_expired and not day.rows]
    due = [day for day in days if _is_due(day, quiet)]
    months = [(month, [*some]) for month, some in itertools.groupby(due, lambda day: day.month)]
    for month, some in reversed(months):
        begun = time.monotonic()
        try:
            await _seal_month(store, month, some, gone)
        except Taken:
            continue
        yield Sealed(month, some, time.monotonic() - begun)


async def _seal_month(store: Store, month: int, days: Sequence[Day], gone: Sequence[Day]) -> None:
    staging = f"{sums.STAGING}{secrets.token_hex(8)}"
    async with MonthLock(store, month) as lock:
        try:
            await store.command(sums.create_staging(staging))
            for day in days:
                await lock.renew()
                await store.command(sums.seal_day(staging, day))
                await store.command(sums.mark_day(staging, day))
            await store.command(sums.sum_days(staging))
            await store.command(sums.sum_accounts(staging))
            await store.command(sums.copy_others(staging, month, [*days, *gone]))
            await lock.renew()
            await store.command(sums.merge(staging))
            await lock.check()
            await store.command(sums.replace_month(staging, month))
        finally:
            with anyio.CancelScope(shield=True):
                await store.command(sums.drop_table(staging))


def _is_due(day: Day, quiet: float) -> bool:
    return not day.is_sealed and not day.is_expired and day.rows > 0 and day.quiet_for >= quiet
