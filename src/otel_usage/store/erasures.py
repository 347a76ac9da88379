"""The erasure of an account: the statements that move its rows under a pseudonym, in the order they are run.

A row has its account in its key, so it moves, in all versions that are stored: a tombstone at the old key and
the row at the new one, in one part, so that no question sees both or none of them. Both were stored when the
row was: `asOf` an earlier time is told the same. Then what the old key has is deleted: the rows first, or
they would come back to life.

What is deleted is asked for by its pseudonym, made anew: ClickHouse keeps the text of what it deleted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Final

from otel_usage.erased import DIGITS, ERASED, IDS, PREFIX, TEXTS, Erasure
from otel_usage.store import history
from otel_usage.store.queries import Statement
from otel_usage.store.sums import COLUMNS

BEGUN, DONE = EVENTS = ("begun", "done")

_MINE: Final = (
    "tenant = {tenant:String} AND account_id = {account:String} "
    "AND started_at < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC')"
)
_NAMED: Final = (
    f"tenant = {{tenant:String}} AND concat('{PREFIX}', "
    f"lower(left(hex(SHA256(concat({{salt:String}}, '\\0', tenant, '\\0', account_id))), {DIGITS}))) "
    "= {pseudonym:String}"
)
_BEFORE: Final = "started_at < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC')"
_MOVED: Final = {
    "account_id": "if(tombstone, account_id, {pseudonym:String})",
    "is_deleted": "is_deleted OR tombstone",
    "version": "version + tombstone",
    "attribution": f"'{ERASED}'",
    **dict.fromkeys(TEXTS, "''"),
    **{name: f"toFixedString('', {8 if 'span' in name else 16})" for name in IDS},
}
_TOMBSTONE: Final = f"attribution = '{ERASED}'"
_OF_DAY: Final = "toYYYYMMDD(started_at) = {day:UInt32}"
_READ: Final = """\
SELECT tenant, pseudonym, salt, toUnixTimestamp64Nano(max(started_before)) FROM erasures
GROUP BY tenant, pseudonym, salt ORDER BY tenant, pseudonym"""
_RECORD: Final = """\
INSERT INTO erasures (tenant, pseudonym, salt, event, started_before, erased, author, reason)
SELECT {tenant:String}, {pseudonym:String}, {salt:String}, {event:String},
    fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC'), {erased:UInt64}, {author:String}, {reason:String}"""
# Also rows that are deleted already: what is left of them names the account.
_DAYS: Final = f"""\
SELECT day, max(current)
FROM
(
    SELECT toYYYYMMDD(started_at) AS day, toUInt64(0) AS current FROM usage_rows WHERE {_MINE} GROUP BY day
    UNION ALL
    SELECT toYYYYMMDD(started_at) AS day, count() FROM usage_rows FINAL WHERE {_MINE} GROUP BY day
    UNION ALL
    SELECT toYYYYMMDD(started_at) AS day, toUInt64(0) FROM usage_history WHERE {_MINE} GROUP BY day
    UNION ALL
    SELECT toYYYYMMDD(bucket) AS day, toUInt64(0) FROM sealed_sums
    WHERE tenant = {{tenant:String}} AND account_id = {{account:String}}
        AND bucket < fromUnixTimestamp64Nano({{before_ns:Int64}}, 'UTC')
    GROUP BY day
)
GROUP BY day
ORDER BY day"""  # noqa: S608 (conditions of ours)
# In the order of the key, so that nothing is sorted as a whole; and of each key the highest version first: if
# its versions come into two parts, the first of these settles who is charged. Blocks of a million rows, as
# usual, would be a gigabyte: rows are wide, and each is there twice.
_MOVE: Final = f"""\
INSERT INTO $table ($names)
SELECT $columns
FROM
(
    SELECT *, arrayJoin([1, 0]) AS tombstone
    FROM
    (
        SELECT {history.COLUMNS} FROM $table
        WHERE {_MINE} AND {_OF_DAY} AND NOT {_TOMBSTONE}
        ORDER BY tenant, account_id, toStartOfHour(started_at), call_id, version DESC, inserted_at
    )
)
SETTINGS min_insert_block_size_rows = 131072, min_insert_block_size_bytes = 0, max_threads = 1"""  # noqa: S608 (columns of ours)
_RENAME_RUNS: Final = """\
INSERT INTO reprice_runs
SELECT * REPLACE
(
    replaceAll(request, {quoted:String}, {instead:String}) AS request,
    replaceAll(cursor, {quoted:String}, {instead:String}) AS cursor,
    replaceAll(differences, {quoted:String}, {instead:String}) AS differences,
    now64(3) AS at
)
FROM
(
    SELECT * FROM reprice_runs FINAL
    WHERE tenant = {tenant:String}
        AND position(concat(request, cursor, differences), {quoted:String}) > 0
)"""
_KEPT: Final = """\
SELECT DISTINCT toYYYYMMDD(bucket), kept
FROM sealed_sums
WHERE kept > 0 AND tenant = {tenant:String} AND account_id = {account:String}
    AND kept IN (SELECT kept FROM expired_days FINAL)
ORDER BY ALL"""


