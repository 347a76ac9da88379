"""Rows that no one memory saw together: what the store finds, and what a sweep makes of it."""

import pyarrow as pa
import pytest

from otel_usage.config import Settings
from otel_usage.model import Retryable
from otel_usage.store import Store
from otel_usage.store.queries import UsageFilter, list_usage
from tests.store.processes import ID, Process, Told, charged

pytestmark = pytest.mark.anyio


@pytest.fixture
def processes(any_store: Store) -> list[Process]:
    settings = Settings.model_validate({"rollup_delay": 0.001})
    return [Process(any_store, settings) for _ in range(2)]


async def test_two_observations_of_a_call_in_two_processes_are_one_after_a_sweep(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(1, scope="langchain")])
    other.send([Told(2, parent=1, response_id=ID)])
    assert len(await charged(any_store)) == 2
    assert await other.sweep() > 0
    assert await charged(any_store) == [(100, 10, "")]
    assert await one.sweep() == 0
    assert await other.sweep() == 0
    one.send([Told(1, scope="langchain")])
    other.send([Told(2, parent=1, response_id=ID)])
    assert await charged(any_store) == [(100, 10, "")]


async def test_a_call_with_two_payers_in_two_processes_is_one_row_after_a_sweep(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(1, response_id=ID, account="alpha", trace=bytes(15) + b"\1")])
    other.send([Told(2, response_id=ID, account="beta", trace=bytes(15) + b"\2", start=3_600)])
    assert len(await charged(any_store)) == 2
    assert await one.sweep() > 0
    assert len(await charged(any_store)) == 1
    assert await other.sweep() == 0
    assert len(await charged(any_store)) == 1


async def test_equal_numbers_of_two_emitters_in_two_traces_and_processes_are_one_call_after_a_sweep(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(1, scope="langsmith", input=777)])
    other.send([Told(2, response_id=ID, input=777, trace=bytes(15) + b"\2", start=0.2)])
    await one.sweep()
    assert await charged(any_store) == [(777, 10, "")]


async def test_a_payer_that_another_process_heard_of_pays_after_a_sweep(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(9, operation="", account="alpha")])
    other.send([Told(1, parent=9)])
    assert await charged(any_store) == [(100, 10, "")]
    await one.sweep()
    assert await charged(any_store) == [(100, 10, "alpha")]


async def test_a_claim_that_could_not_be_stored_is_stored_when_it_is_sent_again(
    any_store: Store, processes: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = processes

    def refuse(_: pa.Table) -> None:
        raise Retryable("down", retry_after=1)

    with monkeypatch.context() as down:
        down.setattr(any_store, "insert_claims", refuse)
        with pytest.raises(Retryable):
            one.send([Told(9, operation="", account="alpha")])
    one.send([Told(9, operation="", account="alpha")])
    other.send([Told(1, parent=9)])
    await other.sweep()
    assert await charged(any_store) == [(100, 10, "alpha")]


async def test_a_roll_up_is_charged_when_its_calls_do_not_come_and_not_when_they_do(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    assert one.send([Told(1, operation="invoke_agent", input=300)])[0].rollup == 1
    assert await charged(any_store) == []
    assert await one.sweep() == 1
    assert await charged(any_store) == [(300, 10, "")]
    other.send([Told(2, parent=1, input=300)])
    await other.sweep()
    assert await charged(any_store) == [(300, 10, "")]
    rows = await any_store.query(list_usage(UsageFilter("default", role="rollup"), 10))
    assert [row.input_tokens for row in rows] == [300]


async def test_a_trace_that_spans_a_restart_is_resolved_after_it(
    any_store: Store, processes: list[Process]
) -> None:
    before, after = processes
    before.send([Told(2, parent=1, response_id=ID), Told(3, parent=1, start=5)])
    after.send([Told(1, scope="langchain", account="alpha"), Told(4, parent=1, scope="x", start=5)])
    await after.sweep()
    assert await charged(any_store) == [(100, 10, "alpha"), (100, 10, "alpha")]


async def test_a_trace_that_goes_on_after_it_was_forgotten_is_resolved_after_a_sweep(
    any_store: Store,
) -> None:
    process = Process(any_store, Settings.model_validate({"memory_rows": 4}))
    process.send([Told(1, scope="langchain", account="alpha")])
    for number in range(10, 20):
        process.send([Told(number, trace=number.to_bytes(16), input=number)])
    process.send([Told(2, parent=1, response_id=ID)])
    assert len(await charged(any_store)) == 12
    assert await process.sweep() > 0
    assert len(await charged(any_store)) == 11
    assert await process.sweep() == 0


async def test_what_one_memory_resolved_is_not_looked_at(processes: list[Process]) -> None:
    one, other = processes
    one.send([Told(1, scope="langchain"), Told(2, parent=1, response_id=ID)])
    other.send([Told(7, trace=bytes(15) + b"\7", input=70)])
    assert await one.sweeper.find() == []
    assert await other.sweeper.find() == []
