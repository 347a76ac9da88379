"""Erasing an account: what names it goes, in every table, and all totals stay.

It is a run of steps, each of which can be the last one of a process that dies: run again, it goes on. Servers
learn of it first. From then on they store what comes late under the pseudonym, so what is looked for at the
end cannot grow again.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from otel_usage.erased import Erasure, pseudonym
from otel_usage.model import Permanent, Retryable
from otel_usage.month_lock import MonthLock, Taken, clear
from otel_usage.store import Store, erasures, expiries, history, schema
from otel_usage.store.erasures import BEGUN, DONE, ErasedDay
from otel_usage.store.expiries import Orphan

_SALT_BYTES: Final = 16
_DISTRIBUTED: Final = "Distributed"
_RETRY: Final = 60.0  # seconds
_HOUR_NS: Final = 3_600 * 10**9


@dataclass(frozen=True, slots=True)
class Order:
    """Whose account is to be erased, who says so, and why."""

    tenant: str
    account: str
    author: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What names an account: days with rows, and how many days that have expired, whose sums do."""

    days: Sequence[ErasedDay]
    expired: int

    @property
    def rows(self) -> int:
        """Rows that count."""
        return sum(day.rows for day in self.days)


async def find(store: Store, order: Order) -> Found:
    """What there is to be erased. Nothing is written.

    Raises Retryable if the store cannot answer.
    """
    erasure, account = await _erasure(store, order), order.account
    days = await store.look(erasures.erased_days(erasure, account))
    expired = await store.look(erasures.kept_days(erasure, account))
    return Found(days, len(expired))


async def erase(store: Store, order: Order, *, pause: float) -> Erasure:
    """Erase an account; what stands for it now. Again is allowed: for what came since, or to go on.

    `pause` is how many seconds servers may take to learn of it. Raises Permanent on a cluster; Retryable,
    also if another process has a month of it in its hands: run it again.
    """
    erasure, account = await _erasure(store, order), order.account
    await store.command(erasures.record(erasure, BEGUN, 0, order.author, order.reason))
    await clear(store)
    found = await find(store, order)
    try:
        if not store.is_exclusive:  # what others write meanwhile, before they know, must not follow the move
            await asyncio.sleep(pause)
            await _pass(store, erasure, account)
            await asyncio.sleep(pause)
        await _pass(store, erasure, account)
    except Taken as error:
        raise Retryable(
            "A server is at work on the sums of a month: run it again.", retry_after=_RETRY
        ) from error
    await store.command(erasures.record(erasure, DONE, found.rows, order.author, order.reason))
    return erasure


async def _pass(store: Store, erasure: Erasure, account: str) -> None:
    days = [day.day for day in await store.look(erasures.erased_days(erasure, account))]
    for month, some in itertools.groupby(days, lambda day: day // 100):
        await _erase_month(store, erasure, account, month, [*some])
    for kept in await store.look(erasures.kept_days(erasure, account)):
        month = kept.day // 100
        async with MonthLock(store, month):
            instead = secrets.randbits(63) | 1
            await store.command(erasures.rename_kept(erasure, account, kept, instead))
            await store.command(erasures.replace_kept(kept, instead))
            orphans = await store.look(expiries.read_orphans(month))
            await store.command(expiries.delete_orphans(month, [*orphans, Orphan(kept.kept)]))
    for statement in erasures.forget(erasure, account):
        await store.command(statement)


async def _erase_month(store: Store, erasure: Erasure, account: str, month: int, days: Sequence[int]) -> None:
    async with MonthLock(store, month) as lock:
        for day in days:
            await lock.renew()
            for table in (schema.TABLE, history.TABLE):
                await store.command(erasures.move(table, erasure, account, day))
        for tombstones in (False, True):
            await lock.renew()
            await store.command(erasures.delete_rows(erasure, days, tombstones=tombstones))
            await store.command(erasures.delete_versions(erasure, month, tombstones=tombstones))
        await store.command(erasures.delete_sums(erasure, month))


async def _erasure(store: Store, order: Order) -> Erasure:
    """The erasure as of the end of this hour: a row's key has its hour, so what is of one hour goes together.

    A tenant has one salt, so an account has the same pseudonym always.
    """
    (place,) = await store.query(erasures.find_engine())
    if place.engine == _DISTRIBUTED:
        raise Permanent(
            "An account cannot be erased on a cluster yet: its rows would move from one shard to another, "
            "and not at once."
        )
    tenant, account = order.tenant, order.account
    known = [each for each in await store.look(erasures.read_erasures()) if each.tenant == tenant]
    salts = [each.salt for each in known if each.salt]  # one that was taken away is none
    salt = salts[0] if salts else secrets.token_hex(_SALT_BYTES)
    return Erasure(
        tenant, pseudonym(salt, tenant, account), salt, (time.time_ns() // _HOUR_NS + 1) * _HOUR_NS
    )
