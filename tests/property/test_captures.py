"""A captured run has one bill, however its telemetry is cut into requests, in whatever order and company."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeVar, cast

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_usage.batch import Export
from otel_usage.config import Settings
from otel_usage.ledger import Ledger
from otel_usage.model import TOKEN_COLUMNS, Outcome, Signal
from otel_usage.pricing import PriceBook
from otel_usage.store import Store
from otel_usage.sweep import Sweep
from otel_usage.writer import Writer
from tests import truth
from tests.golden import rows as golden
from tests.truth import Capture

_HOUR_NS: Final = 3_600 * 10**9
_BILLED: Final = (
    *("account_id", "context", "transaction_id", "usage_status"),
    *TOKEN_COLUMNS,
    *("billed_cost", "unpriced_reason"),
)
_TOGETHER: Final = 24  # most items of a commit

Item = tuple[Signal, bytes]
"""A request of one span or log record, or of all data points of a run."""
Bill = Counter[tuple[Any, ...]]
"""What is listed as a call: the run it is of, payer, tokens, cost. In which trace, if not of a known run."""
T = TypeVar("T")


@dataclass
class Shelf:
    """A store that keeps of each key the row of the highest version, of those the last: as ClickHouse."""

    rows: dict[tuple[Any, ...], Mapping[str, Any]] = field(default_factory=dict)

    def insert(self, usage: pa.Table) -> None:
        for row in _plain(usage):
            key = (row["tenant"], row["account_id"], row["started_at"] // _HOUR_NS, row["call_id"])
            if key not in self.rows or row["version"] >= self.rows[key]["version"]:
                self.rows[key] = row

    def insert_claims(self, claims: pa.Table) -> None: ...

    def insert_points(self, points: pa.Table) -> None: ...


def _plain(usage: pa.Table) -> list[Mapping[str, Any]]:
    columns = usage.select(
        ["tenant", "started_at", "call_id", "version", "is_deleted", "role", "trace_id", *_BILLED]
    )
    at = columns.schema.get_field_index("started_at")
    return columns.set_column(at, "started_at", columns["started_at"].cast(pa.int64())).to_pylist()


@cache
def runs() -> Sequence[Capture]:
    """All captured runs if they are here, else those that are part of this repository."""
    return truth.captures() or [
        Capture(path.parent.name, path.name.split(".")[0], {Signal.TRACES: path.read_bytes()}, [])
        for path in sorted(golden.CAPTURES.glob("*/*.traces.pb"))
    ]


@cache
def run_of_trace() -> Mapping[bytes, str]:
    return {bytes.fromhex(trace): run.name for run in runs() for trace in run.trace_ids}


@cache
def items(run: int) -> Sequence[Item]:
    """The run of this number, in requests of one span or log record."""
    return [
        item
        for signal, body in runs()[run].bodies.items()
        for item in {Signal.TRACES: _spans, Signal.LOGS: _records}.get(signal, _whole)(signal, body)
    ]


def _spans(signal: Signal, body: bytes) -> Iterator[Item]:
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                one = ExportTraceServiceRequest()
                owner = one.resource_spans.add(resource=resource_spans.resource)
                owner.scope_spans.add(scope=scope_spans.scope, spans=[span])
                yield signal, one.SerializeToString()


def _records(signal: Signal, body: bytes) -> Iterator[Item]:
    for resource_logs in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                one = ExportLogsServiceRequest()
                owner = one.resource_logs.add(resource=resource_logs.resource)
                owner.scope_logs.add(scope=scope_logs.scope, log_records=[record])
                yield signal, one.SerializeToString()


def _whole(signal: Signal, body: bytes) -> Iterator[Item]:
    yield signal, body


def in_turn(lists: Sequence[Sequence[T]]) -> Iterator[Sequence[T]]:
    """The first of each list, then the second of each, and so on."""
    for turn in range(max(map(len, lists))):
        yield [each[turn] for each in lists if turn < len(each)]


def chunks(everything: Sequence[T], rng: random.Random) -> Iterator[Sequence[T]]:
    """In pieces of any size."""
    at = 0
    while at < len(everything):
        size = rng.randint(1, _TOGETHER)
        yield everything[at : at + size]
        at += size


def export(parts: Sequence[Item]) -> list[Export]:
    return [Export(body, "default", signal) for signal, body in parts]


def write(commits: Iterator[Sequence[Item]], memory_rows: int = 1 << 14) -> Bill:
    """The bill of these commits, of which all is accounted for."""
    shelf = Shelf()
    settings = Settings.model_validate({"memory_rows": memory_rows})
    writer = Writer(settings, cast("Store", shelf), book(), Ledger())
    for commit in commits:
        for outcome in writer.write(export(commit)):
            assert isinstance(outcome, Outcome)
            told = outcome.stored + outcome.duplicate + outcome.rollup + outcome.ignored + outcome.rejected
            assert outcome.received == told
            assert not outcome.message
    return billed(shelf.rows.values())


def billed(rows: Iterable[Mapping[str, Any]]) -> Bill:
    return Counter(
        (
            run_of_trace().get(row["trace_id"], row["trace_id"].hex()),
            *(row[name] for name in _BILLED),
        )
        for row in rows
        if row["role"] == "inference" and not row["is_deleted"] and row["unpriced_reason"] != "call_failed"
    )


@cache
def book() -> PriceBook:
    return PriceBook.bundled()


@pytest.fixture(scope="module")
def alone() -> Bill:
    """The bills of all runs, each of which came alone and whole."""
    return sum((write(iter([list(run.bodies.items())]), 1 << 10) for run in runs()), Counter())


def same(one: Bill, other: Bill) -> None:
    assert {"not any more": one - other, "as well": other - one} == {
        "not any more": Counter(),
        "as well": Counter(),
    }


def every_item() -> list[Sequence[Item]]:
    return [items(run) for run in range(len(runs()))]


def test_span_by_span_the_bill_is_the_same(alone: Bill) -> None:
    same(alone, write([item] for run in every_item() for item in run))


def test_backwards_the_bill_is_the_same(alone: Bill) -> None:
    same(alone, write(in_turn([run[::-1] for run in every_item()])))


def test_sent_again_whole_and_in_parts_it_adds_nothing(alone: Bill) -> None:
    whole = [list(run.bodies.items()) for run in runs()]
    same(alone, write(itertools.chain(whole, in_turn(every_item()), whole)))


@pytest.mark.parametrize("seed", range(4))
def test_mixed_and_cut_at_random_the_bill_is_the_same(alone: Bill, seed: int) -> None:
    rng = random.Random(seed)
    mixed = [item for run in every_item() for item in run]
    rng.shuffle(mixed)
    same(alone, write(chunks(mixed, rng)))


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
    """What the bill in the store is."""
    columns = ", ".join(("role", "is_deleted", "trace_id", *_BILLED))

    def read() -> Bill:
        answer = chdb_client.query(f"SELECT {columns} FROM {database}.usage FINAL")  # noqa: S608 (ours)
        names = answer.column_names
        return billed(dict(zip(names, values, strict=True)) for values in answer.result_rows)

    return read


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(2))
async def test_by_two_processes_the_bill_is_the_same_after_a_sweep(
    alone: Bill, store: Store, stored: Callable[[], Bill], seed: int
) -> None:
    rng = random.Random(seed)
    processes = [Process(store, Settings()) for _ in range(2)]
    mixed = [item for run in every_item() for item in run]
    rng.shuffle(mixed)
    for commit in chunks(mixed, rng):
        rng.choice(processes).writer.write(export(commit))
    for _ in range(3):
        for process in processes:
            await process.settle()
    same(alone, stored())
