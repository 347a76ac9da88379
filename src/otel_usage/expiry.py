"""Expiry: rows of days that are older than the retention go, and what they cost is kept.

A day is done in steps, each of which can be the last one of a process that dies: its sums are copied to where
nothing replaces them, compared with its rows, and put in the place of the rows by one insert. A while later,
when no question that began before is at work, its rows go. If anything came to them in between, the day is
as before: nobody should write to it any more (see `horizon`), but nothing is lost if one does.
"""

import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime

import structlog

from otel_usage.horizon import expires_before
from otel_usage.model import Permanent
from otel_usage.month_lock import LEASE, MonthLock, Taken
from otel_usage.store import Store, expiries, sums
from otel_usage.store.expiries import Leaving
from otel_usage.store.retention import read_decisions
from otel_usage.store.sums import Day


@dataclass(frozen=True, slots=True)
class Expired:
    """A day (20261231) whose sums are kept now, or whose rows are gone."""

    day: int
    rows_are_gone: bool

    @property
    def date(self) -> date:
        """The day, which is of UTC."""
        return sums.date_of(self.day)


class WrongSums(Permanent):
    """What would be kept of days is not what their rows say. They stay."""


async def expire(store: Store, now: datetime, linger: float = LEASE) -> AsyncIterator[Expired]:
    """Let days go that are past their retention as of `now`, once they are sealed, the oldest first.

    Rows stay for `linger` seconds after their sums took their place. A month that another process has is
    left to it. Raises WrongSums when all else is done, and Retryable if the store cannot do it now.
    """
    async for expired in _let_rows_go(store, linger):
        yield expired
    first = expires_before(await store.query(read_decisions()), now)
    if first is None:
        return
    wrong = list[Day]()
    async for day, is_kept in _keep_sums(store, first):
        if is_kept:
            yield Expired(day.number, rows_are_gone=False)
        else:
            wrong.append(day)
    if wrong:
        told = ", ".join(str(day.date) for day in wrong)
        raise WrongSums(f"What would be kept of {told} is not what the rows say. They stay.")


async def _let_rows_go(store: Store, linger: float) -> AsyncIterator[Expired]:
    leaving = [day for day in await store.look(expiries.read_leaving()) if day.since >= linger]
    for month, days in itertools.groupby(leaving, lambda day: day.number // 100):
        with contextlib.suppress(Taken):
            async with MonthLock(store, month) as lock:
                for day in days:
                    await lock.renew()
                    if await _let_go(store, day):
                        yield Expired(day.number, rows_are_gone=True)
                await _tidy(store, month)


async def _keep_sums(store: Store, first: date) -> AsyncIterator[tuple[Day, bool]]:
    """The days before the `first` that are kept as rows, and whether their sums are right, and in place."""
    due = [day for day in await store.look(sums.read_days()) if _is_due(day) and day.date < first]
    for month, days in itertools.groupby(due, lambda day: day.month):
        with contextlib.suppress(Taken):
            async with MonthLock(store, month) as lock:
                for day in days:
                    await lock.renew()
                    kept = secrets.randbits(63) | 1
                    await store.command(expiries.keep_day(day, kept))
                    (found,) = await store.look(expiries.count_differences(day, kept))
                    if not await _is_sealed(store, day):
                        continue
                    if not found.count:
                        await store.command(expiries.expire_day(day, kept))
                    yield day, not found.count


async def _is_sealed(store: Store, day: Day) -> bool:
    """Whether it is sealed as it was."""
    return any(
        each.is_sealed and not each.is_expired and (each.block, each.blocks) == (day.block, day.blocks)
        for each in await store.look(sums.read_days())
        if each.number == day.number
    )


async def _let_go(store: Store, leaving: Leaving) -> bool:
    """Let the rows of a day go; whether they are gone."""
    if not leaving.is_as_kept:
        (day,) = [each for each in await store.look(sums.read_days()) if each.number == leaving.number]
        structlog.get_logger().warning("rows came to a day that had expired: it is not", day=leaving.number)
        await store.command(expiries.expire_day(day, 0))
        return False
    await store.command(expiries.delete_history(leaving.number))
    await store.command(expiries.drop_rows(leaving.number))
    return True


async def _tidy(store: Store, month: int) -> None:
    """Let sums go that count no more: those of rows that are gone, and those of a process that died."""
    days = [day for day in await store.look(sums.read_days()) if day.month == month]
    if all(day.is_expired and not day.rows for day in days):
        await store.command(expiries.drop_month(month))
    if orphans := await store.look(expiries.read_orphans(month)):
        await store.command(expiries.delete_orphans(month, orphans))


def _is_due(day: Day) -> bool:
    return bool(day.is_sealed and not day.is_expired and day.rows)
