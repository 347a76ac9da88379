"""What resolution writes: observations as they are to be stored, and the keys that they leave behind.

The key of a row has the payer and the hour of its call, so a row can move. It goes on at its new key in a
higher revision, and a tombstone of that revision stays at the old one: the span, sent again there alone,
comes in a lower one and loses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage import identity
from otel_usage.ancestry import NONE
from otel_usage.model import OBSERVATIONS
from otel_usage.names import Mask, Rows

KEYS: Final = pa.schema(
    [OBSERVATIONS.field(name) for name in ("tenant", "account_id", "started_at", "call_id", "version")]
)
"""Keys of rows that are to be deleted, and the version that deletes them."""

_HOUR_NS: Final = 3_600 * 1_000_000_000
Place = tuple[str, str, int, bytes]
_Versions = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Drafts:
    """Observations as resolved. `columns` replace those of `table`, and differ from them where `changed`."""

    table: pa.Table
    columns: Mapping[str, pa.Array]
    changed: Mask
    came: Mask
    """Which came now; the others are stored."""
    stored: Rows
    """Per row, the stored row that it goes on, or NONE."""
    revision: _Versions
    """Per row, the highest revision stored of its call: what the call left behind is of no higher one."""


def written(drafts: Drafts, before: pa.Table, dropped: Rows) -> tuple[pa.Table, pa.Table]:
    """The rows to write, and KEYS to take back.

    `before` has what `stored` numbers; `dropped` are stored rows there that nothing goes on.
    """
    table, stored = drafts.table, drafts.stored
    version = identity.merits(table["version"].to_numpy()) | drafts.revision
    version = np.where(drafts.changed, identity.revised(version), version)
    for name, column in drafts.columns.items():
        table = replace(table, name, column)
    chosen = drafts.came | drafts.changed
    left = np.append(stored[chosen & (stored != NONE)], dropped)
    gone: dict[int, np.uint64] = {}
    if len(left):
        old = before["version"].to_numpy()
        heirs = {key: row for row, key in enumerate(places(table))}
        # Row by row: of stored rows that change.
        for row, key in zip(left.tolist(), places(before.take(pa.array(left, pa.int64()))), strict=True):
            heir = heirs.get(key)
            if heir is None:
                gone[row] = identity.revised(old[[row]])[0]
            elif stored[heir] != row:  # it takes over the key, and must win there
                chosen[heir] = True
                version[heir] = max(version[heir], _over(old[row], version[heir]))
    rows = replace(table, "version", pa.array(version))
    return rows.filter(pa.array(chosen)), _tombstones(before, gone)


@cache
def no_keys() -> pa.Table:
    """KEYS without a row."""
    return KEYS.empty_table()


def replace(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    """The table with another column of this name."""
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), column)


def places(table: pa.Table) -> list[Place]:
    """The key of each row in the store: tenant, account, hour since 1970, call."""
    hour = table["started_at"].to_numpy().astype(np.int64) // _HOUR_NS
    tenant, account, call = (table[name].to_pylist() for name in ("tenant", "account_id", "call_id"))
    return list(zip(tenant, account, hour.tolist(), call, strict=True))


def _over(old: np.uint64, version: np.uint64) -> np.uint64:
    """`version` in the first revision in which it is higher than `old`."""
    lifted = identity.revisions(np.array([old])) | identity.merits(np.array([version]))
    return np.uint64((lifted if lifted[0] > old else identity.revised(lifted))[0])


def _tombstones(before: pa.Table, gone: Mapping[int, np.uint64]) -> pa.Table:
    if not gone:
        return no_keys()
    taken = before.take(pa.array(list(gone), pa.int64())).select(KEYS.names)
    return replace(taken, "version", pa.array(list(gone.values()), pa.uint64())).cast(KEYS)
