"""Group commit: what becomes of requests that meet in it, and of those that meet a fault."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, cast

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Outcome, Permanent, Retryable
from otel_usage.pricing import Pricer
from otel_usage.record import Record, to_observation
from otel_usage.store import Store
from otel_usage.store.queries import UsageFilter
from otel_usage.store.summary import summarize
from tests.receiver.wires import llm_request

pytestmark = pytest.mark.anyio

COST: Final = Decimal("0.0085")
"""Of a call of `llm_request`, in US dollars."""
BROKEN: Final = b"\x0a\x05abc"
"""Says that five bytes follow, and has three."""
SOON: Final = 20.0
"""Seconds after which something that should happen at once has not."""


@dataclass(slots=True)
class Door:
    """Stands before a store, or before nothing: counts the rows of each insert, holds it, or fails it."""

    store: Store | None = None
    fault: Callable[[pa.Table], Exception | None] = lambda _: None
    inserts: list[int] = field(default_factory=list)
    """The rows of each insert that was asked for."""
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released by each insert that was asked for."""
    open: threading.Event = field(default_factory=threading.Event)
    """Nothing is durable before it is set."""

    def __post_init__(self) -> None:
        self.open.set()

    def insert(self, usage: pa.Table) -> None:
        self.inserts.append(usage.num_rows)
        self.asked.release()
        assert self.open.wait(SOON)
        if error := self.fault(usage):
            raise error
        if self.store:
            self.store.insert(usage)

    async def busy(self) -> None:
        """Return when an insert is under way that was not before."""
        assert await asyncio.to_thread(self.asked.acquire, timeout=SOON)


def ingesting(door: Door, **settings: object) -> Ingest:
    return Ingest(Settings.model_validate(settings), cast("Store", door), Pricer.bundled())


async def together(*requests: Awaitable[object]) -> list[Any]:
    """The answers, or errors, of requests that arrive at once: none is taken before all are there."""
    async with asyncio.timeout(SOON):
        return await asyncio.gather(*requests, return_exceptions=True)


async def settle() -> None:
    """Let every task run as far as it gets."""
    for _ in range(10):
        await asyncio.sleep(0)


async def bill(store: Store, tenant: str = "default") -> tuple[int, Decimal | None]:
    """Calls and costs of a tenant."""
    rows = await store.query(summarize(UsageFilter(tenant)))
    return next(((row.calls, row.billed_cost) for row in rows if row.by == "all"), (0, None))


def record(key: bytes = b"key", *, cached_tokens: int | None = 200, transaction_id: str = "") -> pa.Table:
    told = Record(
        key,
        "gpt-4o",
        account_id="acc_1",
        transaction_id=transaction_id,
        provider="openai",
        input_tokens=1500,
        output_tokens=500,
        cached_tokens=cached_tokens,
    )
    return to_observation(told, "default", time.time_ns())


