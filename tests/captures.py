"""The bill of every captured run, compared with the truth: `python -m tests.captures`.

Every request, of all signals, goes to one running server twice: over gRPC, many at once, and then over HTTP,
run by run. The second time must add nothing, and of each run all that was received must be accounted for.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import grpc
import httpx2

from bench import machine
from bench.report import table
from otel_usage.ledger import OUTCOMES
from otel_usage.model import Signal
from tests.bills import COLUMNS, Bill, Row, compare
from tests.receiver.wires import PROTOBUF, PROTOCOLS, Response
from tests.truth import Capture, captures, files, folder

__all__ = ["EXPECTED_LOSSES", "Run", "files", "folder", "run"]

EXPECTED_LOSSES: Final[Mapping[tuple[str, str], str]] = {
    ("traceloop-openai", "no cost: unknown_model"): (
        "calls DeepSeek's models OpenAI's: only the host would tell, and here that is the fake provider's"
    ),
    ("litellm-otel", "listed for no call"): "gives a call that failed a response id of its own",
    ("logfire", "listed for no call"): (
        "tells of a stream in a span without usage and a record without a link to it"
    ),
}
"""By library and fault, why the bill cannot be better. None of them charges too much."""

_SENDERS: Final = 32
_ROLLUP_DELAY: Final = 0.5
_SWEEP_INTERVAL: Final = 0.25
_ITEMS: Final = re.compile(
    r'otel_usage_(?:received_)?items_total{.*?(?:,outcome="(?P<outcome>\w+)")?} (?P<count>\d+)$'
)
_PRINTED: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of sending every capture."""

    bills: Sequence[Bill]
    strays: Sequence[Row]
    """Rows that are of no capture."""
    problems: list[str] = field(default_factory=list)
    """What the server answered that was no plain success, and what does not add up: a line each."""

    @property
    def wrong(self) -> Sequence[str]:
        """What is wrong with the bills and not expected: a line each."""
        lines = [
            f"{bill.capture.name}: {fault.text}"
            for bill in self.bills
            for fault in bill.faults
            if fault.over or (bill.capture.library, fault.text) not in EXPECTED_LOSSES
        ]
        return [*lines, *(f"a row of no capture is charged: {row}" for row in self.strays if row.charged)]


def run() -> Run:
    """Sends every capture over both wires of a server of its own and compares what it stored."""
    everything = captures()
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="otel-usage-captures-") as directory:
        data = Path(directory) / "data"
        _send_all(everything, data, Path(directory) / "log", problems)
        rows = _stored(data)
    return Run(*compare(everything, rows), problems)


@dataclass(frozen=True, slots=True)
class _Server:
    """The addresses of a running server."""

    grpc: int
    http: str
    api: httpx2.Client

    def summary(self) -> object:
        """What is billed, as the API says."""
        return self.api.get("/v1/usage", params={"summary": "true"}).raise_for_status().json()["summary"]

    def items(self) -> Counter[str]:
        """How many items were received, and what became of them, by now: of all signals."""
        counts: Counter[str] = Counter()
        for line in self.api.get("/metrics").raise_for_status().text.splitlines():
            if found := _ITEMS.match(line):
                counts[found["outcome"] or "received"] += int(found["count"])
        return counts

    def settled(self) -> object:
        """The summary once sweeps change it no more."""
        time.sleep(_ROLLUP_DELAY + 2 * _SWEEP_INTERVAL)
        before = self.summary()
        while True:
            time.sleep(2 * _SWEEP_INTERVAL)
            after = self.summary()
            if before == after:
                return after
            before = after


def _send_all(everything: Sequence[Capture], data: Path, log: Path, problems: list[str]) -> None:
    ports = [machine.free_port() for _ in range(3)]
    names = ("GRPC_ADDRESS", "OTLP_HTTP_ADDRESS", "API_ADDRESS")
    child = machine.Child(
        machine.python("otel_usage", "serve"),
        log=log,
        env={
            "OTEL_USAGE_DSN": f"chdb://{data}",
            "OTEL_USAGE_ROLLUP_DELAY": str(_ROLLUP_DELAY),
            "OTEL_USAGE_SWEEP_INTERVAL": str(_SWEEP_INTERVAL),
            **{f"OTEL_USAGE_{name}": f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)},
        },
    )
    api = httpx2.Client(base_url=f"http://127.0.0.1:{ports[2]}", headers={"Connection": "close"}, timeout=30)
    with child, api:
        for port in ports:
            child.wait_for_port(port)
        server = _Server(ports[0], f"http://127.0.0.1:{ports[1]}", api)
        problems += _send_grpc(everything, server)
        once = server.settled()
        problems += _send_http(everything, server)
        twice = server.settled()
        if once != twice:
            problems.append(f"the same requests over the other wire changed the bill: {once} -> {twice}")


