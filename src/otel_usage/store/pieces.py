"""What sums of calls are taken of: the sums of days and quarter hours, and rows where there are none.

A span of time is cut into pieces: whole days in the middle, quarter hours before and after them, and the rows
of what is left at both ends. Each piece is read from the view of its grain, which reads sealed sums where
there are valid ones, and rows elsewhere; so an answer is exact, however it is cut. What the sums do not tell
apart (a transaction, a moment of `as_of_ns`) is read from rows altogether.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from otel_usage.model import EARLIEST_NS
from otel_usage.store.queries import UsageFilter, about, demands

DAY_NS: Final = 86_400 * 10**9
QUARTER_NS: Final = 900 * 10**9
"""Of an hour. The days of every time zone begin at one: see the view `quarter_sums`."""

_ROWS: Final = "SELECT $dimensions, toUInt64(1) AS calls, $measures FROM $rows WHERE $conditions"
_VIEW: Final = "SELECT {dimensions}, calls, {measures} FROM {view} WHERE {conditions}"
_MEASURES: Final = (
    *("duration_ns", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "list_cost", "billed_cost"),
)
_ALWAYS: Final = ("context", "model_id", "usage_status", "attribution", "unpriced_reason")
_OF_ROWS: Final = {
    "day": "toDate(started_at) AS day",
    "quarter": "toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter",
}
_OF_VIEWS: Final = frozenset(
    {*("tenant", "account_id", "model_id", "context", "provider", "usage_type", "usage_status", "role")}
    | {"from_ns", "to_ns"}
)
"""The fields of a filter that the sums tell apart."""
_OF_SUMS: Final = frozenset(
    {*_ALWAYS, "account_id", "provider", "usage_type", "request_model", "response_model", "day", "quarter"}
)
"""The columns of rows that the sums have."""

# Like those of rows: a condition on the quarter must not choose parts, see `queries`. One on the day may.
_TIMES: Final = {
    "first_day": "day >= {first_day:Date}",
    "last_day": "day <= {last_day:Date}",
    "first_quarter": "greatest(quarter, toDateTime({first_quarter:UInt32}, 'UTC')) = quarter",
    "end_quarter": "greatest(quarter, toDateTime({end_quarter:UInt32}, 'UTC')) != quarter",
}


@dataclass(frozen=True, slots=True)
class Pieces:
    """SQL of a subquery with the columns asked for, `calls` and sums; and its parameters.

    A row of it is of one or more calls that are alike in these columns. `rows_from_ns` is where the calls
    begin that are read one by one, and not as sums; EARLIEST_NS: with the first; None: there are none.
    """

    sql: str
    parameters: Mapping[str, object]
    rows_from_ns: int | None


@dataclass(frozen=True, slots=True)
class _Piece:
    """Calls that start in [from_ns, to_ns), and where they are read from: rows, or a view of sums."""

    view: str
    from_ns: int | None
    to_ns: int | None


def pieces(usage: UsageFilter, dimensions: Collection[str] = ()) -> Pieces:
    """The calls that `usage` means, by these columns of rows; `day` and `quarter` are of the start."""
    held = tuple(dict.fromkeys((*_ALWAYS, *dimensions)))
    told: list[str] = []
    parameters: dict[str, object] = {}
    cut = [*_cut(usage, held)]
    for number, piece in enumerate(cut):
        sql, given = _read(piece, usage, held)
        for name, value in given.items():
            # A name has its value in all pieces, or one in each.
            own = name if parameters.get(name, value) == value else f"{name}_{number}"
            sql = sql if own == name else sql.replace(f"{{{name}:", f"{{{own}:")
            parameters[own] = value
        told.append(sql)
    one_by_one = [EARLIEST_NS if each.from_ns is None else each.from_ns for each in cut if not each.view]
    return Pieces("\n    UNION ALL\n    ".join(told), parameters, min(one_by_one, default=None))


def _cut(usage: UsageFilter, dimensions: Collection[str]) -> Iterator[_Piece]:
    nothing = usage.from_ns is not None and usage.to_ns is not None and usage.from_ns >= usage.to_ns
    if nothing or not _is_summed(usage, dimensions):
        yield _Piece("", usage.from_ns, usage.to_ns)
    elif "account_id" in dimensions or usage.account_id is not None:
        yield from _grains([("account_model_sums", DAY_NS)], usage.from_ns, usage.to_ns)
    elif "quarter" in dimensions:
        yield from _grains([("quarter_sums", QUARTER_NS)], usage.from_ns, usage.to_ns)
    else:
        views = [("day_sums", DAY_NS), ("quarter_sums", QUARTER_NS)]
        yield from _grains(views, usage.from_ns, usage.to_ns)


def _grains(views: list[tuple[str, int]], from_ns: int | None, to_ns: int | None) -> Iterator[_Piece]:
    """The span in pieces: of the first view what it has whole grains of, of the others what is around it."""
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        return
    if not views:
        yield _Piece("", from_ns, to_ns)
        return
    (view, grain), *finer = views
    begin = None if from_ns is None else -(-from_ns // grain) * grain
    end = None if to_ns is None else to_ns // grain * grain
    if begin is not None and end is not None and begin >= end:
        yield from _grains(finer, from_ns, to_ns)
        return
    if begin is not None:
        yield from _grains(finer, from_ns, begin)
    yield _Piece(view, begin, end)
    if end is not None:
        yield from _grains(finer, end, to_ns)


def _is_summed(usage: UsageFilter, dimensions: Collection[str]) -> bool:
    fields = {name for name in UsageFilter.__slots__ if getattr(usage, name) is not None}
    by_account = usage.account_id is not None or "account_id" in dimensions
    return (
        fields <= _OF_VIEWS
        and _OF_SUMS.issuperset(dimensions)
        and not (by_account and "quarter" in dimensions)
    )


def _read(piece: _Piece, usage: UsageFilter, dimensions: Collection[str]) -> tuple[str, Mapping[str, object]]:
    listed = ", ".join(dimensions)
    measures = ", ".join(_MEASURES)
    if not piece.view:
        columns = ", ".join(_OF_ROWS.get(name, name) for name in dimensions)
        sql = _ROWS.replace("$dimensions", columns).replace("$measures", measures)
        return about(sql, replace(usage, from_ns=piece.from_ns, to_ns=piece.to_ns))
    times = _times(piece)
    conditions, parameters = demands(replace(usage, from_ns=None, to_ns=None))
    conditions = [*conditions, *(_TIMES[name] for name in times)]
    sql = _VIEW.format(
        dimensions=listed, measures=measures, view=piece.view, conditions=" AND ".join(conditions)
    )
    return sql, {**parameters, **times}


def _times(piece: _Piece) -> Mapping[str, object]:
    """What is asked of the day, and of the quarter hour where the piece is not of whole days."""
    by_quarter = piece.view == "quarter_sums"
    times: dict[str, object] = {}
    if piece.from_ns is not None:
        times["first_day"] = _date(piece.from_ns)
        if by_quarter and piece.from_ns % DAY_NS:
            times["first_quarter"] = piece.from_ns // 10**9
    if piece.to_ns is not None:
        times["last_day"] = _date(piece.to_ns - 1)
        if by_quarter and piece.to_ns % DAY_NS:
            times["end_quarter"] = piece.to_ns // 10**9
    return times


def _date(ns: int) -> date:
    return datetime.fromtimestamp(ns // 10**9, UTC).date()
