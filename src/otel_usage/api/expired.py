"""Questions that reach back to calls whose rows have expired: what of them can be answered, and what cannot.

Their sums are kept: by quarter hour, and by day for accounts. What these do not tell apart is not known any
more. A question that names such a time is refused, rather than answered with less than it cost; one that has
no beginning is answered from there on, and says so.
"""

from dataclasses import dataclass

from otel_usage import rfc3339
from otel_usage.api.problems import Fault, Invalid
from otel_usage.horizon import Horizon
from otel_usage.model import EARLIEST_NS
from otel_usage.store.groups import Grouping, dimensions
from otel_usage.store.pieces import pieces
from otel_usage.store.queries import UsageFilter


@dataclass(frozen=True, slots=True)
class Past:
    """Which calls have expired, for one question."""

    horizon: Horizon

    def of_list(self, usage: UsageFilter) -> int | None:
        """The time before which rows are missing in a list, in Unix nanoseconds; None: none are."""
        until = self.horizon.expired_until_ns
        return until if until is not None and (usage.from_ns or EARLIEST_NS) < until else None

    def of_sums(self, usage: UsageFilter, grouping: Grouping | None) -> int | None:
        """The time before which calls are missing in sums, in Unix nanoseconds; None: none are.

        Raises Invalid for a question that names a time whose calls are not told apart any more.
        """
        until = self.horizon.expired_until_ns
        if until is None:
            return None
        asked = [pieces(usage), *([pieces(usage, dimensions(grouping))] if grouping else [])]
        rows_from_ns = min(
            (each.rows_from_ns for each in asked if each.rows_from_ns is not None), default=None
        )
        if rows_from_ns is None or rows_from_ns >= until:
            return None
        if usage.from_ns is None and rows_from_ns == EARLIEST_NS:
            return until
        raise Invalid([Fault("to" if usage.from_ns is None else "from", _told(until))])


def _told(until_ns: int) -> str:
    return (
        f"calls before {rfc3339.render(until_ns)} are known as sums only: by quarter hours, or with accounts "
        "by days of UTC, and without transactionId, asOf, and groups by service, operation or transaction"
    )
