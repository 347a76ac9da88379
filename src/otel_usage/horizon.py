"""The horizon: which days are told apart by rows still, and which are past.

A call of a day whose rows have expired cannot be taken: whether it was charged before is not known any more.
So the doors close on a day before its rows go, by GRACE, in which all servers learn of it and finish what
they have taken. A decision to keep rows for longer holds at once; one to keep them for less closes the doors
at once, and lets rows go after the same time. What has expired never comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from otel_usage.model import EARLIEST_NS
from otel_usage.store.retention import Decision

GRACE: Final = timedelta(days=1)
"""How long rows stay after calls of their day are no longer taken."""

_DAY: Final = timedelta(days=1)
_EPOCH: Final = date(1970, 1, 1)
_DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Horizon:
    """Where what is past begins, as starts of UTC days, in Unix nanoseconds.

    `accepted_from_ns`: calls that started earlier are rejected. `expired_until_ns`: rows of calls that
    started earlier are gone, or about to go; None: no rows are.
    """

    accepted_from_ns: int = EARLIEST_NS
    expired_until_ns: int | None = None


def horizon(decisions: Sequence[Decision], last_expired: date | None, now: datetime) -> Horizon:
    """The horizon as of `now`, an aware time, by the decisions in order, and the last day that expired."""
    kept = decisions[-1].days if decisions else None
    accepted = [EARLIEST_NS]
    if kept is not None:
        accepted.append(_ns(_today(now) - timedelta(days=kept)))
    expired = None if last_expired is None else _ns(last_expired + _DAY)
    return Horizon(max(*accepted, expired or 0), expired)


def expires_before(decisions: Sequence[Decision], now: datetime) -> date | None:
    """The first day whose rows are kept; rows of the days before it may go. None: all are kept."""
    since = (now - GRACE).timestamp() * 1_000_000
    in_force = [each.days for each in decisions if each.at_us > since]
    before = [each.days for each in decisions if each.at_us <= since]
    in_force.append(before[-1] if before else None)
    if None in in_force:
        return None
    return _today(now) - GRACE - timedelta(days=max(days for days in in_force if days is not None))


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _ns(day: date) -> int:
    return (day - _EPOCH).days * _DAY_NS
