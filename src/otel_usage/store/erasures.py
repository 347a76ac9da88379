"""The erasure of an account: the statements that move its rows under a pseudonym, in the order they are run.

A row has its account in its key, so it moves: a tombstone at the old key and the row at the new one, in one
part, so that no question sees both or none of them. Then what the old key has is deleted: the row first, or
it would come back to life.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from otel_usage.erased import IDS, TEXTS, Erasure
from otel_usage.model import USAGE
from otel_usage.store import history
from otel_usage.store.queries import Statement
from otel_usage.store.sums import COLUMNS

BEGUN, DONE = EVENTS = ("begun", "done")

_MINE: Final = (
    "tenant = {tenant:String} AND account_id = {account:String} "
    "AND started_at < fromUnixTimestamp64Nano({before_ns:Int64}, 'UTC')"
)
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
_VERSIONS: Final = f"""\
SELECT $columns
FROM
(
    SELECT {history.COLUMNS} FROM usage_rows FINAL WHERE {_MINE} AND {_OF_DAY}
    UNION ALL
    SELECT {history.COLUMNS} FROM usage_history WHERE {_MINE} AND {_OF_DAY}
)"""  # noqa: S608 (columns of ours)
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


def move_versions(erasure: Erasure, account: str, day: int) -> Statement[None]:
    """Keep what the rows of a day say, and said before, under the pseudonym: `asOf` is answered from it."""
    sql = f"INSERT INTO usage_history ({history.COLUMNS})\n" + _VERSIONS.replace(
        "$columns", _columns(history.VERSIONS.names, "0")
    )
    return Statement("move_versions", sql, _moved(erasure, account, day), _nothing)


def move_rows(erasure: Erasure, account: str, day: int) -> Statement[None]:
    """Move the rows of a day: of each one a tombstone and the row, side by side."""
    names = USAGE.names
    sql = (
        f"INSERT INTO usage_rows ({', '.join(names)})\n"  # noqa: S608 (columns of ours)
        f"SELECT {_columns(names, 'tombstone')}\n"
        f"FROM (SELECT *, arrayJoin([1, 0]) AS tombstone FROM usage_rows FINAL WHERE {_MINE} AND {_OF_DAY})"
    )
    return Statement("move_rows", sql, _moved(erasure, account, day), _nothing)


def delete_rows(erasure: Erasure, account: str, day: int, *, tombstones: bool) -> Statement[None]:
    """Delete what the old keys of a day have: rows, or then tombstones; return when it is done."""
    deleted = f"is_deleted = {int(tombstones)}"
    sql = (
        f"ALTER TABLE usage_rows DELETE IN PARTITION ID '{day:d}' WHERE {_MINE} AND {deleted} "
        "SETTINGS mutations_sync = 2"
    )
    return Statement("delete_rows", sql, _mine(erasure, account), _nothing)


def delete_versions(erasure: Erasure, account: str, day: int) -> Statement[None]:
    """Delete what the rows of a day were before, under the account; return when it is done."""
    sql = f"ALTER TABLE usage_history DELETE WHERE {_MINE} AND {_OF_DAY} SETTINGS mutations_sync = 2"
    return Statement("delete_versions", sql, {**_mine(erasure, account), "day": day}, _nothing)


def delete_sums(erasure: Erasure, account: str, day: int) -> Statement[None]:
    """Delete sums of a day that name the account, which do not count any more: rows can make them again."""
    sql = (
        f"ALTER TABLE sealed_sums DELETE IN PARTITION (0, {day // 100:d}) "
        "WHERE tenant = {tenant:String} AND account_id = {account:String} "
        "AND toYYYYMMDD(bucket) = {day:UInt32} SETTINGS mutations_sync = 2"
    )
    return Statement("delete_sums", sql, {**_who(erasure, account), "day": day}, _nothing)


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
    who = {**_who(erasure, account), "pseudonym": erasure.pseudonym}
    quoted = {"quoted": json.dumps(account), "instead": json.dumps(erasure.pseudonym)}
    mine = "tenant = {tenant:String} AND account_id = {account:String} SETTINGS mutations_sync = 2"
    return [
        Statement("forget_claims", f"ALTER TABLE claims DELETE WHERE {mine}", who, _nothing),
        Statement(
            "rename_rules",
            f"ALTER TABLE price_rules UPDATE account_id = {{pseudonym:String}} WHERE {mine}",
            who,
            _nothing,
        ),
        Statement(
            "rename_runs",
            "ALTER TABLE reprice_runs UPDATE "
            "request = replaceAll(request, {quoted:String}, {instead:String}), "
            "cursor = replaceAll(cursor, {quoted:String}, {instead:String}), "
            "differences = replaceAll(differences, {quoted:String}, {instead:String}) "
            "WHERE tenant = {tenant:String} SETTINGS mutations_sync = 2",
            {"tenant": erasure.tenant, **quoted},
            _nothing,
        ),
    ]


def _columns(names: Sequence[str], tombstone: str) -> str:
    """The columns of rows under the pseudonym; where `tombstone` is 1, of what stays at the old key."""
    return ", ".join(_column(name, tombstone) for name in names)


def _column(name: str, tombstone: str) -> str:
    if name == "account_id":
        return f"if({tombstone}, account_id, {{pseudonym:String}})"
    if name == "is_deleted":
        return f"is_deleted OR {tombstone}"
    if name == "version":
        return f"version + {tombstone}"
    if name in TEXTS:
        return "''"
    if name in IDS:
        return f"toFixedString('', {8 if 'span' in name else 16})"
    return name


def _who(erasure: Erasure, account: str) -> Mapping[str, object]:
    return {"tenant": erasure.tenant, "account": account}


def _mine(erasure: Erasure, account: str) -> Mapping[str, object]:
    return {**_who(erasure, account), "before_ns": erasure.before_ns}


def _moved(erasure: Erasure, account: str, day: int) -> Mapping[str, object]:
    return {**_mine(erasure, account), "pseudonym": erasure.pseudonym, "day": day}


def _nothing(*_: object) -> None:
    return None
