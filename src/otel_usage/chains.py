"""An index of numbered rows by 64-bit keys, of which several rows may have the same: all in columns."""

import numpy as np
import numpy.typing as npt

from otel_usage.names import Mask, Rows

Keys = npt.NDArray[np.uint64]

LONGEST = 4_096
"""Rows of one key that `find` goes back over. A trace with more calls is resolved among its latest."""

_NONE = np.int32(-1)


class Chains:
    """Rows numbered from 0 in the order they are added, at most `capacity` of them.

    A key names a slot, a slot its latest row, and each row the one before it in its slot.
    """

    def __init__(self, capacity: int) -> None:
        slots = 1 << (2 * capacity - 1).bit_length()
        self._mask = np.uint64(slots - 1)
        self._latest = np.full(slots, _NONE, np.int32)
        self._before = np.full(capacity, _NONE, np.int32)
        self._keys = np.zeros(capacity, np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, keys: Keys) -> None:
        """Add a row for each key, in order."""
        rows = np.arange(self._count, self._count + len(keys), dtype=np.int32)
        slots = (keys & self._mask).astype(np.int64)
        self._keys[rows] = keys
        self._before[rows] = self._latest[slots]
        self._latest[slots] = rows
        lost = np.flatnonzero(self._latest[slots] != rows)  # slots with several rows of these keys
        if len(lost):
            shared = np.zeros(len(self._latest), np.bool_)
            shared[slots[lost]] = True
            self._chain(np.flatnonzero(shared[slots]), slots, rows)
        self._count += len(keys)

    def find(self, keys: Keys) -> tuple[Rows, Rows]:
        """The rows that have one of the keys: pairs of the index of the key, and the number of the row."""
        index = np.arange(len(keys))
        row = self._latest[(keys & self._mask).astype(np.int64)]
        found_index, found_row = [], []
        for _ in range(LONGEST):
            alive = np.flatnonzero(row >= 0)
            if not len(alive):
                break
            index, row = index[alive], row[alive]
            hit = self._keys[row] == keys[index]
            found_index.append(index[hit])
            found_row.append(row[hit].astype(np.int64))
            row = self._before[row]
        if not found_row:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(found_index), np.concatenate(found_row)

    def keys_of(self, rows: Rows) -> Keys:
        """The keys of rows."""
        return self._keys[rows]

    def _chain(self, several: Rows, slots: Rows, rows: npt.NDArray[np.int32]) -> None:
        """Chain the rows of slots that got several at once, the latest last."""
        order = several[np.argsort(slots[several], kind="stable")]
        follows = slots[order][1:] == slots[order][:-1]
        self._before[rows[order[1:][follows]]] = rows[order[:-1][follows]]
        last = np.append(~follows, True)
        self._latest[slots[order[last]]] = rows[order[last]]


def repeated(keys: Keys) -> Mask:
    """Marks the keys that occur more than once."""
    slots = (keys & np.uint64((1 << (8 * len(keys) + 1).bit_length()) - 1)).astype(np.int64)
    last = np.zeros(int(slots.max(initial=0)) + 1, np.int32)
    rows = np.arange(len(keys), dtype=np.int32)
    last[slots] = rows
    shared = np.zeros(len(last), np.bool_)
    shared[slots[last[slots] != rows]] = True
    result: Mask = shared[slots]
    few = np.flatnonzero(result)  # also different keys of one slot
    _, group, count = np.unique(keys[few], return_inverse=True, return_counts=True)
    result[few] = count[group] > 1
    return result
