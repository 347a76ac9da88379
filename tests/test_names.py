"""Columns of names answer, per row, what Python answers for each text."""

import itertools
from typing import Final

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage import names
from otel_usage.names import Names
from tests import strategies

_TEXTS: Final = ["gpt-4o", "", "модель", "gpt-4o", "x" * 300]


def _names(texts: list[str]) -> Names:
    return Names.of(pa.array(texts, pa.string()).dictionary_encode())


def _texts(found: Names) -> list[str]:
    texts: list[str] = found.array().to_pylist()
    return texts


def test_a_column_goes_in_and_comes_out() -> None:
    found = _names(_TEXTS)
    assert _texts(found) == _TEXTS
    assert len(found) == 5
    assert found.array().type == pa.dictionary(pa.int32(), pa.string())


def test_chunks_with_dictionaries_of_their_own_are_one_column() -> None:
    chunks = [pa.array(texts).dictionary_encode() for texts in (["a", "b"], ["b", "c"], ["a"])]
    assert _texts(Names.of(pa.chunked_array(chunks))) == ["a", "b", "b", "c", "a"]


def test_a_slice_of_a_column_has_its_rows() -> None:
    assert _texts(Names.of(pa.array(_TEXTS).dictionary_encode().slice(1, 3))) == _TEXTS[1:4]


def test_some_rows_are_taken_in_the_order_asked_for() -> None:
    assert _texts(_names(_TEXTS).take(np.array([3, 1, 1]))) == ["gpt-4o", "", ""]


def test_empty_text_is_no_text() -> None:
    assert _names(_TEXTS).non_empty().tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("others", [0, 1_500])
def test_options_are_looked_up_alike_in_small_and_large_dictionaries(others: int) -> None:
    found = _names([*_TEXTS, *(f"other {number}" for number in range(others))])
    assert found.is_one_of(("gpt-4o", "модель", "absent")).tolist() == [
        *[True, False, True, True, False],
        *[False] * others,
    ]


def test_a_limit_is_of_characters_and_not_of_bytes() -> None:
    found = _names(["д" * 5, "d" * 5, "д" * 6, "d" * 6, ""])
    assert found.longer_than(5).tolist() == [False, False, True, True, False]


def test_a_column_without_rows_has_no_answers() -> None:
    found = _names([])
    for answers in (found.non_empty(), found.is_one_of(("a",)), found.longer_than(1)):
        assert answers.tolist() == []
        assert answers.dtype == np.bool_


def test_a_dictionary_never_says_a_text_twice() -> None:
    found = names.distinct(np.array([0, 1, 2, 3, 2]), pa.array(["a", "b", "a", ""]))
    assert _texts(found) == ["a", "b", "a", "", "a"]
    assert sorted(found.dictionary.to_pylist()) == ["", "a", "b"]


def test_distinct_texts_stay_the_dictionary_they_are() -> None:
    texts = pa.array(["a", "b"])
    assert names.distinct(np.array([1, 1, 0]), texts).dictionary is texts


def test_a_constant_is_the_same_in_every_row() -> None:
    assert _texts(names.constant("USD", 3)) == ["USD"] * 3
    assert _texts(names.constant("USD", 0)) == []


def test_a_choice_among_equal_options_says_each_text_once() -> None:
    found = names.choose(np.array([2, 1, 0, 3]), ["a", "b", "a", "a"])
    assert _texts(found) == ["a", "b", "a", "a"]
    assert found.dictionary.to_pylist() == ["a", "b"]


def test_a_choice_can_be_made_by_a_mask() -> None:
    assert _texts(names.choose(np.array([True, False]), ("no", "yes"))) == ["yes", "no"]


def test_where_takes_each_row_from_the_one_or_the_other() -> None:
    one, other = _names(["a", "b", "c"]), _names(["x", "b", "a"])
    found = names.where(np.array([True, False, False]), one, other)
    assert _texts(found) == ["a", "b", "a"]
    texts = found.dictionary.to_pylist()
    assert len(texts) == len(set(texts))


def test_where_of_one_dictionary_keeps_it() -> None:
    one = _names(["a", "b"])
    found = names.where(np.array([True, False]), one, one.take(np.array([0, 0])))
    assert _texts(found) == ["a", "a"]
    assert found.dictionary is one.dictionary


def test_where_the_condition_never_holds_the_other_stays_as_it_is() -> None:
    other = _names(["x", "y"])
    assert names.where(np.array([False, False]), _names(["a", "b"]), other) is other


@strategies.examples(100)
@given(
    rows=st.lists(st.tuples(*[st.integers(0, 2) | st.sampled_from([2**31, 2**40])] * 4), max_size=12),
)
def test_rows_are_grouped_by_all_their_keys_even_if_the_keys_are_large(
    rows: list[tuple[int, int, int, int]],
) -> None:
    keys = list(np.array(rows, dtype=np.int64).reshape(-1, 4).T)
    first, group = names.groups(keys)
    assert len(first) == len(set(rows))
    assert [rows[first[number]] for number in group.tolist()] == rows


@pytest.mark.parametrize("arrow_type", [pa.string(), pa.binary()])
def test_sizes_and_bounds_are_in_bytes_and_of_the_slice(arrow_type: pa.DataType) -> None:
    texts = pa.array(["ignored", "д", "", "abc"]).cast(arrow_type).slice(1)
    assert names.sizes(texts).tolist() == [2, 0, 3]
    data = names.data(texts).tobytes()
    edges = names.bounds(texts).tolist()
    assert [data[start:end] for start, end in itertools.pairwise(edges)] == [
        "д".encode(),
        b"",
        b"abc",
    ]
