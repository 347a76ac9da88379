"""The hot path, bytes to priced USAGE table, stage by stage, as ratios to the naive walk on the same bytes.

Measured in CPU time of the process on one core, rounds of all stages in turn, the best of each: what else
goes on on the machine only ever adds.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from bench import bodies, machine
from bench.report import Budget, table
from bench.walk import walk
from otel_usage import batch
from otel_usage.batch import Clock, Export
from otel_usage.extract import observations
from otel_usage.model import USAGE, Signal, Spans
from otel_usage.otlp.decode import decode
from otel_usage.pricing import Pricer, price
from otel_usage.recent import Recent

DECODE_AND_EXTRACT: Final = 0.30
HOT_PATH: Final = 0.45
NOT_LLM: Final = 0.20

_SPANS_PER_REQUEST: Final = 1_000
_REMEMBERED: Final = 50  # requests in the memory
_TENANT: Final = "default"
_CLOCK_SKEW_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Stages:
    """Microseconds per span."""

    walk: float
    decode: float
    extract: float
    decode_and_extract: float
    price: float
    hot_path: float

    def of_walk(self, microseconds: float) -> float:
        """As a share of the walk."""
        return microseconds / self.walk


def run(*, rounds: int) -> list[Budget]:
    """Measures LLM, mixed and other spans, prints them, and returns the budgets."""
    book = Pricer.bundled()
    mixes = {
        "LLM, 1 request": measure(_requests(1, llm_share=1.0), book, rounds),
        "LLM, 16 requests": measure(_requests(16, llm_share=1.0), book, rounds // 4),
        "one LLM in ten, 1 request": measure(_requests(1, llm_share=0.1), book, rounds),
        "no LLM, 1 request": measure(_requests(1, llm_share=0.0), book, rounds),
    }
    _print(mixes)
    llm, other = mixes["LLM, 1 request"], mixes["no LLM, 1 request"]
    return [
        Budget(
            "decode + extract of an LLM span, of the walk",
            llm.of_walk(llm.decode_and_extract),
            DECODE_AND_EXTRACT,
        ),
        Budget("hot path of an LLM span, of the walk", llm.of_walk(llm.hot_path), HOT_PATH),
        Budget("hot path of a span that is no LLM call, of the walk", other.of_walk(other.hot_path), NOT_LLM),
    ]


def measure(requests: Sequence[bytes], book: Pricer, rounds: int) -> Stages:
    """The stages on these requests, as one commit."""
    tenants = [_TENANT] * len(requests)
    now_ns = time.time_ns()
    exports = [Export(request, _TENANT, Signal.TRACES) for request in requests]
    recent = Recent()
    recent.remember(_others(), known=False)

    def extract(spans: Spans) -> pa.Table:
        return observations(spans, tenants, now_ns=now_ns, max_clock_skew_ns=_CLOCK_SKEW_NS).observations

    def hot_path() -> pa.Table:
        """As `Writer` does it, of calls that no other span tells of, as is usual under load."""
        came = batch.read(exports, Clock(now_ns, _CLOCK_SKEW_NS), _SPANS_PER_REQUEST * len(exports))
        recent.lineage.note(came.paths.spans, came.paths.parents)
        involved = recent.involved(came.observations, came.paths.traces)
        assert not involved.rows.any()
        assert not involved.known.num_rows
        return price(came.observations, book)

    spans = decode(requests)
    found = extract(spans)
    assert hot_path().schema == USAGE
    stages: dict[str, Callable[[], object]] = {
        "walk": lambda: [walk(request) for request in requests],
        "decode": lambda: decode(requests),
        "extract": lambda: extract(spans),
        "decode_and_extract": lambda: extract(decode(requests)),
        "price": lambda: price(found, book),
        "hot_path": hot_path,
    }
    best = dict.fromkeys(stages, float("inf"))
    gc.collect()
    gc.freeze()  # so that collecting between measurements looks at their garbage only
    with machine.on_core(machine.cores()[0]):
        for _ in range(rounds):
            for name, stage in stages.items():
                best[name] = min(best[name], _cpu_seconds(stage))
    scale = 1e6 / spans.rows.num_rows
    return Stages(**{name: seconds * scale for name, seconds in best.items()})


def _others() -> pa.Table:
    """Calls that the memory holds."""
    template = bodies.body(_SPANS_PER_REQUEST, llm_share=1.0)
    requests = [bodies.stamp(template, 1_000 + number) for number in range(_REMEMBERED)]
    clock = Clock(time.time_ns(), _CLOCK_SKEW_NS)
    exports = [Export(request, _TENANT, Signal.TRACES) for request in requests]
    return batch.read(exports, clock, _SPANS_PER_REQUEST * _REMEMBERED).observations


def _requests(count: int, *, llm_share: float) -> list[bytes]:
    template = bodies.body(_SPANS_PER_REQUEST, llm_share=llm_share)
    return [bodies.stamp(template, number) for number in range(count)]


def _cpu_seconds(stage: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    result = stage()
    seconds = time.process_time() - started
    del result
    return seconds


def _print(mixes: dict[str, Stages]) -> None:
    def cell(stages: Stages, microseconds: float) -> str:
        return f"{microseconds:.2f} ({stages.of_walk(microseconds):.2f})"

    table(
        f"hot path: µs per span, and as a share of the walk; {_SPANS_PER_REQUEST:,}-span requests",
        ["spans", "walk", "decode", "extract", "decode + extract", "price", "hot path"],
        [
            [
                name,
                f"{stages.walk:.2f}",
                cell(stages, stages.decode),
                cell(stages, stages.extract),
                cell(stages, stages.decode_and_extract),
                cell(stages, stages.price),
                cell(stages, stages.hot_path),
            ]
            for name, stages in mixes.items()
        ],
    )
