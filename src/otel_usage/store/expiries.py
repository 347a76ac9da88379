"""The expiry of a day: the statements that keep its sums, and then let its rows go, in their order.

What is kept of a day has an id (`kept`), and counts once `expired_days` names it: that one row is the switch
from the sums that rows can make again to those that nothing can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from otel_usage.store.queries import Statement
from otel_usage.store.sums import COLUMNS, LEVELS, MEASURES, UNLISTED, Day

_KEPT_COLUMNS: Final = ", ".join(name for name in COLUMNS if name != "kept")

_KEEP: Final = f"""\
INSERT INTO sealed_sums ({_KEPT_COLUMNS}, kept)
SELECT {_KEPT_COLUMNS}, {{kept:UInt64}}
FROM sealed_sums
WHERE kept = 0 AND toYYYYMMDD(bucket) = {{day:UInt32}}"""  # noqa: S608 (names of columns)

_SUMS: Final = ", ".join(f"sum({name}) AS sum_{name}" for name in ("duration_ns", *MEASURES))
_DIFFER: Final = f"""\
SELECT count()
FROM
(
    SELECT *
    FROM
    (
        SELECT tenant, level, sum(calls) AS sum_calls, {_SUMS}
        FROM sealed_sums
        WHERE kept = {{kept:UInt64}} AND toYYYYMMDD(bucket) = {{day:UInt32}} AND level != 'mark'
        GROUP BY tenant, level
        UNION ALL
        SELECT tenant, arrayJoin({{levels:Array(String)}}) AS level, count() AS sum_calls, {_SUMS}
        FROM (SELECT *, {UNLISTED} FROM usage_rows FINAL WHERE toYYYYMMDD(started_at) = {{day:UInt32}})
        GROUP BY tenant, level
    )
    GROUP BY ALL
    HAVING count() != 2
)"""  # noqa: S608 (names of columns)

_EXPIRE: Final = """\
INSERT INTO expired_days (day, kept, stored_versions)
SELECT {day:Date}, {kept:UInt64}, {rows:UInt64}"""

_LEAVING: Final = """\
SELECT
    toYYYYMMDD(expired_days.day), expired_days.kept, dateDiff('second', expired_days.expired_at, now64()),
    usage_days.current_block = marks.block AND usage_days.current_blocks = marks.blocks
FROM expired_days FINAL
INNER JOIN usage_days ON usage_days.day = toYYYYMMDD(expired_days.day)
LEFT JOIN
(
    SELECT kept, max(block) AS block, max(blocks) AS blocks
    FROM sealed_sums
    WHERE tenant = '' AND level = 'mark' AND kept > 0
    GROUP BY kept
) AS marks ON marks.kept = expired_days.kept
WHERE expired_days.kept > 0 AND usage_days.stored_versions > 0
ORDER BY expired_days.day"""

_ORPHANS: Final = """\
SELECT DISTINCT kept
FROM sealed_sums
WHERE kept > 0 AND toYYYYMM(bucket) = {month:UInt32}
    AND kept NOT IN (SELECT kept FROM expired_days FINAL)
ORDER BY kept"""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A day that has expired, and whose rows are there still.

    `since` is for how many seconds. `is_as_kept`: nothing came to its rows after its sums were made.
    """

    number: int
    kept: int
    since: int
    is_as_kept: bool


@dataclass(frozen=True, slots=True)
class Count:
    """A number of something."""

    count: int


@dataclass(frozen=True, slots=True)
class Orphan:
    """Sums that were kept and do not count: of a process that died, or in whose place are others."""

    kept: int


def keep_day(day: Day, kept: int) -> Statement[None]:
    """Copy the sums of a sealed day to where no sealing replaces them. They do not count yet."""
    return Statement("keep_day", _KEEP, {"day": day.number, "kept": kept}, _nothing)


def count_differences(day: Day, kept: int) -> Statement[Count]:
    """How many sums, of a tenant at a level, are not what is kept of the day: one row."""
    parameters = {"day": day.number, "kept": kept, "levels": list(LEVELS)}
    return Statement("count_differences", _DIFFER, parameters, Count)


def expire_day(day: Day, kept: int) -> Statement[None]:
    """From now on what is kept of the day counts, and its rows do not. With `kept` 0: as before."""
    parameters = {"day": day.date, "kept": kept, "rows": day.rows}
    return Statement("expire_day", _EXPIRE, parameters, _nothing)


def read_leaving() -> Statement[Leaving]:
    """The days that have expired, and have rows still, in order."""
    return Statement("read_leaving", _LEAVING, {}, Leaving)


def delete_history(day: int) -> Statement[None]:
    """Delete what rows of the day were before; return when it is done."""
    # ClickHouse takes no bound parameters here.
    sql = (
        f"ALTER TABLE usage_history DELETE WHERE toYYYYMMDD(started_at) = {day:d} SETTINGS mutations_sync = 2"
    )
    return Statement("delete_history", sql, {}, _nothing)


def drop_rows(day: int) -> Statement[None]:
    """Let the rows of the day go."""
    sql = f"ALTER TABLE usage_rows DROP PARTITION ID '{day:d}' SETTINGS max_partition_size_to_drop = 0"
    return Statement("drop_rows", sql, {}, _nothing)


def drop_month(month: int) -> Statement[None]:
    """Let the sums go of a month of which only what is kept counts."""
    sql = f"ALTER TABLE sealed_sums DROP PARTITION (0, {month:d}) SETTINGS max_partition_size_to_drop = 0"
    return Statement("drop_month", sql, {}, _nothing)


def read_orphans(month: int) -> Statement[Orphan]:
    """What was kept of days of the month, and no day is expired by."""
    return Statement("read_orphans", _ORPHANS, {"month": month}, Orphan)


def delete_orphans(month: int, orphans: Sequence[Orphan]) -> Statement[None]:
    """Delete what was kept under these ids; return when it is done."""
    listed = ", ".join(str(int(orphan.kept)) for orphan in orphans)
    sql = (
        f"ALTER TABLE sealed_sums DELETE IN PARTITION (1, {month:d}) "
        f"WHERE kept IN ({listed}) SETTINGS mutations_sync = 2"
    )
    return Statement("delete_orphans", sql, {}, _nothing)


def _nothing(*_: object) -> None:
    return None