@dataclass(frozen=True, slots=True)
class ErasedDay:
    """A day (20261231) of which something names the account, and how many rows of it count."""

    day: int
    rows: int


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A day that has expired, and the id of its sums, some of which name the account."""

    day: int
    kept: int


@dataclass(frozen=True, slots=True)
class Place:
    """The engine of the table of rows."""

    engine: str


def find_engine() -> Statement[Place]:
    """The engine of the table of rows, under the name that all use: one row."""
    sql = "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = 'usage_rows'"
    return Statement("find_engine", sql, {}, Place)


def read_erasures() -> Statement[Erasure]:
    """All accounts that are erased, or about to be."""
    return Statement("read_erasures", _READ, {}, Erasure)


def record(erasure: Erasure, event: str, erased: int, author: str, reason: str) -> Statement[None]:
    """Write down what happens."""
    told = {"event": event, "erased": erased, "author": author, "reason": reason}
    parameters = {
        "tenant": erasure.tenant,
        "pseudonym": erasure.pseudonym,
        "salt": erasure.salt,
        "before_ns": erasure.before_ns,
        **told,
    }
    return Statement("record_erasure", _RECORD, parameters, _nothing)


def erased_days(erasure: Erasure, account: str) -> Statement[ErasedDay]:
    """The days of which rows, what they were before, or sums name the account, in order."""
    return Statement("erased_days", _DAYS, _mine(erasure, account), ErasedDay)


def move(table: str, erasure: Erasure, account: str, day: int) -> Statement[None]:
    """Move all versions of a day's rows: of each one a tombstone and the row, side by side.

    `table` is usage_rows, then usage_history: what a row was before is hidden by what it is now.
    """
    names = history.VERSIONS.names
    told = {"table": table, "names": ", ".join(names), "columns": ", ".join(map(_column, names))}
    parameters = {**_mine(erasure, account), "pseudonym": erasure.pseudonym, "day": day}
    return Statement("move", Template(_MOVE).substitute(told), parameters, _nothing)


def delete_rows(erasure: Erasure, days: Sequence[int], *, tombstones: bool) -> Statement[None]:
    """Delete what the old keys of days have: rows, or then their tombstones; return when it is done."""
    what = f"{_NAMED} AND {_BEFORE} AND {_phase(tombstones=tombstones)}"
    each = ", ".join(f"DELETE IN PARTITION ID '{day:d}' WHERE {what}" for day in days)
    sql = f"ALTER TABLE usage_rows {each} SETTINGS mutations_sync = 2"
    return Statement("delete_rows", sql, {**_named(erasure), "before_ns": erasure.before_ns}, _nothing)


def delete_versions(erasure: Erasure, month: int, *, tombstones: bool) -> Statement[None]:
    """Delete what the rows of a month were before, as `delete_rows` does."""
    sql = (
        f"ALTER TABLE usage_history DELETE IN PARTITION ID '{month:d}' "
        f"WHERE {_NAMED} AND {_BEFORE} AND {_phase(tombstones=tombstones)} SETTINGS mutations_sync = 2"
    )
    return Statement("delete_versions", sql, {**_named(erasure), "before_ns": erasure.before_ns}, _nothing)


def delete_sums(erasure: Erasure, month: int) -> Statement[None]:
    """Delete sums of a month that name the account, which do not count any more: rows can make them again."""
    sql = (
        f"ALTER TABLE sealed_sums DELETE IN PARTITION (0, {month:d}) WHERE {_NAMED} AND "
        "bucket < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC') SETTINGS mutations_sync = 2"
    )
    return Statement("delete_sums", sql, {**_named(erasure), "before_ns": erasure.before_ns}, _nothing)


def kept_days(erasure: Erasure, account: str) -> Statement[KeptDay]:
    """The days that have expired, and whose sums name the account."""
    return Statement("kept_days", _KEPT, _who(erasure, account), KeptDay)


def rename_kept(erasure: Erasure, account: str, day: KeptDay, kept: int) -> Statement[None]:
    """Copy the sums of a day that has expired, with the pseudonym for the account. They do not count yet."""
    names = [name for name in COLUMNS if name not in ("account_id", "kept")]
    listed = ", ".join(names)
    sql = (
        f"INSERT INTO sealed_sums ({listed}, account_id, kept)\n"
        f"SELECT {listed},\n"
        "    if(tenant = {tenant:String} AND account_id = {account:String}, {pseudonym:String}, account_id), "
        "{new:UInt64}\n"
        "FROM sealed_sums WHERE kept = {kept:UInt64} AND toYYYYMMDD(bucket) = {day:UInt32}"
    )
    told = {"pseudonym": erasure.pseudonym, "new": kept, "kept": day.kept, "day": day.day}
    return Statement("rename_kept", sql, {**_who(erasure, account), **told}, _nothing)


def replace_kept(day: KeptDay, kept: int) -> Statement[None]:
    """Put other sums of a day that has expired in the place of those that count, at once."""
    sql = (
        "INSERT INTO expired_days (day, kept, stored_versions) "
        "SELECT day, {kept:UInt64}, stored_versions FROM expired_days FINAL "
        "WHERE toYYYYMMDD(day) = {day:UInt32} AND kept = {old:UInt64}"
    )
    return Statement("replace_kept", sql, {"kept": kept, "old": day.kept, "day": day.day}, _nothing)


def forget(erasure: Erasure, account: str) -> Sequence[Statement[None]]:
    """Rename the account in what else names it, or delete that."""
    told, renamed = _named(erasure), json.dumps(erasure.pseudonym)
    quoted = {"tenant": erasure.tenant, "quoted": json.dumps(account), "instead": renamed}
    mine = f"{_NAMED} SETTINGS mutations_sync = 2"
    return [
        Statement("forget_claims", f"ALTER TABLE claims DELETE WHERE {mine}", told, _nothing),
        Statement(
            "rename_rules",
            f"ALTER TABLE price_rules UPDATE account_id = {{pseudonym:String}} WHERE {mine}",
            told,
            _nothing,
        ),
        # No mutation: its text would name the account. What is replaced goes when the table is merged.
        Statement("rename_runs", _RENAME_RUNS, quoted, _nothing),
        Statement("merge_runs", "OPTIMIZE TABLE reprice_runs FINAL", {}, _nothing),
    ]


def _phase(*, tombstones: bool) -> str:
    return _TOMBSTONE if tombstones else f"NOT {_TOMBSTONE}"


def _column(name: str) -> str:
    """A column of rows under the pseudonym; where `tombstone` is 1, of what stays at the old key."""
    return _MOVED.get(name, name)


def _who(erasure: Erasure, account: str) -> Mapping[str, object]:
    return {"tenant": erasure.tenant, "account": account}


def _mine(erasure: Erasure, account: str) -> Mapping[str, object]:
    return {**_who(erasure, account), "before_ns": erasure.before_ns}


def _named(erasure: Erasure) -> Mapping[str, object]:
    return {"tenant": erasure.tenant, "salt": erasure.salt, "pseudonym": erasure.pseudonym}


def _nothing(*_: object) -> None:
    return None
