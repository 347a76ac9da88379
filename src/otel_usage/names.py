"""Columns of texts with few distinct values, and the questions that are asked of them.

What is asked is answered once per distinct value, then looked up per row.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Integers = npt.NDArray[np.integer[Any]]

_REMEMBERED = 1_024  # lists of options
_FEW = 1_000  # distinct values that Python goes through faster than Arrow is called
_SPARSE = 16  # values a row, up to which a table of all values is faster than sorting


@dataclass(frozen=True, slots=True)
class Names:
    """Row i is `dictionary[index[i]]`, of distinct texts. Absent is the empty text."""

    index: Integers
    dictionary: pa.StringArray

    @classmethod
    def of(cls, column: pa.DictionaryArray | pa.ChunkedArray) -> "Names":
        """The names of an Arrow column."""
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        return cls(column.indices.to_numpy(), column.dictionary)

    def __len__(self) -> int:
        return len(self.index)

    def array(self) -> pa.DictionaryArray:
        """The Arrow column."""
        index = pa.array(self.index, pa.int32())
        return pa.DictionaryArray.from_arrays(index, self.dictionary, safe=False)  # of ours, so within bounds

    def take(self, rows: Rows) -> "Names":
        """Some of the rows."""
        return Names(self.index[rows], self.dictionary)

    def texts(self) -> list[str]:
        """The text of each row: for a few rows."""
        return self.dictionary.take(pa.array(self.index)).to_pylist()

    def non_empty(self) -> Mask:
        """Per row, whether there is a text."""
        return self.look_up(sizes(self.dictionary) > 0)

    def is_one_of(self, options: Collection[str]) -> Mask:
        """Per row, whether it is one of the options."""
        if len(self.dictionary) > _FEW:
            known = pc.is_in(self.dictionary, value_set=pa.array(list(options)))
            return self.look_up(known.to_numpy(zero_copy_only=False))
        return self.look_up(
            np.array([text in options for text in self.dictionary.to_pylist()], dtype=np.bool_)
        )

    def longer_than(self, limit: int) -> Mask:
        """Per row, whether it has more than `limit` characters."""
        return self.look_up(longer_than(self.dictionary, limit))

    def look_up(self, answers: Mask) -> Mask:
        """Per row, the answer for its value."""
        return answers[self.index] if len(answers) else np.zeros(len(self.index), np.bool_)


def distinct(index: Integers, texts: pa.StringArray) -> Names:
    """Names over texts of which some may be equal: ClickHouse takes no dictionary that says a text twice."""
    encoded = texts.dictionary_encode()
    if len(encoded.dictionary) == len(texts):
        return Names(index, texts)
    return Names(encoded.indices.to_numpy()[index], encoded.dictionary)


def constant(text: str, rows: int) -> Names:
    """A name that is the same in every row."""
    return Names(np.zeros(rows, np.int32), _distinct_options((text,))[0])


def choose(index: Integers | Mask, options: Sequence[str]) -> Names:
    """A name chosen per row from a few options, of which some may be equal."""
    texts, numbers = _distinct_options(tuple(options))
    chosen = index.astype(np.int32)
    return Names(chosen if numbers is None else numbers[chosen], texts)


def where(condition: Mask, then: Names, otherwise: Names) -> Names:
    """Per row, the one name or the other."""
    if not condition.any():
        return otherwise
    if condition.all():
        return then
    if then.dictionary is otherwise.dictionary:
        return Names(np.where(condition, then.index, otherwise.index), then.dictionary)
    index = np.where(condition, then.index, otherwise.index + len(then.dictionary))
    return distinct(index, pa.concat_arrays([then.dictionary, otherwise.dictionary]))


def groups(keys: Sequence[Integers]) -> tuple[Rows, Rows]:
    """Rows with equal keys are a group: a row of each group, and per row the number of its group.

    Keys are non-negative.
    """
    code: Rows = np.zeros(len(keys[0]), np.int64)
    most = 1
    for key in keys:
        number, values = _numbered(key)
        if most * values > _SPARSE * len(code) + _FEW:
            code, most = _numbered(code)
        code, most = code * values + number, most * values
    group, most = _numbered(code)
    first = np.zeros(most, np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    return first, group


def _numbered(key: Integers) -> tuple[Rows, int]:
    """The key as numbers without gaps, in its order, and how many there are."""
    most = int(key.max(initial=-1)) + 1
    if most > _SPARSE * len(key) + _FEW:
        values, number = np.unique(key, return_inverse=True)
        return number, len(values)
    there = np.bincount(key, minlength=most) > 0
    if there.all():
        return key.astype(np.int64, copy=False), most
    place: Rows = np.cumsum(there) - 1
    return place[key], int(place[-1]) + 1


def sizes(texts: pa.StringArray | pa.BinaryArray) -> npt.NDArray[np.int32]:
    """The length of each text in bytes."""
    return np.diff(bounds(texts))


def longer_than(texts: pa.StringArray, limit: int) -> Mask:
    """Per text, whether it has more than `limit` characters."""
    long = sizes(texts) > limit  # in bytes: seldom true, and then for a closer look
    return pc.greater(pc.utf8_length(texts), limit).to_numpy(zero_copy_only=False) if long.any() else long


def bounds(texts: pa.StringArray | pa.BinaryArray) -> npt.NDArray[np.int32]:
    """Where each text begins in the array's data, and where the last one ends."""
    return np.frombuffer(texts.buffers()[1], dtype=np.int32, count=len(texts) + 1, offset=4 * texts.offset)


def data(texts: pa.StringArray | pa.BinaryArray) -> npt.NDArray[np.uint8]:
    """The bytes that `bounds` points into."""
    return np.frombuffer(texts.buffers()[2] or b"", dtype=np.uint8)


@lru_cache(_REMEMBERED)
def _distinct_options(options: tuple[str, ...]) -> tuple[pa.StringArray, Integers | None]:
    """The options without repetition, and the number of each among those if that is another."""
    texts = {text: number for number, text in enumerate(dict.fromkeys(options))}
    numbers = None if len(texts) == len(options) else np.array([texts[text] for text in options], np.int32)
    return pa.array(list(texts), pa.string()), numbers
