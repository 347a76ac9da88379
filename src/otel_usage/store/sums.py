"""The sums of days that rest: the statements that make them, each atomic, in the order in which they are run.

The sums of a month are made in a table of their own, with those of its other days beside them, and put in the
place of the old ones at once. They count for as long as the marks that they carry are those of their days
(see the view `usage_days`), so whatever is cut off, and whoever writes meanwhile, no sum is ever wrong: it is
the current one, or it is not used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from string import Template
from typing import Final

from clickhouse_connect.driver.binding import quote_identifier

from otel_usage.store.queries import Statement

STAGING: Final = "sealed_next_"
"""How the tables begin that sums are made in. Each has a name of its own: no two sealers share one."""
LOCK: Final = "sealing_"
"""How the table begins that says that a month is being sealed. One sealer can make it; the others wait."""

_MODELS: Final = ("provider", "model_id", "request_model", "response_model")
_DIMENSIONS: Final = (
    *("role", "context", "usage_type"),
    *_MODELS,
    *("usage_status", "attribution", "unpriced_reason", "currency"),
)
MEASURES: Final = (
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    *("reasoning_tokens", "input_audio_tokens", "cache_read_audio_tokens", "output_audio_tokens"),
    *("input_image_tokens", "output_image_tokens", "input_audio_ns", "output_audio_ns", "input_characters"),
    *("web_searches", "rerank_searches", "output_images", "list_cost", "billed_cost"),
    "unlisted_cost",
)
"""What is summed up, beside calls and their duration."""
_MARK: Final = ("block", "blocks", "kept")
LEVELS: Final = ("quarter", "day", "account_model", "account")
"""What sums there are of each day, each of all its rows."""
COLUMNS: Final = (
    *("tenant", "level", "account_id", "bucket"),
    *_DIMENSIONS,
    *("calls", "duration_ns"),
    *MEASURES,
    *_MARK,
)
"""Of `sealed_sums`."""

UNLISTED: Final = "if(list_cost IS NULL, billed_cost, NULL) AS unlisted_cost"
"""What is billed of a row that has no list cost: a column that rows do not have."""

_SEAL_DAY: Final = """\
INSERT INTO {staging:Identifier} ($columns)
SELECT
    tenant, if(grouping(quarter) = 0, 'quarter', 'account_model') AS level, account_id,
    if(level = 'quarter', quarter, toDateTime(day, 'UTC')), $dimensions, count(), sum(duration_ns),
    $sums, {block:Int64}, {blocks:Int64}, 0
