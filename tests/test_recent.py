"""What is remembered of observations, for how long, and what is found again."""

import numpy as np
import pyarrow as pa

from otel_usage.lineage import Lineage
from otel_usage.recent import STORED, Recent
from tests.resolution import Span, table

ID = "chatcmpl-0123456789abcdef"
NONE = np.zeros(0, np.uint64)


def memory(rows: int = 16) -> Recent:
    return Recent(rows, Lineage(64, 8))


def found(recent: Recent, *spans: Span) -> tuple[list[bool], list[int]]:
    involved = recent.involved(table(spans), NONE)
    return involved.rows.tolist(), sorted(
        int.from_bytes(span) for span in involved.known["span_id"].to_pylist()
    )


def test_a_call_that_has_to_do_with_no_other_is_not_involved() -> None:
    recent = memory()
    recent.remember(table([Span(1)]), known=False)
    assert found(recent, Span(2, trace=2, input=7)) == ([False], [])


def test_calls_of_one_trace_are_found_together() -> None:
    recent = memory()
    recent.remember(table([Span(1, response_id=ID), Span(3, trace=3, input=4)]), known=False)
    assert found(recent, Span(2, input=7)) == ([True], [1])


def test_calls_with_one_response_id_are_found_together() -> None:
    recent = memory()
    recent.remember(table([Span(1, response_id=ID)]), known=False)
    assert found(recent, Span(2, trace=2, input=7, response_id=ID)) == ([True], [1])


def test_calls_with_equal_numbers_are_found_together_unless_both_have_response_ids() -> None:
    recent = memory()
    recent.remember(table([Span(1, response_id=ID)]), known=False)
    assert found(recent, Span(2, trace=2, scope="other")) == ([True], [1])
    assert found(recent, Span(2, trace=2, scope="other", response_id=ID + "2")) == ([False], [])


def test_calls_with_equal_numbers_that_one_emitter_saw_are_not_looked_for() -> None:
    recent = memory()
    recent.remember(table([Span(1)]), known=False)
    assert found(recent, Span(2, trace=2)) == ([False], [])
    assert found(recent, Span(2, trace=2), Span(3, trace=3)) == ([False, False], [])


def test_once_another_emitter_saw_equal_numbers_all_of_them_are_found() -> None:
    recent = memory()
    for number in range(1, 11):  # more than half of what is remembered
        recent.remember(table([Span(number, trace=number)]), known=False)
    seen = list(range(1, 11))
    assert found(recent, Span(11, trace=11, scope="other")) == ([True], seen)
    assert found(recent, Span(11, trace=11), Span(12, trace=12, scope="other")) == ([True, True], seen)
    recent.remember(table([Span(11, trace=11, scope="other")]), known=False)
    assert found(recent, Span(12, trace=12, response_id=ID)) == ([True], [*seen, 11])


def test_calls_of_which_one_reports_the_reasoning_that_the_other_leaves_out_are_found() -> None:
    recent = memory()
    recent.remember(table([Span(1, output=50, reasoning=40), Span(2, trace=2)]), known=False)
    assert found(recent, Span(3, trace=3, scope="other")) == ([True], [1, 2])
    assert found(recent, Span(3, trace=3, scope="other", output=17, reasoning=7)) == ([True], [1, 2])


def test_the_rest_of_a_trace_that_is_found_is_found_too() -> None:
    recent = memory()
    recent.remember(table([Span(1, response_id=ID, trace=2), Span(3, trace=2, input=9)]), known=False)
    assert found(recent, Span(2, trace=5, input=7, response_id=ID)) == ([True], [1, 3])


def test_what_is_found_belongs_to_no_request() -> None:
    recent = memory()
    recent.remember(table([Span(1)]), known=False)
    known = recent.involved(table([Span(2)]), NONE).known
    assert known["request"].to_pylist() == [STORED]


def test_an_observation_written_anew_replaces_what_was_remembered_of_it() -> None:
    recent = memory()
    recent.remember(table([Span(1)]), known=False)
    recent.remember(table([Span(1, detail=5)]), known=True)
    known = recent.involved(table([Span(2)]), NONE).known
    assert known["version"].to_pylist() == table([Span(1, detail=5)])["version"].to_pylist()


def test_it_forgets_the_oldest_half_and_knows_that_it_did() -> None:
    recent = memory(rows=8)
    for number in range(1, 13):
        recent.remember(table([Span(number, trace=number, input=number)]), known=False)
    assert found(recent, Span(99, trace=12, input=999)) == ([True], [12])
    assert found(recent, Span(99, trace=1, input=999)) == ([False], [])
    kept, lost = (recent.involved(table([Span(99, trace=n, input=999)]), NONE) for n in (12, 1))
    assert (kept.by_trace.tolist(), lost.by_trace.tolist()) == ([False], [True])
    equal = recent.involved(table([Span(99, trace=50, input=1, scope="other")]), NONE)
    assert (equal.by_trace.tolist(), equal.by_numbers.tolist()) == ([False], [True])
    assert not recent.involved(table([Span(99, trace=50, input=1)]), NONE).by_numbers.any()


def test_a_table_longer_than_the_memory_is_remembered_as_far_as_it_fits() -> None:
    recent = memory(rows=8)
    recent.remember(table([Span(n, trace=n, input=n) for n in range(1, 31)]), known=False)
    assert found(recent, Span(99, trace=30, input=999)) == ([True], [30])
    assert isinstance(recent.involved(table([Span(99, trace=1, input=999)]), NONE).known, pa.Table)
