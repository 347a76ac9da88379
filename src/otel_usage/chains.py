"""An index of numbered rows by 64-bit keys, of which several rows may have the same: all in columns."""

from typing import Final

import numpy as np
import numpy.typing as npt

from otel_usage.names import Mask, Rows

Keys = npt.NDArray[np.uint64]

LONGEST: Final = 4_096
"""Rows of one key that are found, about: the latest. What is found is looked at in every commit that asks for
the key, so this bounds what a commit costs beside its own rows."""

_STEPS: Final = 16
"""How far chains are followed row by row. What is longer is found in one pass over all keys."""
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

    def holds(self, keys: Keys) -> Mask:
        """Which of the keys have a row."""
        held = np.zeros(len(keys), np.bool_)
        index, row = self._start(keys)
        for _ in range(_STEPS):
            if not len(index):
                return held
            hit = self._keys[row] == keys[index]
            held[index[hit]] = True
            index, row = self._on(index[~hit], row[~hit])
        held[index] = np.isin(keys[index], self._keys[: self._count])
        return held

    def find(self, keys: Keys) -> tuple[Rows, Rows]:
        """The rows that have one of the keys: pairs of the index of the key, and the number of the row.

        The keys are distinct: what has several is asked for once. Of a key with more than LONGEST rows, the
        latest.
        """
        index, row = self._start(keys)
        found_index, found_row = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for _ in range(_STEPS):
            if not len(index):
                break
            hit = self._keys[row] == keys[index]
            found_index.append(index[hit])
            found_row.append(row[hit].astype(np.int64))
            index, row = self._on(index, row)
        if len(index):
            which, rest = self._rest(keys[index], row)
            found_index.append(index[which])
            found_row.append(rest)
        return np.concatenate(found_index), np.concatenate(found_row)

    def rows_of(self, keys: Keys) -> Rows:
        """The rows that have one of the keys, which may repeat: each row once."""
        return self.find(np.unique(keys[self.holds(keys)]))[1]

    def keys_of(self, rows: Rows) -> Keys:
        """The keys of rows."""
        return self._keys[rows]

    def _start(self, keys: Keys) -> tuple[Rows, npt.NDArray[np.int32]]:
        """The keys whose slots have rows, and the latest of these."""
        row = self._latest[(keys & self._mask).astype(np.int64)]
        index = np.flatnonzero(row != _NONE)
        return index, row[index]

    def _on(self, index: Rows, row: npt.NDArray[np.int32]) -> tuple[Rows, npt.NDArray[np.int32]]:
        """One step back in each chain that goes on."""
        row = self._before[row]
        more = np.flatnonzero(row != _NONE)
        return index[more], row[more]

    def _rest(self, keys: Keys, latest: npt.NDArray[np.int32]) -> tuple[Rows, Rows]:
        """What `find` gives of keys whose rows are at most `latest`: a chain's rows are in falling order."""
        order = np.argsort(keys)
        rows = np.flatnonzero(np.isin(self._keys[: int(latest.max()) + 1], keys))
        index = order[np.searchsorted(keys[order], self._keys[rows])]
        index, rows = index[rows <= latest[index]], rows[rows <= latest[index]]
        by_key = np.argsort(index, kind="stable")
        index, rows = index[by_key], rows[by_key]
        after = np.searchsorted(index, index, side="right") - np.arange(
            len(index)
        )  # of its key: 1 is the last
        return index[after <= LONGEST - _STEPS], rows[after <= LONGEST - _STEPS]

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
