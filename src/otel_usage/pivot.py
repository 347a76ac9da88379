"""Where the wanted attributes of many rows are: found once, decoded when they are read (see `columns`)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.model import Attributes
from otel_usage.names import Mask, bounds, data
from otel_usage.otlp.values import is_blank

Positions = npt.NDArray[np.int64]

_HEAD: Final = 8  # bytes of a prefix that are looked at first
_SPREAD_BITS: Final = 12
_ODD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Attributes to look for: by name, and by the beginning of their name (8 bytes or more)."""

    names: Sequence[str]
    keys: pa.BinaryArray
    telling: int
    """Of which of `names`, the first so many, one must be there for the others to matter. 0: of none."""
    prefixes: tuple[bytes, ...]
    heads: npt.NDArray[np.bool_]
    """By `_spread` of 8 bytes, whether a prefix may begin so."""

    @classmethod
    def of(
        cls, names: Iterable[str], prefixes: Iterable[str] = (), *, telling: Iterable[str] = ()
    ) -> "Wanted":
        """Names and prefixes. If none of the names in `telling` is there, nothing is found."""
        first = tuple(dict.fromkeys(telling))
        every = tuple(dict.fromkeys((*first, *names)))
        begins = tuple(prefix.encode() for prefix in dict.fromkeys(prefixes))
        heads = np.zeros(1 << _SPREAD_BITS, np.bool_)
        heads[_spread(np.frombuffer(b"".join(each[:_HEAD] for each in begins), "<u8"))] = True
        keys = pa.array([name.encode() for name in every], pa.binary())
        return cls(every, keys, len(first), begins, heads)


@dataclass(frozen=True, slots=True)
class Others:
    """Attributes wanted by a prefix only: of row `owner[i]` one at `position[i]`, named `keys[key[i]]`.

    In the order of their rows; of a name that a row has twice the last is here.
    """

    owner: Positions
    position: Positions
    key: Positions
    keys: Sequence[bytes]

    def first(self, aliases: Sequence[str], rows: int) -> Positions:
        """Per row (there are `rows`), the position of the first of the aliases it has, or -1."""
        result = np.full(rows, -1)
        for alias in reversed([name.encode() for name in aliases if name.encode() in self.keys]):
            mine = self.key == self.keys.index(alias)
            result[self.owner[mine]] = self.position[mine]
        return result

    def take(self, rows: Positions, of: int) -> "Others":
        """Those of some of `of` rows."""
        new = np.full(of, -1)
        new[rows] = np.arange(len(rows))
        owner = new[self.owner]
        kept = np.flatnonzero(owner >= 0)
        kept = kept[np.argsort(owner[kept], kind="stable")]
        return Others(owner[kept], self.position[kept], self.key[kept], self.keys)


@dataclass(frozen=True, slots=True)
class Pivot:
    """Where the attributes are: `positions[found[name]]` has, per row, the position of its value, or -1.

    Names that occur nowhere are not in `found`. (One that is there may have no value in any row.)
    """

    values: pa.BinaryArray
    found: Mapping[str, int]
    positions: npt.NDArray[np.int64]
    others: Others | None = None

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.positions.shape[1]

    def first(self, aliases: Iterable[str]) -> Positions:
        """Per row, the position of the first of the aliases it has, or -1."""
        columns = [self.positions[self.found[name]] for name in aliases if name in self.found]
        if not columns:
            return np.full(self.rows, -1)
        result = columns[0]
        for later in columns[1:]:
            result = np.where(result >= 0, result, later)
        return result

    def has(self, aliases: Iterable[str]) -> Mask:
        """Per row, whether it has any of the aliases."""
        result = np.zeros(self.rows, np.bool_)
        for name in aliases:
            if name in self.found:
                result |= self.positions[self.found[name]] >= 0
        return result

    def has_any(self, aliases: Iterable[str]) -> bool:
        """Whether any row has any of the aliases."""
        return any(name in self.found for name in aliases)

    def take(self, rows: Positions) -> "Pivot":
        """The pivot of some of the rows, in their order."""
        if len(rows) == self.rows:
            return self
        others = self.others.take(rows, self.rows) if self.others is not None else None
        return Pivot(self.values, self.found, self.positions[:, rows], others)

    def without(self, names: Collection[str], rows: Mask) -> "Pivot":
        """The pivot in which the marked rows do not have these attributes."""
        gone = [self.found[name] for name in names if name in self.found]
        positions = self.positions.copy()
        for column in gone:
            positions[column, rows] = -1
        return Pivot(self.values, self.found, positions, self.others)


def pivot(attributes: Attributes, rows: int, wanted: Wanted) -> Pivot:
    """Find the wanted attributes. Of a name that a row has twice, the last counts, as in a map.

    What has no value, or empty text, is not there.
    """
    match = pc.index_in(attributes.key, value_set=wanted.keys)
    known = _valid(match)
    codes = np.frombuffer(match.buffers()[1], np.int32, len(match), 4 * match.offset)
    hits = np.flatnonzero(known)
    present = np.flatnonzero(np.bincount(codes[hits], minlength=len(wanted.names)))
    if not len(present) or (wanted.telling and present[0] >= wanted.telling):
        return Pivot(attributes.value, {}, np.zeros((0, rows), np.int64))
    others = _others(attributes, np.flatnonzero(~known), wanted) if wanted.prefixes else None
    hits = hits[~is_blank(attributes.value, hits)]
    compact = np.zeros(len(wanted.names), np.int64)
    compact[present] = np.arange(len(present))
    positions = np.full((len(present), rows), -1)
    positions[compact[codes[hits]], attributes.owner[hits]] = hits
    found = {wanted.names[code]: row for row, code in enumerate(present.tolist())}
    return Pivot(attributes.value, found, positions, others)


def _valid(array: pa.Array) -> Mask:
    """Per element, whether it is not null."""
    bitmap = array.buffers()[0]
    if bitmap is None:
        return np.ones(len(array), np.bool_)
    bits = np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].view(np.bool_)


def _others(attributes: Attributes, entries: Positions, wanted: Wanted) -> Others | None:
    """Of the entries those that begin with a wanted prefix. Few emitters have any: 8 bytes mostly tell."""
    octets = data(attributes.key)
    if len(octets) < _HEAD or not len(entries):
        return None
    starts = np.minimum(bounds(attributes.key)[entries], len(octets) - _HEAD)
    windows: npt.NDArray[np.uint64] = np.ndarray(
        (len(octets) - _HEAD + 1,), "<u8", buffer=octets.data, strides=(1,)
    )
    entries = entries[wanted.heads[_spread(windows[starts])]]
    if not len(entries):
        return None
    encoded = attributes.key.take(pa.array(entries)).dictionary_encode()
    keys = encoded.dictionary.to_pylist()
    fits = np.array([key.startswith(wanted.prefixes) for key in keys], np.bool_)
    key = encoded.indices.to_numpy().astype(np.int64)
    kept = np.flatnonzero(fits[key])
    kept = kept[~is_blank(attributes.value, entries[kept])]
    owner, key, entries = attributes.owner[entries[kept]], key[kept], entries[kept]
    _, last = np.unique((owner * len(keys) + key)[::-1], return_index=True)
    kept = np.sort(len(entries) - 1 - last)
    return Others(owner[kept], entries[kept], key[kept], keys) if len(kept) else None


def _spread(heads: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """8 bytes to a number of _SPREAD_BITS bits."""
    return (heads * _ODD) >> np.uint64(64 - _SPREAD_BITS)
