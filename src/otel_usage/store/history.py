"""The versions of usage rows that are replaced long after they were stored: `usage_history` keeps them.

The table `usage_rows` drops a version when a newer one comes. What it says of a call that ended long ago may
have been told or billed, so `asOf` must still find it; while a call is open, versions are not kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from otel_usage.model import USAGE
from otel_usage.names import Rows
from otel_usage.store.queries import Statement
from otel_usage.store.store import Store

TABLE: Final = "usage_history"
OPEN_NS: Final = 3_600 * 10**9
"""How long after its end a call is open: its telemetry is coming in, and its versions leave no trace."""
VERSIONS: Final = USAGE.append(pa.field("inserted_at", pa.timestamp("ms", "UTC")))
"""A stored version of a row, and when it was stored."""

_ASKED: Final = 3_000  # keys in one question: a parameter may have 128 KiB
_ACCOUNT_BYTES: Final = 60_000  # for the same reason
_HOUR_NS: Final = 3_600 * 10**9
COLUMNS: Final = ", ".join(VERSIONS.names)
"""The columns of VERSIONS, as a statement asks for them."""

_READ: Final = """\
SELECT $columns FROM $table
WHERE tenant = {tenant:String}
    AND started_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND started_at < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
    AND (account_id, toStartOfHour(started_at), call_id) IN
    (
        SELECT
            {accounts:Array(String)}[key.1],
            toDateTime(key.2, 'UTC'),
            toFixedString(unhex(key.3), 16)
        FROM
        (
            SELECT arrayJoin(arrayZip(
                {account:Array(UInt32)}, {hour:Array(UInt32)}, {call:Array(String)})) AS key
        )
    )"""


class Key(NamedTuple):
    """The key of a row, beside its tenant. `hour` counts from 1970."""

    account_id: str
    hour: int
    call_id: bytes


def keys(rows: pa.Table) -> list[Key]:
    """The keys of USAGE rows or of observations."""
    hours = rows["started_at"].cast(pa.int64()).to_numpy() // _HOUR_NS
    accounts, calls = rows["account_id"].to_pylist(), rows["call_id"].to_pylist()
    return [*map(Key, accounts, hours.tolist(), calls)]


def read_versions(
    table: str, tenant: str, wanted: Sequence[Key], columns: pa.Schema = VERSIONS
) -> Statement[tuple[object, ...]]:
    """Columns of all versions of rows, in no order. `table`: usage_rows or usage_history."""
    named = sorted({key.account_id for key in wanted})
    accounts = {account: number for number, account in enumerate(named, 1)}
    hours = [key.hour for key in wanted]
    parameters = {
        "tenant": tenant,
        "from_ns": min(hours) * _HOUR_NS,
        "to_ns": (max(hours) + 1) * _HOUR_NS,
        "accounts": list(accounts),
        "account": [accounts[key.account_id] for key in wanted],
        "hour": [hour * 3_600 for hour in hours],
        "call": [key.call_id.hex() for key in wanted],
    }
    sql = Template(_READ).substitute(table=table, columns=", ".join(columns.names))
    return Statement("read_versions", sql, parameters, lambda *values: values)


def versions(answer: pa.Table, columns: pa.Schema = VERSIONS) -> pa.Table:
    """What a statement answered, in our types."""
    return pa.Table.from_arrays([_typed(answer[each.name], each.type) for each in columns], schema=columns)


def find(
    store: Store, table: str, tenant: str, wanted: Sequence[Key], columns: pa.Schema = VERSIONS
) -> pa.Table:
    """Columns of all versions that a table has of rows. Raises Retryable if the store cannot answer."""
    found = [
        versions(store.fetch(read_versions(table, tenant, part, columns)), columns) for part in _parts(wanted)
    ]
    return pa.concat_tables(found) if found else columns.empty_table()


def keep(store: Store, replaced: pa.Table) -> None:
    """Keep VERSIONS that are about to be replaced. Kept twice, they are kept once. Raises Retryable."""
    store.append(TABLE, replaced)


@dataclass(frozen=True, slots=True)
class News:
    """Of USAGE rows that are to be written, those that the store does not have."""

    rows: pa.Table
    outdone: pa.Table
    """VERSIONS that are stored in the place of others, and are higher."""


def news(store: Store, rows: pa.Table, now_ns: int) -> News:
    """The USAGE rows that say more than the store does.

    Of calls that ended long ago it looks for what is stored, and keeps what is going to be replaced: a call
    that is told again does not seem to be stored later than it was. Raises Retryable.
    """
    old = np.flatnonzero(_ends(rows) < now_ns - OPEN_NS)
    late = rows.take(pa.array(old))
    latest = _latest(store, late) if len(old) else {}
    if not latest:
        return News(rows, VERSIONS.empty_table())
    told, replaced, outdone = set[int](), list[_Place](), list[_Place]()
    for row, place, says in zip(old.tolist(), _places(late), _says(late), strict=True):
        there = latest.get(place, _NOTHING)
        if there == says or there.version > says.version:
            told.add(row)
        elif there is not _NOTHING:
            replaced.append(place)
        if there.version > says.version and not (there.is_deleted or says.is_deleted):
            outdone.append(place)
    keep(store, _read(store, replaced))
    new = pa.array([row for row in range(rows.num_rows) if row not in told], pa.int64())
    higher = _read(store, outdone).sort_by(_ORDER)
    last = {place: row for row, place in enumerate(_places(higher))}
    return News(rows.take(new), higher.take(pa.array([*last.values()], pa.int64())))


class _Says(NamedTuple):
    """What a version says beside its key and its price, as far as two of one number may differ in it."""

    version: int
    is_deleted: int
    role: str
    duplicate_of: bytes | None
    context: str
    attribution: str
    transaction_id: str


_NOTHING: Final = _Says(-1, 0, "", None, "", "", "")
_TOLD: Final = pa.schema(
    VERSIONS.field(name)
    for name in ("tenant", "account_id", "started_at", "call_id", *_Says._fields, "inserted_at")
)
_ORDER: Final = [("version", "ascending"), ("inserted_at", "ascending")]
_Place = tuple[str, Key]
"""A tenant, and the key of a row of its."""


def _ends(rows: pa.Table) -> Rows:
    """When the calls ended, in nanoseconds. Tombstones know only when they started."""
    starts: Rows = rows["started_at"].cast(pa.int64()).to_numpy()
    return starts + rows["duration_ns"].to_numpy().astype(np.int64)


def _latest(store: Store, rows: pa.Table) -> Mapping[_Place, _Says]:
    """What the versions say that are stored under the keys of rows, and count."""
    stored = _read(store, _places(rows), _TOLD).sort_by(_ORDER)
    return dict(zip(_places(stored), _says(stored), strict=True))  # of a place, the last


def _read(store: Store, places: Sequence[_Place], columns: pa.Schema = VERSIONS) -> pa.Table:
    """Columns of all versions that are stored in places."""
    found = [
        find(store, "usage_rows", tenant, [key for owner, key in places if owner == tenant], columns)
        for tenant in sorted({owner for owner, _ in places})
    ]
    return pa.concat_tables(found).unify_dictionaries() if found else columns.empty_table()


def _says(rows: pa.Table) -> list[_Says]:
    return [*map(_Says, *(rows[name].to_pylist() for name in _Says._fields))]


def _places(rows: pa.Table) -> list[_Place]:
    return [*zip(rows["tenant"].to_pylist(), keys(rows), strict=True)]


def _parts(wanted: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """The keys in questions of a size that ClickHouse takes."""
    part: list[Key] = []
    accounts, size = set[str](), 0
    for key in sorted(wanted, key=lambda key: (key.hour, key.account_id)):
        added = 0 if key.account_id in accounts else len(key.account_id.encode()) + len("'',")
        if len(part) == _ASKED or (part and size + added > _ACCOUNT_BYTES):
            yield part
            part, accounts, size = [], set(), 0
            added = len(key.account_id.encode()) + len("'',")
        part.append(key)
        accounts.add(key.account_id)
        size += added
    if part:
        yield part


def _typed(column: pa.ChunkedArray, of: pa.DataType) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(of):  # ClickHouse's dictionaries begin with a text that may not be used
        return whole.cast(pa.string()).dictionary_encode()
    return whole.cast(of)
