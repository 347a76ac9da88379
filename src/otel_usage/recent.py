"""The keys of calls seen lately, so that a later observation of a call lands on its row.

The table keeps one row of those with one key, and the key has the payer and the hour. Two observations of a
call, by two instrumentors say, may name different payers, or start on two sides of an hour. Within a commit
`resolve` decides between them; across commits the earlier key is remembered here.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage.attributes import SYSTEM
from otel_usage.identity import UNIQUE_RESPONSE_ID
from otel_usage.model import TIMESTAMP, USAGE
from otel_usage.names import Names, Rows, sizes

SLOTS: Final = 1 << 20
"""Calls remembered at most (50 MB): a thousand calls a second for a quarter of an hour. A call takes the
place that its identity names, and the one that had it is forgotten."""

_HOUR_NS: Final = 3_600 * 1_000_000_000
_BLANK: Final = {
    field.name: None if field.nullable else 0 if pa.types.is_integer(field.type) else "" for field in USAGE
} | {
    "role": "inference",
    "signal": "span",
    "context": SYSTEM,
    "trace_id": bytes(16),
    "span_id": bytes(8),
    "unpriced_reason": "moved",
}
_Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Adoption:
    """Observations under the keys of their calls, and what must be written to take back earlier keys."""

    observations: pa.Table
    tombstones: pa.Table
    """USAGE rows that delete the row under an earlier key, for calls of which a better observation came."""
    settled: Rows
    """The rows whose keys are now those of their calls: what `RecentCalls.remember` is told."""


class RecentCalls:
    """The key and the version of the best observation of each call seen lately. For one thread."""

    def __init__(self, slots: int = SLOTS) -> None:
        self._mask = np.uint64(slots - 1)
        self._ids = np.zeros((slots, 2), dtype=np.uint64)
        self._versions = np.zeros(slots, dtype=np.uint64)
        self._started = np.zeros(slots, dtype=np.int64)
        self._accounts: _Objects = np.full(slots, "", dtype=np.object_)

    def adopt(self, observations: pa.Table) -> Adoption:
        """Give late observations the keys of their calls.

        One that is no better than the known one takes its key, where it loses. A better one keeps its own,
        and the known one's row is deleted.
        """
        rows = _named(observations)
        ids = _identities(observations)[rows]
        slot = ids[:, 0] & self._mask
        known = (self._ids[slot] == ids).all(axis=1)
        if not known.any():
            return Adoption(observations, _no_tombstones(), rows)
        rows_known, slot_known = rows[known], slot[known]
        accounts, started = _accounts(observations), _started(observations)
        elsewhere = (self._accounts[slot_known] != accounts[rows_known]) | (
            self._started[slot_known] // _HOUR_NS != started[rows_known] // _HOUR_NS
        )
        better = observations["version"].to_numpy()[rows_known] > self._versions[slot_known]
        late = elsewhere & ~better
        tombstones = self._tombstones(
            observations, rows_known[elsewhere & better], slot_known[elsewhere & better]
        )
        settled = np.setdiff1d(rows, rows_known[~better])
        if late.any():
            accounts[rows_known[late]] = self._accounts[slot_known[late]]
            started[rows_known[late]] = self._started[slot_known[late]]
            observations = _rekeyed(observations, accounts, started)
        return Adoption(observations, tombstones, settled)

    def remember(self, adoption: Adoption) -> None:
        """Take note of the keys of an adoption, once its rows are durable: never before."""
        observations, rows = adoption.observations, adoption.settled
        ids = _identities(observations)[rows]
        slot = ids[:, 0] & self._mask
        self._ids[slot] = ids
        self._versions[slot] = observations["version"].to_numpy()[rows]
        self._started[slot] = _started(observations)[rows]
        self._accounts[slot] = _accounts(observations)[rows]

    def _tombstones(self, observations: pa.Table, rows: Rows, slot: npt.NDArray[np.uint64]) -> pa.Table:
        """Row by row: a better observation under another key is rare."""
        if not len(rows):
            return _no_tombstones()
        taken = observations.take(pa.array(rows))
        deleted = [
            {
                **_BLANK,
                "tenant": tenant,
                "account_id": self._accounts[at],
                "started_at": int(self._started[at]),
                "call_id": call_id,
                "version": int(self._versions[at]) + 1,
                "is_deleted": 1,
            }
            for at, tenant, call_id in zip(
                slot.tolist(), taken["tenant"].to_pylist(), taken["call_id"].to_pylist(), strict=True
            )
        ]
        return pa.Table.from_pylist(deleted, schema=USAGE)


def _named(observations: pa.Table) -> Rows:
    """The rows that another span may tell of too: calls with a response id."""
    named = sizes(observations["response_id"].combine_chunks()) >= UNIQUE_RESPONSE_ID
    return np.flatnonzero(named & Names.of(observations["role"]).is_one_of(("inference",)))


def _identities(observations: pa.Table) -> npt.NDArray[np.uint64]:
    ids = observations["call_id"].combine_chunks()
    return np.frombuffer(ids.buffers()[1], dtype="<u8", count=2 * len(ids), offset=16 * ids.offset).reshape(
        -1, 2
    )


def _started(observations: pa.Table) -> npt.NDArray[np.int64]:
    return observations["started_at"].to_numpy().astype(np.int64)


def _accounts(observations: pa.Table) -> _Objects:
    names = Names.of(observations["account_id"])
    return np.array(names.dictionary.to_pylist(), dtype=np.object_)[names.index]


def _rekeyed(observations: pa.Table, accounts: _Objects, started: npt.NDArray[np.int64]) -> pa.Table:
    account_id = pa.array(accounts.tolist(), pa.string()).dictionary_encode()
    columns = {"account_id": account_id, "started_at": pa.array(started).cast(TIMESTAMP)}
    for name, column in columns.items():
        place = observations.schema.get_field_index(name)
        observations = observations.set_column(place, observations.schema.field(place), column)
    return observations


@cache
def _no_tombstones() -> pa.Table:
    return USAGE.empty_table()
