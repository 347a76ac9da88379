"""Runs, how they are sent, and the bill of what a writer makes of them."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeVar, cast

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_usage.batch import Export
from otel_usage.config import Settings
from otel_usage.ledger import Ledger
from otel_usage.model import TOKEN_COLUMNS, Outcome, Signal
from otel_usage.pricing import Pricer
from otel_usage.store import Store, history
from otel_usage.store.queries import Statement
from otel_usage.writer import Writer
from tests import runs, truth
from tests.golden import rows as golden
from tests.truth import Capture

MEMORY: Final = 1 << 13
BILLED: Final = (
    *("account_id", "context", "transaction_id", "usage_status"),
    *TOKEN_COLUMNS,
    *("billed_cost", "unpriced_reason"),
)
"""What there is of a call in a bill."""

_HOUR_NS: Final = 3_600 * 10**9
_SIDE_BY_SIDE: Final = 8  # runs that come at the same time
_TOGETHER: Final = 24  # most requests of a commit

T = TypeVar("T")
Request = tuple[Signal, bytes]
Bill = Counter[tuple[Any, ...]]
"""What is listed as a call: the run that it is of (or its trace), payer, tokens, and cost."""


@dataclass
class Shelf:
    """A store that keeps of each key the row of the highest version, as the table does."""

    rows: dict[tuple[Any, ...], Mapping[str, Any]] = field(default_factory=dict)
    whole: dict[tuple[Any, ...], pa.Table] = field(default_factory=dict)
    """All columns of each of them: a table of one row."""

    def insert(self, usage: pa.Table) -> None:
        columns = usage.select(
            ("started_at", "tenant", "call_id", "version", "is_deleted", "role", "trace_id", *BILLED)
        )
        times = columns.set_column(0, "started_at", columns["started_at"].cast(pa.int64()))
        now = pa.array([len(self.rows)] * len(usage), pa.timestamp("ms", "UTC"))
        stored = usage.append_column("inserted_at", now)
        for number, row in enumerate(times.to_pylist()):
            key = (row["tenant"], row["account_id"], row["started_at"] // _HOUR_NS, row["call_id"])
            if key not in self.rows or row["version"] >= self.rows[key]["version"]:
                self.rows[key], self.whole[key] = row, stored.slice(number, 1)

    def fetch(self, asked: Statement[Any]) -> pa.Table:
        """The versions that `history.read_versions` asks for."""
        told = cast("Mapping[str, Any]", asked.parameters)
        accounts = [told["accounts"][number - 1] for number in told["account"]]
        hours = [seconds * 10**9 // _HOUR_NS for seconds in told["hour"]]
        keys = zip(accounts, hours, map(bytes.fromhex, told["call"]), strict=True)
        found = [self.whole[key] for each in keys if (key := (told["tenant"], *each)) in self.whole]
        return pa.concat_tables(found).unify_dictionaries() if found else history.VERSIONS.empty_table()

    def append(self, table: str, rows: pa.Table) -> None: ...

    def insert_claims(self, claims: pa.Table) -> None: ...

    def insert_points(self, points: pa.Table) -> None: ...


@cache
def everything() -> Sequence[Capture]:
    """The runs made by hand, and all that were captured if they are here, else those of this repository."""
    repository = [
        Capture(path.parent.name, path.name.split(".")[0], {Signal.TRACES: path.read_bytes()}, [])
        for path in sorted(golden.CAPTURES.glob("*/*.traces.pb"))
    ]
    return [*runs.captures().values(), *(truth.captures() or repository)]


@cache
def run_of() -> Mapping[bytes, str]:
    """The run of each trace."""
    return {bytes.fromhex(trace): run.name for run in everything() for trace in run.trace_ids}


@cache
def requests() -> Sequence[Sequence[Request]]:
    """The runs in requests of one span, of one log record, or of all data points."""
    cut: Mapping[Signal, Callable[[bytes], Iterator[bytes]]] = {Signal.TRACES: _spans, Signal.LOGS: _records}
    return [
        [
            (signal, part)
            for signal, body in run.bodies.items()
            for part in (cut[signal](body) if signal in cut else [body])
        ]
        for run in everything()
    ]


def _spans(body: bytes) -> Iterator[bytes]:
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                request = ExportTraceServiceRequest()
                of = request.resource_spans.add(resource=resource_spans.resource)
                of.scope_spans.add(scope=scope_spans.scope, spans=[span])
                yield request.SerializeToString()


def _records(body: bytes) -> Iterator[bytes]:
    for resource_logs in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for record in scope_logs.log_records:
                request = ExportLogsServiceRequest()
                of = request.resource_logs.add(resource=resource_logs.resource)
                of.scope_logs.add(scope=scope_logs.scope, log_records=[record])
                yield request.SerializeToString()


def whole(run: Capture) -> Sequence[Request]:
    """The run as it was sent."""
    return list(run.bodies.items())


def in_turn(lists: Sequence[Sequence[T]]) -> Iterator[Sequence[T]]:
    """Of several at a time the first of each, then the second of each, and so on."""
    for start in range(0, len(lists), _SIDE_BY_SIDE):
        some = lists[start : start + _SIDE_BY_SIDE]
        for turn in range(max(map(len, some))):
            yield [each[turn] for each in some if turn < len(each)]


def shuffled(rng: random.Random, without: str = "") -> Iterator[Sequence[Request]]:
    """All requests of all runs but one, in any order, in commits of any size."""
    some = (cut for run, cut in zip(everything(), requests(), strict=True) if run.name != without)
    mixed = [request for cut in some for request in cut]
    rng.shuffle(mixed)
    while mixed:
        size = rng.randint(1, _TOGETHER)
        yield mixed[:size]
        del mixed[:size]


def exports(commit: Iterable[Request]) -> list[Export]:
    return [Export(body, "default", signal) for signal, body in commit]


@cache
def book() -> Pricer:
    return Pricer.bundled()


def written(commits: Iterable[Sequence[Request]]) -> Bill:
    """The bill of these commits, of which all is accounted for."""
    shelf = Shelf()
    settings = Settings.model_validate({"memory_rows": MEMORY})
    writer = Writer(settings, cast("Store", shelf), book(), Ledger())
    for commit in commits:
        for outcome in writer.write(exports(commit)):
            assert isinstance(outcome, Outcome)
            told = outcome.stored + outcome.duplicate + outcome.rollup + outcome.ignored + outcome.rejected
            assert outcome.received == told
            assert not outcome.message
    return bill(shelf.rows.values())


def bill(rows: Iterable[Mapping[str, Any]]) -> Bill:
    return Counter(
        (run_of().get(row["trace_id"], row["trace_id"].hex()), *(row[name] for name in BILLED))
        for row in rows
        if row["role"] == "inference" and not row["is_deleted"] and row["unpriced_reason"] != "call_failed"
    )


def difference(one: Bill, other: Bill) -> Mapping[str, Bill]:
    """What is in only one of two bills. None of it: they are the same."""
    return {name: each for name, each in (("lost", one - other), ("added", other - one)) if each}