def _send_grpc(everything: Sequence[Capture], server: _Server) -> list[str]:
    """All at once; the problems."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel, ThreadPoolExecutor(_SENDERS) as pool:
        export = {
            signal: channel.unary_unary(protocol.method, None, protocol.response.FromString)
            for signal, protocol in PROTOCOLS.items()
        }

        def send(capture: Capture) -> list[str]:
            problems = []
            for signal, body in capture.bodies.items():
                try:
                    problem = _rejection(export[signal](body, timeout=30))
                except grpc.RpcError as error:
                    problem = repr(error)
                problems += [f"gRPC {capture.name} {signal}: {problem}"] if problem else []
            return problems

        return [problem for problems in pool.map(send, everything) for problem in problems]


def _send_http(everything: Sequence[Capture], server: _Server) -> list[str]:
    """One after the other, and after each whether all of it is accounted for; the problems."""
    problems: list[str] = []
    headers = {"Content-Type": PROTOBUF}
    before = server.items()
    with httpx2.Client(base_url=server.http, timeout=30) as client, ThreadPoolExecutor(len(Signal)) as pool:

        def send(signal: Signal, body: bytes) -> str:
            protocol = PROTOCOLS[signal]
            response = client.post(protocol.path, content=body, headers=headers)
            if response.is_success:
                return _rejection(protocol.response.FromString(response.content))
            return f"status {response.status_code}"

        for capture in everything:
            answers = zip(
                capture.bodies, pool.map(send, *zip(*capture.bodies.items(), strict=True)), strict=True
            )
            problems += [f"HTTP {capture.name} {signal}: {answer}" for signal, answer in answers if answer]
            after = server.items()
            gone = after - before
            before = after
            if not gone["received"] == capture.items == sum(gone[outcome] for outcome in OUTCOMES):
                problems.append(f"{capture.name}: {capture.items} items became {dict(gone)}")
    return problems


def _rejection(answer: Response) -> str:
    """What a partial success says; empty if it is a whole one."""
    return answer.partial_success.error_message if answer.HasField("partial_success") else ""


def _stored(data: Path) -> list[Row]:
    query = f"SELECT {', '.join(COLUMNS)} FROM {{table}} FINAL"  # noqa: S608 (names of ours)
    output = subprocess.run(
        machine.python("bench.stored", str(data), query), check=True, capture_output=True, text=True
    ).stdout
    return [Row.of(json.loads(line)) for line in output.splitlines()]


def _table(bills: Sequence[Bill]) -> None:
    header = [
        "library",
        "exact",
        "calls",
        *(column.removesuffix("_tokens") for column in _PRINTED),
        "US$",
        "due US$",
        "duplicates",
        "roll-ups",
        "what is wrong",
    ]
    libraries = sorted({bill.capture.library for bill in bills})
    lines = [
        _line(library, [bill for bill in bills if bill.capture.library == library]) for library in libraries
    ]
    table(
        "The truth, and the difference of what is billed; due: for what the capture tells of it",
        header,
        [*lines, _line("all", bills)],
    )


def _line(name: str, bills: Sequence[Bill]) -> list[str]:
    calls = [call for bill in bills for call in bill.capture.calls]
    rows = [row for bill in bills for row in bill.charged]
    cost = sum((row.cost or Decimal(0) for row in rows), Decimal(0))
    true = sum((call.kind.dollars(call.true) or Decimal(0) for call in calls), Decimal(0))
    due = sum((charge.due or Decimal(0) for bill in bills for charge in bill.charges), Decimal(0))
    return [
        name,
        f"{sum(not bill.faults for bill in bills)}/{len(bills)}",
        _compared(len(calls), len(rows)),
        *(
            _compared(
                sum(call.true[column] or 0 for call in calls), sum(row.counts[column] or 0 for row in rows)
            )
            for column in _PRINTED
        ),
        _dollars(true, cost),
        _dollars(due, cost),
        str(sum(bill.count("duplicate") for bill in bills)),
        str(sum(bill.count("rollup") for bill in bills)),
        _summary([fault.text for bill in bills for fault in bill.faults]),
    ]


def _compared(true: int, billed: int) -> str:
    return f"{true:,}" if true == billed else f"{true:,} {billed - true:+,}"


def _dollars(true: Decimal, billed: Decimal) -> str:
    return f"{true:.4f}" if true == billed else f"{true:.4f} {billed - true:+.4f}"


def _summary(faults: Sequence[str]) -> str:
    return "; ".join(f"{fault} ({count})" for fault, count in sorted(Counter(faults).items()))


def _main() -> int:
    if not files():
        print(f"There are no captures in {folder()}; name their folder in CAPTURES.")
        return 2
    done = run()
    _table(done.bills)
    for problem in [*done.problems, *done.wrong]:
        print(problem)
    exact = sum(not bill.faults for bill in done.bills)
    over = sum(len(bill.over) for bill in done.bills)
    print(f"\n{len(done.bills)} captures over both wires: {exact} exact, {over} charges too high.")
    return 1 if done.problems or done.wrong else 0


if __name__ == "__main__":
    sys.exit(_main())
