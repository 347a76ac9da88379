"""End to end: concurrent exporters, gRPC, priced and durable in chDB; ours and the naive receiver.

The receiver is pinned to one core, the exporters to the other. CPU time is that of the receiver's whole
process tree until it rests, so ClickHouse's merges are counted.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import bodies, load, machine
from bench.report import Budget, table

BUDGET: Final = 12.0
"""Spans per CPU-second, as a multiple of the naive receiver's."""
_SPANS_PER_REQUEST: Final = 512
_IDLE_SPANS: Final = 8
_IDLE_REQUESTS: Final = 100
_IDLE_PAUSE: Final = 0.02
_TEMPLATES: Final = 4


@dataclass(frozen=True, slots=True)
class Receiver:
    """A program that takes OTLP over gRPC on a port and stores usage under a directory."""

    name: str
    command: Callable[[Path, int], list[str]]
    env: Callable[[Path, int], dict[str, str]]
    share: float
    """Of the spans asked for: a slow receiver needs fewer to be measured."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One receiver, one run."""

    name: str
    spans: int
    stored: int
    refused: int
    wall_rate: float
    cpu_rate: float
    ack_p50: float
    ack_p99: float
    idle_p50: float
    idle_p99: float
    rss_mb: float


OURS: Final = Receiver(
    name="otel-usage",
    command=lambda _data, _port: machine.python("otel_usage", "serve"),
    env=lambda data, port: {
        "OTEL_USAGE_DSN": f"chdb://{data}",
        "OTEL_USAGE_GRPC_ADDRESS": f"127.0.0.1:{port}",
        "OTEL_USAGE_OTLP_HTTP_ADDRESS": f"127.0.0.1:{machine.free_port()}",
        "OTEL_USAGE_API_ADDRESS": f"127.0.0.1:{machine.free_port()}",
    },
    share=1.0,
)
NAIVE: Final = Receiver(
    name="naive",
    command=lambda data, port: machine.python("bench.naive", str(data), str(port)),
    env=lambda _data, _port: {},
    share=0.04,
)


def run(
    spans: int, *, exporters: int, rounds: int, receivers: tuple[Receiver, ...] = (NAIVE, OURS)
) -> list[Budget]:
    """Measures the receivers in turn, prints the best round of each, and returns the budget."""
    results = [measure(receiver, spans, exporters) for _ in range(rounds) for receiver in receivers]
    best = [
        max(
            (result for result in results if result.name == receiver.name), key=lambda result: result.cpu_rate
        )
        for receiver in receivers
    ]
    _print(best, exporters, rounds)
    rates = {result.name: result.cpu_rate for result in best}
    if not {NAIVE.name, OURS.name} <= rates.keys():
        return []
    ratio = rates[OURS.name] / rates[NAIVE.name]
    return [
        Budget("end to end, spans per CPU-second, times the naive receiver", ratio, BUDGET, at_least=True)
    ]


def measure(receiver: Receiver, spans: int, exporters: int) -> Measured:
    """One run on an empty directory.

    Raises:
        RuntimeError: the receiver did not start, rejected spans, or did not store each span once.
    """
    requests = max(exporters, round(spans * receiver.share / _SPANS_PER_REQUEST))
    small = [bodies.body(_IDLE_SPANS, seed=seed) for seed in range(_TEMPLATES)]
    large = [bodies.body(_SPANS_PER_REQUEST, seed=100 + seed) for seed in range(_TEMPLATES)]
    core, load_core = machine.cores()
    with tempfile.TemporaryDirectory(prefix="otel-usage-bench-") as directory:
        data = Path(directory) / "data"
        port = machine.free_port()
        with machine.on_core(core):
            child = machine.Child(
                receiver.command(data, port), log=Path(directory) / "log", env=receiver.env(data, port)
            )
        with child, machine.on_core(load_core):
            child.wait_for_port(port)
            load.send(port, small, range(5))
            idle = load.send(port, small, range(5, 5 + _IDLE_REQUESTS), pause=_IDLE_PAUSE)
            child.rest()
            before = child.cpu_seconds()
            busy = load.send(port, large, range(requests), exporters=exporters)
            child.rest()
            cpu_seconds = child.cpu_seconds() - before
            rss_mb = child.peak_rss_mb()
        stored = _stored(data)
    sent = requests * _SPANS_PER_REQUEST
    expected = sent + (5 + _IDLE_REQUESTS) * _IDLE_SPANS
    if stored != expected:
        raise RuntimeError(f"{receiver.name}: {expected} spans were acknowledged, {stored} are stored")
    return Measured(
        name=receiver.name,
        spans=sent,
        stored=stored,
        refused=busy.refused,
        wall_rate=sent / busy.seconds,
        cpu_rate=sent / cpu_seconds,
        ack_p50=busy.ack_ms(0.50),
        ack_p99=busy.ack_ms(0.99),
        idle_p50=idle.ack_ms(0.50),
        idle_p99=idle.ack_ms(0.99),
        rss_mb=rss_mb,
    )


def _stored(data: Path) -> int:
    query = "SELECT count() AS stored FROM {table} FINAL"
    output = subprocess.run(
        machine.python("bench.stored", str(data), query), check=True, capture_output=True, text=True
    ).stdout
    return int(json.loads(output)["stored"])


def _print(results: list[Measured], exporters: int, rounds: int) -> None:
    table(
        f"end to end: gRPC, {_SPANS_PER_REQUEST}-span requests, {exporters} exporters, receiver on one core, "
        f"best of {rounds}",
        [
            "receiver",
            "spans",
            "spans per CPU-s",
            "acked spans/s",
            "refused",
            "ack p50 / p99 ms",
            "idle ack p50 / p99 ms",
            "peak RSS MB",
        ],
        [
            [
                result.name,
                f"{result.spans:,}",
                f"{result.cpu_rate:,.0f}",
                f"{result.wall_rate:,.0f}",
                str(result.refused),
                f"{result.ack_p50:.0f} / {result.ack_p99:.0f}",
                f"{result.idle_p50:.1f} / {result.idle_p99:.1f}",
                f"{result.rss_mb:.0f}",
            ]
            for result in results
        ],
    )
