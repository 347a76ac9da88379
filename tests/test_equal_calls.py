"""Many calls with equal counts, as a batch of classifications has: as many calls, at the cost of others."""

import random
import time
import tracemalloc
from collections.abc import Iterator
from typing import Final
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otel_usage import calls, chains
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.lineage import Lineage
from otel_usage.pricing import Pricer
from otel_usage.recent import Recent
from otel_usage.store import Store
from otel_usage.waiting import Waiting
from tests.resolution import Span, World, table

ROWS: Final = 6_000
REQUESTS: Final = 4
MOST: Final = 3.0
"""How much more equal calls may cost than others."""
MIB: Final = 1 << 20
NONE: Final = np.zeros(0, np.uint64)

_SEED: Final = 7


@pytest.mark.anyio
@pytest.mark.parametrize("response_ids", [0, 1, 2])
async def test_equal_calls_cost_about_what_distinct_ones_do(store: Store, response_ids: int) -> None:
    """`response_ids`: of two calls so many have one."""
    rng = random.Random(_SEED)
    costs = dict.fromkeys(("equal", "distinct"), float("inf"))
    for kind in costs:
        async with Ingest(Settings(), store, Pricer.bundled()) as ingest:
            for number in range(REQUESTS):
                sent = body(rng, equal=kind == "equal", response_ids=response_ids if number else 0)
                began = time.process_time()
                outcome = await ingest.export(sent, tenant="default")
                assert outcome.stored == ROWS
                if number:  # the first has nothing to meet
                    costs[kind] = min(costs[kind], time.process_time() - began)
    assert costs["equal"] < MOST * costs["distinct"]


@pytest.mark.parametrize("trace", [0, 1])
@pytest.mark.parametrize("scopes", [("one",), ("one", "other")])
def test_what_equal_calls_meet_takes_memory_by_the_row_and_not_by_the_pair(
    trace: int, scopes: tuple[str, ...]
) -> None:
    recent = Recent(4 * ROWS, Lineage(1 << 10, 1 << 6))
    first, then = (
        table(Span(n, trace=trace or n, scope=scopes[n % len(scopes)]) for n in range(start, start + ROWS))
        for start in (1, 1 + ROWS)
    )
    recent.remember(first, known=False)
    tracemalloc.start()
    involved = recent.involved(then, NONE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    meet = trace or len(scopes) > 1
    assert involved.rows.all() == involved.rows.any() == bool(meet)
    assert involved.known.num_rows == (chains.LONGEST if meet else 0)
    assert peak < 20 * MIB


@pytest.mark.parametrize("seed", range(8))
def test_beside_more_equal_calls_than_are_looked_at_none_is_lost(seed: int) -> None:
    rng = random.Random(seed)
    world, start = World(), 0.0
    detail = {"first": rng.choice((2, 5)), "second": 3}
    with patch.object(chains, "LONGEST", 32):
        for number in range(1, 91):
            start += rng.choice((0.01, 0.1, 0.3))
            told = [
                Span(each, trace=each, scope=scope, start=start, seconds=0.5, detail=detail[scope])
                for each, scope in enumerate(("first", "second"), 2 * number)
            ]
            del told[rng.choice((1, 2, 2, 2, 2)) :]  # some are told of once
            for commit in [told] if rng.random() < 0.5 else [[each] for each in told]:
                world.send(commit)
    assert 90 <= len(world.calls) < 100


def test_equal_calls_that_were_forgotten_are_looked_for_only_if_another_emitter_saw_some_and_once() -> None:
    recent, waiting = Recent(8, Lineage(64, 8)), Waiting()
    for number in range(1, 13):
        recent.remember(table([Span(number, trace=number, scope="one")]), known=False)
    came = table(Span(number, trace=number, scope="one", start=number) for number in range(50, 60))
    waiting.forgotten(came, recent.involved(came, NONE))
    assert list(waiting.take(time.time(), 100)) == []
    came = table(Span(number, trace=number, scope="other", start=number) for number in range(50, 60))
    waiting.forgotten(came, recent.involved(came, NONE))
    (found,) = waiting.take(time.time(), 100)
    assert (found.by, found.key) == ("numbers", "app/100")
    assert found.to_ns - found.from_ns > 9 * 10**9


@given(st.data())
def test_the_nearest_call_is_the_one_that_a_look_at_each_finds(data: st.DataObject) -> None:
    some = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=9)
    told, lost = data.draw(some), data.draw(some)
    lost = [(start, number) for start, number in lost if number in {each for _, each in told}]
    started = np.array([start for start, _ in told + lost], np.int64)
    number = np.array([each for _, each in told + lost], np.int64)
    rows = np.arange(len(started))
    found = calls.nearest(started, rows[: len(told)], rows[len(told) :], number)
    expected = [
        min(
            (each for each in range(len(told)) if told[each][1] == mine),
            key=lambda each: (abs(told[each][0] - start), told[each][0], each),
        )
        for start, mine in lost
    ]
    assert found.tolist() == expected


def body(rng: random.Random, *, equal: bool, response_ids: int) -> bytes:
    """A request of calls of one model in one minute."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.append(
        KeyValue(key="service.name", value=AnyValue(string_value="sort"))
    )
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "opentelemetry.instrumentation.genai.openai"
    now = time.time_ns()
    for number in range(ROWS):
        start = now - rng.randrange(60 * 10**9)
        scope_spans.spans.add(
            trace_id=rng.randbytes(16),
            span_id=rng.randbytes(8),
            start_time_unix_nano=start,
            end_time_unix_nano=start + 10**9,
            attributes=_attributes(rng, equal=equal, response_id=number % 2 < response_ids),
        )
    return request.SerializeToString()


def _attributes(rng: random.Random, *, equal: bool, response_id: bool) -> Iterator[KeyValue]:
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
    }
    if response_id:
        texts["gen_ai.response.id"] = f"chatcmpl-{rng.randbytes(12).hex()}"
    for key, text in texts.items():
        yield KeyValue(key=key, value=AnyValue(string_value=text))
    for key, most in (("input", 1 << 20), ("output", 1 << 12)):
        count = 812 if equal else rng.randrange(most)
        yield KeyValue(key=f"gen_ai.usage.{key}_tokens", value=AnyValue(int_value=count))
