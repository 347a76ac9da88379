"""Attributes as columns: the few verbs that extraction is written in.

An attribute's value arrives encoded (`Attributes`). `pivot` finds where each wanted attribute of each row is;
`names`, `texts` and `counts` decode only those, a column at a time. The usual encodings (a string of up to
16 KB, a whole number below 2**56) are decoded in numpy; any other goes through the protobuf library one by
one, being rare.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.model import MAX_NAME, MAX_TOKENS, Attributes, Scalar
from otel_usage.names import Mask, Names, Rows, bounds, constant, data, distinct, longer_than
from otel_usage.otlp.values import decode_integers, decode_texts, is_blank, scalar

Positions = npt.NDArray[np.int64]
Fields = Mapping[str, Sequence[str]]
"""Names of columns, and the attributes each is read from: the first that is there."""

_DIGITS: Final = len(str(MAX_TOKENS))
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Pivot:
    """Where the attributes are: `positions[found[name]]` has, per row, the position of its value, or -1.

    Names that occur nowhere are not in `found`.
    """

    values: pa.BinaryArray
    found: Mapping[str, int]
    positions: npt.NDArray[np.int64]

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
        return self.first(aliases) >= 0

    def take(self, rows: Positions) -> "Pivot":
        """The pivot of some of the rows, in their order."""
        if len(rows) == self.rows:
            return self
        return Pivot(self.values, self.found, self.positions[:, rows])


@dataclass(frozen=True, slots=True)
class Named:
    """A column of names. `invalid` marks rows whose value is neither text nor a whole number."""

    names: Names
    invalid: Mask

    def take(self, rows: Rows) -> "Named":
        """Some of the rows."""
        return Named(self.names.take(rows), self.invalid[rows])


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts that are mostly distinct. Absent is empty; `invalid` as in `Named`."""

    array: pa.StringArray
    invalid: Mask


@dataclass(frozen=True, slots=True)
class Counts:
    """Columns of counts: row i of each array is that of the field `fields[i]`.

    `reported` marks those that are there; `invalid` those that are no count: negative, fractional, too
    large, or not a number. Where not reported, or invalid, `values` is 0.
    """

    fields: Sequence[str]
    values: npt.NDArray[np.int64]
    reported: npt.NDArray[np.bool_]
    invalid: npt.NDArray[np.bool_]


def pivot(attributes: Attributes, rows: int, wanted: pa.BinaryArray) -> Pivot:
    """Find the wanted attributes. Of a name that a row has twice, the last counts, as in a map.

    What has no value, or empty text, is not there.
    """
    match = pc.index_in(attributes.key, value_set=wanted)
    if match.null_count == len(match):
        return Pivot(attributes.value, {}, np.zeros((0, rows), np.int64))
    codes = match.fill_null(len(wanted)).to_numpy()
    hits = np.flatnonzero(codes < len(wanted))
    hits = hits[~is_blank(attributes.value, hits)]
    codes = codes[hits]
    present = np.flatnonzero(np.bincount(codes, minlength=len(wanted)))
    compact = np.zeros(len(wanted), dtype=np.int64)
    compact[present] = np.arange(len(present))
    positions = np.full((len(present), rows), -1)
    positions[compact[codes], attributes.owner[hits]] = hits
    found = {wanted[code].as_py().decode(): row for row, code in enumerate(present.tolist())}
    return Pivot(attributes.value, found, positions)


def names(found: Pivot, fields: Fields) -> dict[str, Named]:
    """Columns of texts with few distinct values, cut to MAX_NAME characters.

    All over one dictionary: every distinct text is decoded once.
    """
    there, rows = _present(found, fields), found.rows
    fine = np.zeros(rows, np.bool_)
    columns = dict.fromkeys(fields, Named(constant("", rows), fine))
    if there:
        encoded = _gather(found, there.values()).dictionary_encode(null_encoding="encode")
        decoded, odd = decode_texts(encoded.dictionary.fill_null(b""))
        index = encoded.indices.to_numpy()
        every = distinct(index, cut(decoded))
        invalid = odd[index] if odd.any() else None
        for start, name in zip(range(0, len(index), rows), there, strict=True):
            mine = slice(start, start + rows)
            columns[name] = Named(
                Names(every.index[mine], every.dictionary), fine if invalid is None else invalid[mine]
            )
    return columns


