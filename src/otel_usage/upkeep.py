"""Upkeep of the store: days are sealed, and expire. A server does it again and again, the command line once.

It rests for longer than it worked, so that questions and rows that come have the engine to themselves.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import structlog

from otel_usage.config import Settings
from otel_usage.expiry import Expired, expire
from otel_usage.sealing import Sealed, seal
from otel_usage.store import Store
from otel_usage.trouble import Trouble

REST: Final = 4
"""How many times as long as it worked a server leaves the engine to others before it seals another month."""


async def keep_up(store: Store, quiet: float) -> AsyncIterator[Sealed | Expired]:
    """Do what is due: seal days to which nothing came for `quiet` seconds, then let days expire.

    Raises WrongSums, Retryable.
    """
    async for sealed in seal(store, quiet):
        yield sealed
    async for expired in expire(store, datetime.now(UTC)):
        yield expired


async def follow(store: Store, settings: Settings) -> None:
    """Do what is due, again and again. What fails is tried again the next time, and told once."""
    trouble = Trouble("upkeep of the store was not done", "upkeep of the store cannot be done")
    rest = 0.0
    while True:
        await asyncio.sleep(max(rest, settings.seal_interval))
        rest = 0.0
        try:
            async for done in keep_up(store, settings.seal_quiet):
                rest = _log(done)
                await asyncio.sleep(rest)
            trouble.over()
        except Exception as error:  # noqa: BLE001  days that are not sealed are read from their rows
            trouble.tell(error)


def told(done: Sealed | Expired) -> str:
    """What was done, as a line."""
    if isinstance(done, Sealed):
        days = ", ".join(str(day.date) for day in done.days)
        return f"sealed {days} in {done.seconds:.1f} s"
    rest = "rows are gone" if done.rows_are_gone else "sums count in the place of rows, which go later"
    return f"expired {done.date}: {rest}"


def _log(done: Sealed | Expired) -> float:
    """Say what was done; for how long to rest from it."""
    log = structlog.get_logger()
    if isinstance(done, Sealed):
        log.info("sealed", month=done.month, days=len(done.days), seconds=round(done.seconds, 3))
        return REST * done.seconds
    log.info("expired", day=done.day, rows="gone" if done.rows_are_gone else "about to go")
    return 0.0
