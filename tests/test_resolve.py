"""Of several observations of a call, the one of the highest version counts."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.model import CALL_ID, OBSERVATIONS
from otel_usage.resolve import resolve
from tests import strategies

_SCHEMA = pa.schema(
    [pa.field("call_id", CALL_ID), pa.field("version", pa.uint64()), pa.field("row", pa.int64())]
)


def _observations(calls: list[tuple[bytes, int]]) -> pa.Table:
    rows = [{"call_id": call, "version": version, "row": i} for i, (call, version) in enumerate(calls)]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _call(number: int) -> bytes:
    return bytes([number]) * 16


def test_without_duplicates_the_table_stays_as_it_is() -> None:
    observations = _observations([(_call(2), 5), (_call(1), 5), (_call(3), 5)])
    found = resolve(observations)
    assert found.observations is observations
    assert found.kept.tolist() == [0, 1, 2]
    assert found.duplicates.tolist() == []


def test_of_duplicates_the_highest_version_is_kept_wherever_it_stands() -> None:
    a, b = _call(1), _call(2)
    found = resolve(_observations([(a, 1), (b, 9), (a, 3), (b, 2), (a, 2)]))
    assert found.kept.tolist() == [1, 2]
    assert found.duplicates.tolist() == [0, 3, 4]
    assert found.observations["version"].to_pylist() == [9, 3]


def test_versions_are_compared_without_a_sign() -> None:
    found = resolve(_observations([(_call(1), 2**64 - 1), (_call(1), 1)]))
    assert found.kept.tolist() == [0]


def test_of_equal_versions_one_is_kept() -> None:
    found = resolve(_observations([(_call(1), 7)] * 3))
    assert found.observations.num_rows == 1
    assert sorted([*found.kept.tolist(), *found.duplicates.tolist()]) == [0, 1, 2]


def test_calls_that_share_half_of_their_identity_are_two_calls() -> None:
    one, other = b"same-8-b" + b"another8", b"same-8-b" + b"yet-one8"
    found = resolve(_observations([(one, 1), (other, 2)]))
    assert found.kept.tolist() == [0, 1]
    other, one = b"another8" + b"same-8-b", b"yet-one8" + b"same-8-b"
    assert resolve(_observations([(one, 1), (other, 2)])).kept.tolist() == [0, 1]


def test_of_a_slice_its_own_rows_are_compared() -> None:
    a, b, c = _call(1), _call(2), _call(3)
    found = resolve(_observations([(a, 9), (b, 1), (b, 2), (a, 1), (c, 1)]).slice(1, 3))
    assert found.kept.tolist() == [1, 2]
    assert resolve(_observations([(a, 1), (a, 2), (b, 1)]).slice(1)).kept.tolist() == [0, 1]


def test_no_observations_resolve_to_none() -> None:
    found = resolve(OBSERVATIONS.empty_table())
    assert found.observations.num_rows == 0
    assert found.kept.tolist() == found.duplicates.tolist() == []


@strategies.examples(200)
@given(
    calls=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2**64 - 1)), max_size=12),
    cut=st.integers(0, 12),
)
def test_the_best_of_each_call_is_kept_in_order_also_of_slices_and_chunks(
    calls: list[tuple[int, int]], cut: int
) -> None:
    named = [(_call(call), version) for call, version in calls]
    before = _observations([(_call(0), 1)])
    whole = pa.concat_tables([before, _observations(named[:cut]), _observations(named[cut:])])
    found = resolve(whole.slice(1))
    best = {call: max(version for each, version in named if each == call) for call, _ in named}
    kept = found.kept.tolist()
    assert [named[row] for row in kept] == list(
        zip(*map(pa.ChunkedArray.to_pylist, found.observations.select([0, 1]).columns), strict=True)
    )
    assert dict(named[row] for row in kept) == best
    assert len(kept) == len(best)
    assert kept == sorted(kept)
    assert np.sort(np.concatenate([found.kept, found.duplicates])).tolist() == list(range(len(named)))