def spans(*attributes: dict[str, str | int], first: int = 1) -> bytes:
    """A request of spans with these attributes, numbered from `first`."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, given in enumerate(attributes, first):
        scope.spans.append(_span(number, given))
    return request.SerializeToString()


def _span(number: int, attributes: dict[str, str | int]) -> Span:
    values = {
        key: AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)
        for key, value in attributes.items()
    }
    now = time.time_ns()
    return Span(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        start_time_unix_nano=now,
        end_time_unix_nano=now + 1,
        attributes=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


TOKENS: Final[dict[str, str | int]] = {"gen_ai.usage.input_tokens": 1500, "gen_ai.usage.output_tokens": 500}
CALL: Final[dict[str, str | int]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.cache_read.input_tokens": 200,
    "otel_usage.account.id": "acc_1",
    **TOKENS,
}


async def test_requests_that_arrive_together_become_one_insert(store: Store) -> None:
    door = Door(store)
    async with ingesting(door) as ingest:
        answers = await together(*(ingest.export(llm_request(2), tenant="default") for _ in range(30)))
    assert answers == [Outcome(received=2, stored=2)] * 30
    assert door.inserts == [60]
    assert await bill(store) == (60, 60 * COST)


async def test_requests_that_come_during_a_commit_are_the_next_one() -> None:
    door = Door()
    door.open.clear()
    async with ingesting(door) as ingest:
        first = asyncio.create_task(ingest.export(llm_request(), tenant="default"))
        await door.busy()
        others = []
        for _ in range(5):
            others.append(asyncio.create_task(ingest.export(llm_request(2), tenant="default")))
            await settle()
        assert not first.done()
        door.open.set()
        await together(first, *others)
    assert door.inserts == [1, 10]


async def test_nothing_is_answered_before_it_is_durable(store: Store) -> None:
    door = Door(store)
    door.open.clear()
    async with ingesting(door) as ingest:
        sent = [
            asyncio.create_task(ingest.export(llm_request(), tenant="default")),
            asyncio.create_task(ingest.record(record())),
        ]
        await door.busy()
        await settle()
        assert not any(task.done() for task in sent)
        assert await bill(store) == (0, None)
        door.open.set()
        await together(*sent)
        assert await bill(store) == (2, 2 * COST)


async def test_a_request_that_cannot_be_decoded_fails_alone(store: Store) -> None:
    door = Door(store)
    async with ingesting(door) as ingest:
        bodies = [llm_request(2), BROKEN, llm_request(3), b"\xff", llm_request(1)]
        answers = await together(
            *(ingest.export(body, tenant="default") for body in bodies), ingest.record(record())
        )
    broken = {index for index, answer in enumerate(answers) if isinstance(answer, Permanent)}
    assert broken == {1, 3}
    assert [answers[index].stored for index in (0, 2, 4)] == [2, 3, 1]
    assert answers[5].num_rows == 1
    # The sound ones are still one commit.
    assert door.inserts == [7]
    assert await bill(store) == (7, 7 * COST)


async def test_requests_that_are_all_broken_are_each_told() -> None:
    door = Door()
    async with ingesting(door) as ingest:
        answers = await together(*(ingest.export(BROKEN, tenant="default") for _ in range(3)))
        assert [type(answer) for answer in answers] == [Permanent] * 3
        assert (await ingest.export(llm_request(), tenant="default")).stored == 1
    assert door.inserts == [1]


async def test_a_fault_of_ours_with_one_request_takes_no_other_down(store: Store) -> None:
    def fault(usage: pa.Table) -> Exception | None:
        return ValueError("ours") if "poison" in usage["account_id"].to_pylist() else None

    async with ingesting(Door(store, fault)) as ingest:
        accounts = ["acc_1", "poison", "acc_2"]
        answers = await together(
            *(ingest.export(llm_request(account=account), tenant="default") for account in accounts),
            ingest.record(record()),
        )
        assert [type(answer) for answer in answers] == [Outcome, ValueError, Outcome, pa.Table]
        assert await bill(store) == (3, 3 * COST)
        # And the writer goes on.
        assert (await ingest.export(llm_request(), tenant="default")).stored == 1


async def test_what_the_store_refuses_is_its_senders_until_it_is_taken(store: Store) -> None:
    refusing = Retryable("down", retry_after=3)
    door = Door(store, lambda _: refusing)
    bodies = [llm_request(2) for _ in range(5)]
    told = record()
    async with ingesting(door) as ingest:

        async def send() -> list[Any]:
            return await together(
                *(ingest.export(body, tenant="default") for body in bodies), ingest.record(told)
            )

        assert await send() == [refusing] * 6
        assert await bill(store) == (0, None)
        assert door.inserts == [11]  # asked once, not once for each
        door.fault = lambda _: None
        *outcomes, row = await send()
    assert outcomes == [Outcome(received=2, stored=2)] * 5
    assert row.num_rows == 1
    assert await bill(store) == (11, 11 * COST)


async def test_sent_again_after_it_was_stored_it_adds_nothing(store: Store) -> None:
    body, told = llm_request(3), record()
    async with ingesting(Door(store)) as ingest:
        for expected in (Outcome(received=3, stored=3), Outcome(received=3, duplicate=3)):
            outcome, row = await together(ingest.export(body, tenant="default"), ingest.record(told))
            assert outcome == expected
            assert row["billed_cost"].to_pylist() == [COST]
    assert await bill(store) == (4, 4 * COST)


async def test_a_full_queue_refuses_and_names_the_setting() -> None:
    body = llm_request()
    limits: list[tuple[str, int]] = [("max_queue_requests", 2), ("max_queue_bytes", 2 * len(body))]
    for name, limit in limits:
        door = Door()
        door.open.clear()
        async with ingesting(door, **{name: limit}, retry_after=2.5) as ingest:
            # The first is with the writer, so the queue has room for two.
            taken = [asyncio.create_task(ingest.export(body, tenant="default"))]
            await door.busy()
            taken += [asyncio.create_task(ingest.export(body, tenant="default")) for _ in range(2)]
            await settle()
            beyond = [
                asyncio.create_task(ingest.export(body, tenant="default")),
                asyncio.create_task(ingest.record(record())),
            ]
            await settle()
            door.open.set()
            *answers, export, told = await together(*taken, *beyond)
            for refused in (export, told):
                assert isinstance(refused, Retryable)
                assert name in str(refused)
                assert refused.retry_after == 2.5
            assert [answer.received for answer in answers] == [1, 1, 1]
            # There is room again.
            assert (await ingest.export(body, tenant="default")).duplicate == 1


async def test_a_sender_that_leaves_disturbs_nobody(store: Store) -> None:
    door = Door(store)
    door.open.clear()
    async with ingesting(door) as ingest:
        under_way = [asyncio.create_task(ingest.export(llm_request(), tenant="default")) for _ in range(2)]
        await door.busy()
        waiting = [asyncio.create_task(ingest.export(llm_request(), tenant="default")) for _ in range(2)]
        await settle()
        for leaving in (under_way[0], waiting[0]):
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        door.open.set()
        assert await together(under_way[1], waiting[1]) == [Outcome(received=1, stored=1)] * 2
        assert door.inserts == [2, 2]
    # It may not have heard of it, but what was taken is stored.
    assert await bill(store) == (4, 4 * COST)


async def test_a_commit_that_fails_after_its_sender_left_disturbs_nobody() -> None:
    door = Door(fault=lambda _: Retryable("down", retry_after=1))
    door.open.clear()
    async with ingesting(door) as ingest:
        leaving = asyncio.create_task(ingest.export(llm_request(), tenant="default"))
        await door.busy()
        leaving.cancel()
        await settle()
        door.open.set()
        door.fault = lambda _: None
        assert (await ingest.export(llm_request(), tenant="default")).stored == 1


async def test_drain_answers_all_that_was_taken_and_refuses_the_rest(store: Store) -> None:
    door = Door(store)
    door.open.clear()
    async with ingesting(door, retry_after=2.5) as ingest:
        assert ingest.accepting
        taken = [asyncio.create_task(ingest.export(llm_request(), tenant="default"))]
        await door.busy()
        taken += [asyncio.create_task(ingest.export(llm_request(), tenant="default")) for _ in range(3)]
        await settle()
        draining = asyncio.create_task(ingest.drain())
        await settle()
        assert not ingest.accepting
        for refused in (ingest.export(llm_request(), tenant="default"), ingest.record(record())):
            with pytest.raises(Retryable, match="stopping") as caught:
                await refused
            assert caught.value.retry_after == 2.5
        assert not draining.done()
        door.open.set()
        await together(draining)
        assert [task.result() for task in taken] == [Outcome(received=1, stored=1)] * 4
    assert await bill(store) == (4, 4 * COST)


async def test_drain_has_an_end_when_nothing_is_there_and_when_asked_twice() -> None:
    async with ingesting(Door()) as ingest:
        await settle()
        assert await together(ingest.drain(), ingest.drain()) == [None, None]


async def test_drain_waits_for_no_company() -> None:
    door = Door()
    async with ingesting(door, commit_linger=10 * SOON) as ingest:
        await together(*(ingest.export(llm_request(), tenant="default") for _ in range(2)))
        alone = asyncio.create_task(ingest.export(llm_request(), tenant="default"))
        await settle()
        await together(ingest.drain())
        assert alone.result().stored == 1


async def test_a_sender_alone_is_not_kept_waiting() -> None:
    door = Door()
    async with ingesting(door, commit_linger=10 * SOON) as ingest, asyncio.timeout(SOON):
        for _ in range(5):
            assert (await ingest.export(llm_request(), tenant="default")).stored == 1
    assert door.inserts == [1] * 5


async def test_a_commit_waits_for_the_company_it_had() -> None:
    door = Door()
    async with ingesting(door, commit_linger=10 * SOON) as ingest:
        await together(*(ingest.export(llm_request(), tenant="default") for _ in range(2)))
        early = asyncio.create_task(ingest.export(llm_request(), tenant="default"))
        await asyncio.sleep(0.05)
        late = ingest.export(llm_request(), tenant="default")
        assert await together(early, late) == [Outcome(received=1, stored=1)] * 2
    assert door.inserts == [2, 2]


async def test_company_that_does_not_come_is_waited_for_once_and_not_long() -> None:
    door = Door()
    async with ingesting(door, commit_linger=0.2) as ingest:
        await together(*(ingest.export(llm_request(), tenant="default") for _ in range(2)))
        started = time.monotonic()
        await together(ingest.export(llm_request(), tenant="default"))
        assert time.monotonic() - started >= 0.19
    assert door.inserts == [2, 1]


async def test_commit_bytes_bounds_a_commit() -> None:
    body = llm_request(2)
    door = Door()
    async with ingesting(door, commit_bytes=2 * len(body)) as ingest:
        large = llm_request(9)
        assert len(large) > 2 * len(body)
        bodies = [body, llm_request(2), llm_request(2), large, llm_request(2)]
        answers = await together(*(ingest.export(each, tenant="default") for each in bodies))
    assert [answer.received for answer in answers] == [2, 2, 2, 9, 2]
    # One that is too large for any commit has one of its own.
    assert door.inserts == [4, 2, 9, 2]


async def test_commit_rows_splits_a_commit_and_all_are_answered_in_order(store: Store) -> None:
    door = Door(store)
    sizes = [3, 3, 2, 1, 9, 1]
    async with ingesting(door, commit_rows=6) as ingest:
        answers = await together(*(ingest.export(llm_request(size), tenant="default") for size in sizes))
    assert [answer.stored for answer in answers] == sizes
    assert sum(door.inserts) == sum(sizes)
    assert max(door.inserts) == 9  # one request is never split
    assert len(door.inserts) > 2
    assert await bill(store) == (sum(sizes), sum(sizes) * COST)


async def test_of_a_commit_that_was_split_only_the_refused_part_is_sent_again(store: Store) -> None:
    count = itertools.count()
    door = Door(store, lambda _: Retryable("down", retry_after=1) if next(count) == 1 else None)
    bodies = [llm_request(3), llm_request(3)]
    async with ingesting(door, commit_rows=3) as ingest:
        answers = await together(*(ingest.export(body, tenant="default") for body in bodies))
        assert [type(answer) for answer in answers] == [Outcome, Retryable]
        assert await bill(store) == (3, 3 * COST)
        await ingest.export(bodies[1], tenant="default")
    assert await bill(store) == (6, 6 * COST)


async def test_a_record_and_spans_share_a_commit_and_each_has_its_own_answer(store: Store) -> None:
    door = Door(store)
    async with ingesting(door) as ingest:
        answers = await together(
            ingest.record(record(b"a", transaction_id="txn_a")),
            ingest.export(llm_request(2), tenant="default"),
            ingest.record(record(b"b", transaction_id="txn_b")),
            ingest.export(spans({"http.request.method": "GET"}), tenant="default"),
        )
    assert door.inserts == [4]
    rows, outcomes = answers[0::2], answers[1::2]
    assert [row["transaction_id"].to_pylist() for row in rows] == [["txn_a"], ["txn_b"]]
    assert [row["billed_cost"].to_pylist() for row in rows] == [[COST], [COST]]
    assert outcomes == [Outcome(received=2, stored=2), Outcome(received=1, ignored=1)]
    assert await bill(store) == (4, 4 * COST)


async def test_a_record_told_twice_in_one_commit_gets_the_row_that_stays(store: Store) -> None:
    # The one that says more stays, whichever comes first.
    more, less = record(), record(cached_tokens=None)
    for told in ((more, less), (less, more)):
        async with ingesting(Door(store)) as ingest:
            answers = await together(*(ingest.record(each) for each in told))
        assert answers[0].equals(answers[1])
        assert answers[0]["cache_read_tokens"].to_pylist() == [200]
    assert await bill(store) == (1, COST)


async def test_of_spans_and_of_nothing_the_answer_adds_up(store: Store) -> None:
    async with ingesting(Door(store)) as ingest:
        assert await ingest.export(b"", tenant="default") == Outcome()
        every = spans(
            CALL,
            CALL | {"gen_ai.response.id": "chatcmpl-0123456789abcdef"},
            CALL | {"gen_ai.response.id": "chatcmpl-0123456789abcdef"},
            {"gen_ai.operation.name": "invoke_agent", **TOKENS},
            {"http.request.method": "GET"},
            CALL | {"gen_ai.usage.input_tokens": -1},
        )
        again = spans(CALL | {"gen_ai.response.id": "chatcmpl-0123456789abcdef"}, CALL, first=100)
        outcomes: Sequence[Outcome] = await together(
            ingest.export(every, tenant="a"),
            ingest.export(every, tenant="b"),
            ingest.export(again, tenant="a"),
        )
    a, b, a_again = outcomes
    # The same spans of another tenant are other calls.
    assert (b.received, b.stored, b.duplicate, b.rollup, b.ignored, b.rejected) == (6, 2, 1, 1, 1, 1)
    assert "gen_ai.usage.input_tokens" in b.message
    assert (a.rollup, a.ignored, a.rejected, a.message) == (1, 1, 1, b.message)
    # Which of the three observations of the call counts is not promised; that one does, is.
    assert a.stored + a_again.stored == 3
    assert a.duplicate + a_again.duplicate == 2
    for outcome in outcomes:
        fates = (outcome.stored, outcome.duplicate, outcome.rollup, outcome.ignored, outcome.rejected)
        assert sum(fates) == outcome.received
    assert await bill(store, "a") == (3, 3 * COST)
    assert await bill(store, "b") == (2, 2 * COST)


async def test_it_refuses_before_and_after_it_runs() -> None:
    ingest = ingesting(Door())
    with pytest.raises(Retryable):
        await ingest.export(b"", tenant="default")
    async with ingest:
        assert await ingest.export(b"", tenant="default") == Outcome()
    with pytest.raises(Retryable, match="stopping"):
        await ingest.export(b"", tenant="default")


async def test_leaving_by_an_error_answers_what_was_taken_and_ends_the_thread() -> None:
    before = set(threading.enumerate())
    door = Door()
    with contextlib.suppress(KeyError):
        async with ingesting(door) as ingest:
            taken = asyncio.create_task(ingest.export(llm_request(), tenant="default"))
            await settle()
            raise KeyError
    assert (await taken).stored == 1
    assert not [each for each in set(threading.enumerate()) - before if each.name.startswith("writer")]
