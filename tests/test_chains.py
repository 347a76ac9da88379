"""The index of rows by keys, against a dictionary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.chains import Chains, repeated

keys = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=40)


@given(st.lists(keys, max_size=4), keys)
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


@given(keys)
def test_repeated_marks_the_keys_that_occur_more_than_once(values: list[int]) -> None:
    assert repeated(np.array(values, np.uint64)).tolist() == [values.count(value) > 1 for value in values]
