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

from otel_usage.model import MAX_NAME, MAX_TOKENS, Scalar
from otel_usage.names import Mask, Names, Rows, bounds, constant, data, distinct, longer_than
from otel_usage.otlp.values import decode_integers, decode_texts, scalar
from otel_usage.pivot import Others, Pivot, Positions, Wanted, pivot

__all__ = [
    "Counts",
    "Fields",
    "Named",
    "Others",
    "Pivot",
    "Positions",
    "Texts",
    "Wanted",
    "counts",
    "cut",
    "empty",
    "fixed",
    "names",
    "pivot",
    "short",
    "texts",
    "whole_number",
]

Fields = Mapping[str, Sequence[str]]
"""Names of columns, and the attributes each is read from: the first that is there."""

_DIGITS: Final = len(str(MAX_TOKENS))
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


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

    def take(self, rows: Rows) -> "Texts":
        """Some of the rows."""
        return Texts(self.array.take(pa.array(rows)), self.invalid[rows])


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


def names(found: Pivot, fields: Fields) -> dict[str, Named]:
    """Columns of texts with few distinct values, cut to MAX_NAME characters.

    All over one dictionary: every distinct text is decoded once.
    """
    there, rows = _present(found, fields), found.rows
    fine = np.zeros(rows, np.bool_)
    columns = dict.fromkeys(fields, Named(constant("", rows), fine))
    if there:
        encoded = _gather(found, there.values()).dictionary_encode(null_encoding="encode")
        decoded, odd = decode_texts(_blank_for_null(encoded.dictionary))
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
        columns = dict.fromkeys(fields, Texts(empty(rows), np.zeros(rows, np.bool_)))
    if there:
        decoded, invalid = decode_texts(_blank_for_null(_gather(found, there.values())))
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
    result[present] = numbers
    reported, invalid = present, np.zeros(positions.shape, dtype=np.bool_)
    for where in np.flatnonzero(present)[~usual] if not usual.all() else ():
        cell = np.unravel_index(where, positions.shape)
        count = whole_number(scalar(values[int(positions[cell])].as_py()))
        reported[cell] = count is not None
        invalid[cell] = count is not None and count < 0
        result[cell] = max(count or 0, 0)
    too_large = result > MAX_TOKENS
    if too_large.any():
        result[too_large] = 0
        invalid |= too_large
    return Counts(list(there), result, reported, invalid)


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
    """Ids of a size, 8 or 16. The mask marks those of another size, which become zero, and those all zero."""
    wrong = np.diff(bounds(column)) != size
    if wrong.any():
        column = pc.if_else(pa.array(wrong), pa.scalar(bytes(size), pa.binary()), column)
    first, last = bounds(column)[[0, -1]]
    ids = data(column)[first:last]
    array = pa.Array.from_buffers(pa.binary(size), len(column), [None, pa.py_buffer(ids)])
    words = ids.view("<u8").reshape(-1, size // 8)
    return array, wrong | (words[:, 0] | words[:, -1] == 0)


def cut(texts: pa.StringArray) -> pa.StringArray:
    """Texts of at most MAX_NAME characters; a longer one is cut and marked with an ellipsis."""
    long = longer_than(texts, MAX_NAME)
    if not long.any():
        return texts
    head = pc.utf8_slice_codeunits(texts, 0, MAX_NAME)
    return pc.if_else(pa.array(long), pc.binary_join_element_wise(head, _ELLIPSIS, ""), texts)


def short(text: str) -> str:
    """A text of at most MAX_NAME characters, as `cut` does it."""
    return text if len(text) <= MAX_NAME else text[:MAX_NAME] + _ELLIPSIS


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
    absent = positions < 0
    return found.values.take(pa.array(positions, mask=absent) if absent.any() else pa.array(positions))


def _blank_for_null(encoded: pa.BinaryArray) -> pa.BinaryArray:
    return encoded.fill_null(b"") if encoded.null_count else encoded


def empty(rows: int) -> pa.StringArray:
    """A column of empty texts."""
    return pa.Array.from_buffers(
        pa.string(), rows, [None, pa.py_buffer(np.zeros(rows + 1, np.int32)), pa.py_buffer(b"")]
    )