def texts(found: Pivot, fields: Fields) -> dict[str, Texts]:
    """Columns of texts that are mostly distinct, cut to MAX_NAME characters."""
    there, rows = _present(found, fields), found.rows
    columns = {}
    if len(there) < len(fields):
        columns = dict.fromkeys(fields, Texts(_empty(rows), np.zeros(rows, np.bool_)))
    if there:
        decoded, invalid = decode_texts(_gather(found, there.values()).fill_null(b""))
        array = cut(decoded)
        for start, name in zip(range(0, len(array), rows), there, strict=True):
            columns[name] = Texts(array.slice(start, rows), invalid[start : start + rows])
    return columns


def counts(found: Pivot, fields: Fields) -> Counts:
    """Columns of token counts, of the fields that occur."""
    there = _present(found, fields)
    values = found.values
    positions = np.array(list(there.values()), dtype=np.int64).reshape(-1, found.rows)
    present = positions >= 0
    numbers, usual = decode_integers(values, positions[present])
    result = np.zeros(positions.shape, dtype=np.int64)
    reported = present.copy()
    invalid = np.zeros(positions.shape, dtype=np.bool_)
    result[present] = np.where(usual, numbers, 0)
    for where in np.flatnonzero(present)[~usual]:
        cell = np.unravel_index(where, positions.shape)
        count = whole_number(scalar(values[int(positions[cell])].as_py()))
        reported[cell] = count is not None
        invalid[cell] = count is not None and count < 0
        result[cell] = max(count or 0, 0)
    too_large = result > MAX_TOKENS
    result[too_large] = 0
    return Counts(list(there), result, reported, invalid | too_large)


def whole_number(value: Scalar) -> int | None:
    """A count as any emitter writes it; None: not reported (absent, empty or NaN); negative: no count."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) <= _DIGITS else -1
    if isinstance(value, bool | bytes):
        return -1
    if isinstance(value, float):
        if isnan(value):  # what JavaScript emitters make of an undefined count
            return None
        return int(value) if value.is_integer() and 0 <= value <= MAX_TOKENS else -1
    return value if 0 <= value <= MAX_TOKENS else -1


def fixed(column: pa.BinaryArray, size: int) -> tuple[pa.FixedSizeBinaryArray, Mask]:
    """Ids of a fixed size. The mask marks those of another size, and those all zero; they become zero."""
    wrong = np.diff(bounds(column)) != size
    if wrong.any():
        column = pc.if_else(pa.array(wrong), pa.scalar(bytes(size), pa.binary()), column)
    first, last = bounds(column)[[0, -1]]
    ids = data(column)[first:last].reshape(-1, size)
    array = pa.Array.from_buffers(pa.binary(size), len(column), [None, pa.py_buffer(ids)])
    return array, wrong | ~ids.any(axis=1)


def cut(texts: pa.StringArray) -> pa.StringArray:
    """Texts of at most MAX_NAME characters; a longer one is cut and marked with an ellipsis."""
    long = longer_than(texts, MAX_NAME)
    if not long.any():
        return texts
    head = pc.utf8_slice_codeunits(texts, 0, MAX_NAME)
    return pc.if_else(pa.array(long), pc.binary_join_element_wise(head, _ELLIPSIS, ""), texts)


def _present(found: Pivot, fields: Fields) -> dict[str, Positions]:
    """The fields that occur, and where."""
    return {
        name: found.first(aliases)
        for name, aliases in fields.items()
        if any(alias in found.found for alias in aliases)
    }


def _gather(found: Pivot, columns: Iterable[Positions]) -> pa.BinaryArray:
    """The encoded values of columns, end to end; null where there is none."""
    positions = np.concatenate(list(columns))
    return found.values.take(pa.array(positions, mask=positions < 0))


def _empty(rows: int) -> pa.StringArray:
    return pa.Array.from_buffers(
        pa.string(), rows, [None, pa.py_buffer(np.zeros(rows + 1, np.int32)), pa.py_buffer(b"")]
    )
