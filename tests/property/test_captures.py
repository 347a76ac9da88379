"""A run has one bill, however its telemetry is cut into requests, in whatever order and company they come."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.ledger import Ledger
from otel_usage.store import Store
from otel_usage.sweep import Sweep
from otel_usage.writer import Writer
from tests import runs
from tests.sending import (
    BILLED,
    MEMORY,
    Bill,
    bill,
    book,
    difference,
    everything,
    exports,
    in_turn,
    requests,
    shuffled,
    whole,
    written,
)

_COUNTED_TWO_WAYS: Final = "gemini-cli-synth/session-logs-metrics-traces"
"""One of its events counts reasoning in the output, the other and the span do not. What was forgotten is
looked for by equal counts only, so that a memory too short for the run may charge a call of it twice."""


@pytest.fixture(scope="module")
def alone() -> Bill:
    """The bills of all runs, if each comes whole and nothing else does."""
    return sum((written([whole(run)]) for run in everything()), Bill())


@pytest.mark.parametrize("made", runs.RUNS, ids=lambda made: made.name)
def test_a_run_made_by_hand_is_charged_its_calls(made: runs.Made) -> None:
    charged = written([whole(runs.captures()[made.name])])
    account, tokens = 1 + BILLED.index("account_id"), 1 + BILLED.index("input_tokens")
    assert sorted((call[account], call[tokens]) for call in charged.elements()) == sorted(made.charged)


def test_span_by_span_the_bill_is_the_same(alone: Bill) -> None:
    assert difference(alone, written(in_turn(requests()))) == {}


def test_backwards_the_bill_is_the_same(alone: Bill) -> None:
    assert difference(alone, written(in_turn([run[::-1] for run in requests()]))) == {}


def test_sent_again_in_parts_and_whole_it_adds_nothing(alone: Bill) -> None:
    once, again = map(whole, everything()), [request for run in everything() for request in whole(run)]
    assert difference(alone, written(itertools.chain(once, in_turn(requests()), [again]))) == {}


@pytest.mark.parametrize("seed", range(3))
def test_mixed_with_others_and_cut_at_random_the_bill_is_the_same(alone: Bill, seed: int) -> None:
    assert difference(alone, written(shuffled(random.Random(seed)))) == {}


@dataclass
class Process:
    """A server's writer and sweep, on a store that others may write to as well."""

    store: Store
    settings: Settings

    def __post_init__(self) -> None:
        self.writer = Writer(self.settings, self.store, book(), Ledger())
        self._sweep = Sweep(self.settings, self.store, self.writer)

    async def settle(self) -> int:
        """How many rows a sweep wrote."""
        found = await self._sweep.find()
        return self._sweep.settle(found) if found else 0


@pytest.fixture
def stored(database: str, chdb_client: Client) -> Callable[[], Bill]:
    """The bill that is in the store."""
    columns = ", ".join(("role", "is_deleted", "trace_id", *BILLED))

    def read() -> Bill:
        answer = chdb_client.query(f"SELECT {columns} FROM {database}.usage_rows FINAL")  # noqa: S608 (ours)
        return bill(dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows)

    return read


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("processes", "memory_rows", "without"),
    [(2, MEMORY, ""), (1, 64, _COUNTED_TWO_WAYS)],
    ids=["two processes", "a short memory"],
)
async def test_what_no_one_memory_saw_together_has_the_same_bill_after_a_sweep(
    store: Store, stored: Callable[[], Bill], processes: int, memory_rows: int, without: str
) -> None:
    rng = random.Random(processes)
    settings = Settings.model_validate({"memory_rows": memory_rows})
    servers = [Process(store, settings) for _ in range(processes)]
    for commit in shuffled(rng, without):
        rng.choice(servers).writer.write(exports(commit))
    for server in servers:
        await server.settle()
    together = written(whole(run) for run in everything() if run.name != without)
    assert difference(together, stored()) == {}
    assert [await server.settle() for server in servers] == [0] * processes
