"""The index of rows by keys, against a dictionary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.chains import LONGEST, Chains, repeated

keys = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=40)
distinct_keys = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=40, unique=True)


@given(st.lists(keys, max_size=4), distinct_keys)
def test_find_gives_the_rows_that_were_added_under_each_key(
    batches: list[list[int]], asked: list[int]
) -> None:
    chains, rows = Chains(256), []
    for batch in batches:
        chains.add(np.array(batch, np.uint64))
        rows += batch
    index, row = chains.find(np.array(asked, np.uint64))
    expected = {(i, j) for i, key in enumerate(asked) for j, other in enumerate(rows) if key == other}
    assert set(zip(index.tolist(), row.tolist(), strict=True)) == expected
    assert len(index) == len(expected)
    assert len(chains) == len(rows)


@given(st.lists(keys, max_size=4), keys)
def test_a_key_is_held_if_a_row_was_added_under_it_and_its_rows_are_told_once(
    batches: list[list[int]], asked: list[int]
) -> None:
    chains, rows = Chains(256), []
    for batch in batches:
        chains.add(np.array(batch, np.uint64))
        rows += batch
    wanted = np.array(asked, np.uint64)
    assert chains.holds(wanted).tolist() == [key in rows for key in asked]
    expected = [number for number, key in enumerate(rows) if key in asked]
    assert sorted(chains.rows_of(wanted).tolist()) == expected


def test_of_a_key_with_more_rows_than_are_looked_at_the_latest_are_found() -> None:
    chains = Chains(4 * LONGEST)
    for _ in range(2):
        chains.add(np.repeat(np.arange(2, dtype=np.uint64), LONGEST))
    index, row = chains.find(np.arange(2, dtype=np.uint64))
    assert set(row[index == 0].tolist()) == set(range(2 * LONGEST, 3 * LONGEST))
    assert set(row[index == 1].tolist()) == set(range(3 * LONGEST, 4 * LONGEST))
    assert len(row) == 2 * LONGEST


def test_a_key_is_found_behind_a_long_chain_of_another_in_its_slot() -> None:
    chains = Chains(256)
    other = np.uint64(1 << 40)  # the same slot as 0
    chains.add(np.array([0], np.uint64))
    chains.add(np.full(100, other))
    assert chains.find(np.array([0], np.uint64))[1].tolist() == [0]
    assert chains.holds(np.array([0, 1 << 41], np.uint64)).tolist() == [True, False]


@given(keys)
def test_repeated_marks_the_keys_that_occur_more_than_once(values: list[int]) -> None:
    assert repeated(np.array(values, np.uint64)).tolist() == [values.count(value) > 1 for value in values]