FROM
(
    SELECT
        *, $unlisted, toDate(started_at) AS day,
        toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter
    FROM usage_rows FINAL
    WHERE toYYYYMMDD(started_at) = {day:UInt32}
)
GROUP BY GROUPING SETS ((tenant, account_id, day, $dimensions), (tenant, quarter, day, $dimensions))"""

_MARK_DAY: Final = """\
INSERT INTO {staging:Identifier} (level, bucket, block, blocks, kept)
SELECT 'mark', toDateTime({day:Date}, 'UTC'), {block:Int64}, {blocks:Int64}, 0"""

_SUM_DAYS: Final = """\
INSERT INTO {staging:Identifier} ($columns)
SELECT tenant, 'day', '', toStartOfDay(bucket), $dimensions, sum(calls), sum(duration_ns), $sums, $mark
FROM {staging:Identifier}
WHERE level = 'quarter'
GROUP BY tenant, toStartOfDay(bucket), $dimensions, $mark"""

_SUM_ACCOUNTS: Final = """\
INSERT INTO {staging:Identifier} ($columns)
SELECT tenant, 'account', account_id, bucket, $no_models, sum(calls), sum(duration_ns), $sums, $mark
FROM {staging:Identifier}
WHERE level = 'account_model'
GROUP BY tenant, account_id, bucket, $but_models, $mark"""

_COPY_OTHERS: Final = """\
INSERT INTO {staging:Identifier} ($columns)
SELECT $columns
FROM sealed_sums
WHERE kept = 0 AND toYYYYMM(bucket) = {month:UInt32} AND NOT has({days:Array(UInt32)}, toYYYYMMDD(bucket))"""


@dataclass(frozen=True, slots=True)
class Day:
    """A day of rows. `number` is its date as digits: 20261231.

    `block` and `blocks` are its mark. `quiet_for` is how many seconds ago its rows were last touched.
    """

    number: int
    is_sealed: bool
    is_expired: bool
    rows: int
    block: int
    blocks: int
    quiet_for: int

    @property
    def month(self) -> int:
        """As digits: 202612."""
        return self.number // 100

    @property
    def date(self) -> date:
        """The day, which is of UTC."""
        return date_of(self.number)


@dataclass(frozen=True, slots=True)
class Table:
    """A lock, with its holder as its comment, or a table to make sums in.

    `idle_for` is how many seconds ago it was last said that it is in use.
    """

    name: str
    comment: str
    idle_for: int


def date_of(number: int) -> date:
    """The day whose date these digits are: 20261231."""
    return datetime.strptime(str(number), "%Y%m%d").replace(tzinfo=UTC).date()


def read_days() -> Statement[Day]:
    """The days there are rows of, or have been, in order."""
    sql = (
        "SELECT day, is_sealed, is_expired, stored_versions, current_block, current_blocks, "
        "dateDiff('second', modified_at, now()) FROM usage_days ORDER BY day"
    )
    return Statement("read_days", sql, {}, Day)


def read_tables(beginning: str) -> Statement[Table]:
    """The tables of the database whose names begin so."""
    sql = (
        "SELECT name, comment, dateDiff('second', metadata_modification_time, now()) FROM system.tables "
        "WHERE database = currentDatabase() AND startsWith(name, {beginning:String}) ORDER BY name"
    )
    return Statement("read_tables", sql, {"beginning": beginning}, Table)


def take_lock(name: str, holder: int) -> Statement[None]:
    """Make a lock, and say whose it is. Fails with TABLE_ALREADY_EXISTS where there is one."""
    sql = f"CREATE TABLE {{name:Identifier}} (holder UInt64) ENGINE = Memory COMMENT '{holder:d}'"
    return _command("take_lock", sql, {"name": name})


def renew_lock(name: str, holder: int) -> Statement[None]:
    """Say that the holder of a lock is at work still. Fails with UNKNOWN_TABLE where it was taken away."""
    sql = f"ALTER TABLE {{name:Identifier}} MODIFY COMMENT '{holder:d}'"
    return _command("renew_lock", sql, {"name": name})


def drop_table(name: str) -> Statement[None]:
    """Drop a lock, or a table that sums were made in."""
    return _command("drop_table", "DROP TABLE IF EXISTS {name:Identifier}", {"name": name})


def create_staging(name: str) -> Statement[None]:
    """Make an empty table to make sums in."""
    return _command("create_staging", "CREATE TABLE {name:Identifier} AS sealed_sums", {"name": name})


def seal_day(staging: str, day: Day) -> Statement[None]:
    """The sums of a day's rows by quarter hour, and by account and model, with the mark it had before."""
    return _command("seal_day", _SEAL_DAY, {"staging": staging, "day": day.number, **_mark(day)})


def mark_day(staging: str, day: Day) -> Statement[None]:
    """Say that a day is sealed as of its mark, though there may be no sums of it."""
    return _command("mark_day", _MARK_DAY, {"staging": staging, "day": day.date, **_mark(day)})


def sum_days(staging: str) -> Statement[None]:
    """The sums of days, of those of their quarter hours."""
    return _command("sum_days", _SUM_DAYS, {"staging": staging})


def sum_accounts(staging: str) -> Statement[None]:
    """The sums of accounts, of those of their models."""
    return _command("sum_accounts", _SUM_ACCOUNTS, {"staging": staging})


def copy_others(staging: str, month: int, days: Sequence[Day]) -> Statement[None]:
    """The sums there are of the days of the month that are not among `days`."""
    numbers = [day.number for day in days]
    return _command("copy_others", _COPY_OTHERS, {"staging": staging, "month": month, "days": numbers})


def merge(staging: str) -> Statement[None]:
    """Make one part of what was inserted: each part more is opened by every question."""
    return _command("merge_sums", "OPTIMIZE TABLE {staging:Identifier} FINAL", {"staging": staging})


def replace_month(staging: str, month: int) -> Statement[None]:
    """Put the sums of a month in the place of the old ones, at once."""
    # ClickHouse takes no bound parameters here.
    sql = f"ALTER TABLE sealed_sums REPLACE PARTITION (0, {month:d}) FROM {quote_identifier(staging)}"
    return _command("replace_month", sql, {})


def _mark(day: Day) -> Mapping[str, object]:
    return {"block": day.block, "blocks": day.blocks}


def _command(name: str, sql: str, parameters: Mapping[str, object]) -> Statement[None]:
    words = {
        "columns": _listed(COLUMNS),
        "dimensions": _listed(_DIMENSIONS),
        "mark": _listed(_MARK),
        "unlisted": UNLISTED,
        "sums": _listed(f"sum({name})" for name in MEASURES),
        "no_models": _listed("''" if name in _MODELS else name for name in _DIMENSIONS),
        "but_models": _listed(name for name in _DIMENSIONS if name not in _MODELS),
    }
    return Statement(name, Template(sql).substitute(words), parameters, _nothing)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _nothing(*_: object) -> None:
    return None
