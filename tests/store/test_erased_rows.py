"""Rows of erased accounts have no ids: nothing that is resolved later takes them for one, or loses one."""

from dataclasses import replace

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.erased import Erased
from otel_usage.erasure import Order, erase
from otel_usage.erasure_feed import ErasureFeed
from otel_usage.store import Store
from otel_usage.store.history import VERSIONS, versions
from otel_usage.store.queries import Statement
from tests.store.processes import ID, Process, Told, charged

pytestmark = pytest.mark.anyio

_ACCOUNT = "jane@example.com"
_CLAIM = Told(9, operation="", account=_ACCOUNT)


@pytest.fixture
def processes(any_store: Store) -> list[Process]:
    return [Process(any_store, Settings.model_validate({"rollup_delay": 0.001})) for _ in range(2)]


async def _erase(store: Store, *processes: Process) -> str:
    done = await erase(store, Order("default", _ACCOUNT, "eva", "she asked"), pause=0)
    for process in processes:
        process.writer.erased = await ErasureFeed(store).load()
    return done.pseudonym


async def _sweep(*processes: Process) -> None:
    for process in processes * 2:
        await process.sweep()


async def test_calls_with_equal_numbers_stay_as_many_calls(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([Told(number, account=_ACCOUNT, input=777) for number in range(1, 4)])
    who = await _erase(any_store, *processes)
    other.send([Told(20, input=777, scope="langsmith", trace=bytes(15) + b"\2", start=0.2)])
    one.send([Told(30, input=777, response_id=ID, trace=bytes(15) + b"\3", start=900)])
    await _sweep(*processes)
    assert [account for *_, account in await charged(any_store)].count(who) == 3


async def test_a_call_that_another_process_is_told_again_without_its_payer_is_charged_once(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    one.send([_CLAIM, Told(1, parent=9), Told(2, parent=9, response_id=ID)])
    who = await _erase(any_store, *processes)
    assert await charged(any_store) == [(100, 10, who)] * 2
    other.send([Told(1, parent=9), Told(2, parent=9, response_id=ID)])
    await _sweep(*processes)
    assert await charged(any_store) == [(100, 10, who)] * 2
    other.send([Told(1, parent=9), Told(2, parent=9, response_id=ID)])
    one.send([_CLAIM, Told(1, parent=9), Told(2, parent=9, response_id=ID)])
    await _sweep(*processes)
    assert await charged(any_store) == [(100, 10, who)] * 2


async def test_what_the_memory_knows_of_a_call_goes_on_with_it(
    any_store: Store, processes: list[Process]
) -> None:
    one, _ = processes
    one.send([Told(1, account=_ACCOUNT, scope="langchain")])
    who = await _erase(any_store, *processes)
    one.send([Told(2, parent=1, response_id=ID)])
    assert await charged(any_store) == [(100, 10, who)]
    await _sweep(*processes)
    assert await charged(any_store) == [(100, 10, who)]


async def _stored(store: Store) -> pa.Table:
    columns = ", ".join(VERSIONS.names)
    sql = f"SELECT {columns} FROM usage_rows FINAL"  # noqa: S608
    read: Statement[tuple[object, ...]] = Statement("read", sql, {}, lambda *values: values)
    return versions(store.fetch(read))


async def test_a_call_that_was_priced_again_is_known_in_its_new_version(
    any_store: Store, processes: list[Process]
) -> None:
    one, _ = processes
    one.send([Told(1, account=_ACCOUNT, scope="langchain")])
    who = await _erase(any_store, *processes)
    for _ in range(3):
        stored = await _stored(any_store)
        usage = stored.drop_columns(["inserted_at"])
        place = usage.schema.get_field_index("version")
        higher = pa.array([version + 1 for version in usage["version"].to_pylist()], pa.uint64())
        one.writer.rewrite(stored, usage.set_column(place, usage.schema.field(place), higher))
    one.send([Told(2, parent=1, account=_ACCOUNT, response_id=ID)])  # the same call, better told
    assert await charged(any_store) == [(100, 10, who)]
    await _sweep(*processes)
    assert await charged(any_store) == [(100, 10, who)]


async def test_rows_that_were_read_before_the_erasure_are_written_as_erased_ones(
    any_store: Store, any_client: Client, processes: list[Process]
) -> None:
    one, _ = processes
    one.send([Told(1, account=_ACCOUNT)])
    stored = await _stored(any_store)
    who = await _erase(any_store, *processes)
    one.writer.rewrite(stored, stored.drop_columns(["inserted_at"]))
    assert await charged(any_store) == [(100, 10, who)]
    for table in ("usage_rows", "usage_history"):
        (row,) = any_client.query(f"SELECT countIf(account_id = '{_ACCOUNT}') FROM {table}").result_rows  # noqa: S608
        assert row == (0,)


async def test_a_claim_that_comes_late_is_not_stored_and_a_new_one_is(
    any_store: Store, any_client: Client, processes: list[Process]
) -> None:
    one, _ = processes
    await _erase(any_store, *processes)
    one.send([_CLAIM, replace(_CLAIM, number=8, account="beta")])
    stored = any_client.query("SELECT account_id FROM claims").result_rows
    assert stored == [("beta",)]
    one.writer.erased = Erased()
    one.send([replace(_CLAIM, number=7, trace=bytes(15) + b"\7")])
    assert len(any_client.query("SELECT account_id FROM claims").result_rows) == 2


async def test_a_call_that_moves_to_another_hour_is_charged_once(
    any_store: Store, processes: list[Process]
) -> None:
    one, other = processes
    who = await _erase(any_store, *processes)
    for call in range(1, 7):  # which of two equally good observations wins, their span ids say
        told = Told(call, account=_ACCOUNT, response_id=f"{ID}{call}", input=call)
        one.send([told])
        one.send([replace(told, number=call + 10, start=3_600 * (-1) ** call)])
        other.send([told])
    await _sweep(*processes)
    assert await charged(any_store) == [(call, 10, who) for call in range(1, 7)]


async def test_nothing_that_clickhouse_keeps_of_a_deletion_names_the_account(
    any_store: Store, any_client: Client, processes: list[Process]
) -> None:
    one, _ = processes
    one.send([_CLAIM, Told(1, parent=9)])
    await _erase(any_store, *processes)
    told = any_client.query("SELECT count(), countIf(position(command, 'jane') > 0) FROM system.mutations")
    ((mutations, naming),) = told.result_rows
    assert mutations > 0
    assert naming == 0
