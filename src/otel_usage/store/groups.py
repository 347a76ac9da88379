"""The sums over calls by what they have in common, and by the hour or day of a time zone they started in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from string import Template
from typing import Final

from otel_usage.store.pieces import Pieces, pieces
from otel_usage.store.queries import Statement, UsageFilter
from otel_usage.store.summary import UsageSum, filled

UTC: Final = "UTC"
MAX_GROUPS: Final = 1_000
"""Groups that are told apart in one answer; all others are summed up."""
MAX_ROWS: Final = 10_000
"""Rows of an answer: groups by hours of a year would be more than anyone reads."""

COLUMNS: Final[Mapping[str, str]] = {
    "account": "account_id",
    "context": "context",
    "model": "model_id",
    "operation": "operation",
    "provider": "provider",
    "service": "service_name",
    "transaction": "transaction_id",
    "usageType": "usage_type",
}
"""What calls may be grouped by, and the column it is in."""
INTERVALS: Final = ("hour", "day")


@dataclass(frozen=True, slots=True)
class Grouping:
    """What calls are grouped by: some of COLUMNS, an interval of INTERVALS in a time zone, or both.

    `limit` groups are told apart, those of the highest billed cost.
    """

    by: tuple[str, ...] = ()
    interval: str = ""
    timezone: str = UTC
    limit: int = MAX_GROUPS


@dataclass(frozen=True, slots=True)
class UsageGroup:
    """One group in one interval, which begins at `begin_s` (Unix time in seconds; 0: there are no intervals).

    `keys` is what its calls have in common, in the order of `Grouping.by`. Of the calls that are in none of
    the groups told apart it is empty, and `others` is how many groups they are of.
    """

    keys: tuple[str, ...]
    begin_s: int
    others: int
    sums: UsageSum


# Which groups are told apart is asked first. What comes meanwhile is in the sums all the same.
_GROUPS: Final = """\
SELECT
    $keys, toUnixTimestamp($begin) AS begin_s, uniqExactIf($of, NOT told) AS others,
    $sums
FROM
(
    $pieces
)
GROUP BY $names, begin_s
ORDER BY begin_s, told DESC, sum(billed_cost) DESC NULLS LAST, sum(calls) DESC, $names
LIMIT $most"""
_TOLD: Final = """\
$of IN (
        SELECT $of
        FROM
        (
            $pieces
        )
        GROUP BY $of
        ORDER BY sum(billed_cost) DESC NULLS LAST, sum(calls) DESC, $of
        LIMIT {groups:UInt32}
    )"""
_INTERVALS: Final[Mapping[str, str]] = {
    "": "toDateTime(0, 'UTC')",
    "hour": "toStartOfHour(toDateTime(quarter, {timezone:String}))",
    "day": "toStartOfDay(toDateTime(quarter, {timezone:String}))",
}
_UTC_DAY: Final = "toDateTime(day, 'UTC')"


def group_usage(usage: UsageFilter, grouping: Grouping) -> Statement[UsageGroup]:
    """The sums of each group, at most MAX_ROWS of them and one more; by interval, the dearest first."""
    columns = [COLUMNS[name] for name in grouping.by]
    of_utc_days = _is_of_utc_days(grouping)
    begin = _UTC_DAY if of_utc_days else _INTERVALS[grouping.interval]
    read = pieces(usage, dimensions(grouping))
    sql = Template(filled(_GROUPS, read.sql)).substitute(_words(columns, begin, read))
    parameters = dict(read.parameters)
    if columns:
        parameters["groups"] = grouping.limit
    if grouping.interval and not of_utc_days:
        parameters["timezone"] = grouping.timezone
    return Statement("group_usage", sql, parameters, partial(_group, len(columns)))


def dimensions(grouping: Grouping) -> Sequence[str]:
    """What the pieces of an answer are told apart by."""
    columns = [COLUMNS[name] for name in grouping.by]
    interval = ["day" if _is_of_utc_days(grouping) else "quarter"] if grouping.interval else []
    return [*columns, *interval]


def _is_of_utc_days(grouping: Grouping) -> bool:
    return grouping.interval == "day" and grouping.timezone == UTC


def _words(columns: list[str], begin: str, read: Pieces) -> Mapping[str, str]:
    """What stands in the statement: of no columns there is one group, which is told."""
    of = f"tuple({', '.join(columns)})"
    names = [f"key_{name}" for name in columns]
    told = Template(_TOLD).substitute(of=of, pieces=read.sql) if columns else "1"
    keys = [f"{told} AS told", *(f"if(told, {name}, '') AS key_{name}" for name in columns)]
    return {
        "keys": ",\n    ".join(keys),
        "names": ", ".join(["told", *names]),
        "begin": begin,
        "of": of,
        "most": str(MAX_ROWS + 1),
    }


def _group(width: int, told: int, *values: object) -> UsageGroup:
    del told
    keys = tuple(map(str, values[:width]))
    begin_s, others, *sums = values[width:]
    assert isinstance(begin_s, int)  # noqa: S101 (for the type checker: it is what the statement says)
    assert isinstance(others, int)  # noqa: S101
    return UsageGroup(keys, begin_s, others, UsageSum("group", "", *sums))  # type: ignore[arg-type]
