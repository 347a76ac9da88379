"""How long rows are kept, as it was decided. No row goes before its day is sealed, and its sums stay."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from clickhouse_connect.driver.client import Client

from otel_usage.store.queries import Statement

TABLE: Final = "retention"

_LAST: Final = "SELECT days FROM retention ORDER BY at DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Decision:
    """Rows are kept `days` whole UTC days after their own (None: for good), since `at_us` (microseconds)."""

    days: int | None
    at_us: int


@dataclass(frozen=True, slots=True)
class LastExpired:
    """The last day whose rows have expired; None: there is none."""

    day: date | None


def days(client: Client) -> int | None:
    """Whole UTC days that rows are kept after their own; None: for good."""
    rows = client.query(_LAST).result_rows
    return None if not rows or rows[0][0] is None else int(rows[0][0])


def keep(client: Client, kept: int | None, *, author: str) -> bool:
    """Keep rows for `kept` days; None: for good. Whether that is a change: else nothing is written."""
    if days(client) == kept:
        return False
    client.insert(TABLE, [[kept, author]], column_names=["days", "author"])
    return True


def read_decisions() -> Statement[Decision]:
    """All decisions there ever were, in order."""
    sql = "SELECT days, toUnixTimestamp64Micro(at) FROM retention ORDER BY at"
    return Statement("read_decisions", sql, {}, Decision)


def last_expired() -> Statement[LastExpired]:
    """The last day whose rows have expired, or are about to, on any shard: one row."""
    sql = "SELECT maxOrNull(day) FROM expired_days FINAL WHERE kept > 0"
    return Statement("last_expired", sql, {}, LastExpired)
