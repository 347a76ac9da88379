"""The bill of every captured telemetry file, compared with the truth: `python -m tests.captures`.

The captures are real requests of LLM instrumentations, recorded against a fake provider; the JSON beside each
says what the provider really counted, and what of it can be known from the capture. They are not part of
this repository: the folder is named by CAPTURES, or is `../shared/captures` beside the checkout.

Every file goes to one running server twice, over gRPC and over HTTP; the second time must add nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import httpx2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from bench import machine
from bench.report import table

REQUIRED: Final = ("otel-genai-openai", "otel-openai-v2")
"""Libraries whose bill must be exact. The others are printed."""

_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_SENDERS: Final = 8
_TRUTH: Final = {
    "input_tokens": "input_total",
    "output_tokens": "output_total",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h",
    "reasoning_tokens": "reasoning",
    "input_audio_tokens": "audio_in",
    "output_audio_tokens": "audio_out",
}
"""Column of ours: name in the truth."""
_STORED: Final = (
    *("lower(hex(trace_id)) AS trace_id", "lower(hex(span_id)) AS span_id", "role", "error_type"),
    *_TRUTH,
)
_PRINTED: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)

Counts = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the truth has it: what can be known of its counts (None: lost), and where it is seen."""

    counts: Counts
    evidence: frozenset[str]

    @property
    def known(self) -> bool:
        """Whether the capture says how many tokens the call took."""
        return self.counts["input_tokens"] is not None or self.counts["output_tokens"] is not None


@dataclass(frozen=True, slots=True)
class Capture:
    """One recorded request and the truth about it."""

    library: str
    scenario: str
    body: bytes
    trace_ids: frozenset[str]
    calls: Sequence[Call]


@dataclass(frozen=True, slots=True)
class Bill:
    """What we charge for one capture, and what is wrong with it. No `faults`: exact."""

    capture: Capture
    rows: Sequence[Mapping[str, Any]]
    faults: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the server answered that was no plain success: one line each."""

    grpc: list[str] = field(default_factory=list)
    http: list[str] = field(default_factory=list)


def folder() -> Path:
    """Where the captures are, if they are here at all."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "captures"
    return Path(os.environ.get("CAPTURES", beside))


def files() -> list[Path]:
    """The captured trace requests, of all libraries; none if the folder is not here."""
    return sorted(folder().glob("*/*.traces.pb"))


def captures() -> list[Capture]:
    """Every captured trace request with its truth."""
    return [_capture(path) for path in files()]


def run() -> tuple[Answers, list[Bill]]:
    """Sends every capture over both wires of a server of its own and compares what it stored.

    Raises RuntimeError: the server did not start, or the second wire added rows.
    """
    everything = captures()
    with tempfile.TemporaryDirectory(prefix="otel-usage-captures-") as directory:
        data = Path(directory) / "data"
        answers = _send_all(everything, data, Path(directory) / "log")
        rows = _stored(data)
    by_trace: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_trace.setdefault(row["trace_id"], []).append(row)
    return answers, [_bill(capture, by_trace) for capture in everything]


def _capture(path: Path) -> Capture:
    body = path.read_bytes()
    truth = json.loads(path.with_name(path.name.replace(".traces.pb", ".json")).read_text())
    spans = _spans(body)
    return Capture(
        library=truth["library"]["name"],
        scenario=path.name.removesuffix(".traces.pb"),
        body=body,
        trace_ids=frozenset(trace_id for trace_id, _ in spans),
        calls=[
            Call(
                counts={column: row["best_row"][name] for column, name in _TRUTH.items()},
                evidence=frozenset(row["evidence_spans"]),
            )
            for row in truth["expected"]["rows"]
        ],
    )


def _spans(body: bytes) -> list[tuple[str, str]]:
    return [
        (span.trace_id.hex(), span.span_id.hex())
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def _send_all(everything: Sequence[Capture], data: Path, log: Path) -> Answers:
    grpc_port, http_port, api_port = machine.free_port(), machine.free_port(), machine.free_port()
    server = machine.Child(
        machine.python("otel_usage", "serve"),
        log=log,
        env={
            "OTEL_USAGE_DSN": f"chdb://{data}",
            "OTEL_USAGE_GRPC_ADDRESS": f"127.0.0.1:{grpc_port}",
            "OTEL_USAGE_OTLP_HTTP_ADDRESS": f"127.0.0.1:{http_port}",
            "OTEL_USAGE_API_ADDRESS": f"127.0.0.1:{api_port}",
        },
    )
    with server:
        for port in (grpc_port, http_port, api_port):
            server.wait_for_port(port)
        api = f"http://127.0.0.1:{api_port}/v1/usage?summary=true"
        answers = Answers(grpc=_send_grpc(everything, grpc_port))
        once = httpx2.get(api).raise_for_status().json()
        answers.http.extend(_send_http(everything, f"http://127.0.0.1:{http_port}/v1/traces"))
        twice = httpx2.get(api).raise_for_status().json()
    if once != twice:
        raise RuntimeError(f"the same requests over the other wire changed the bill: {once} -> {twice}")
    return answers


def _send_grpc(everything: Sequence[Capture], port: int) -> list[str]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, ThreadPoolExecutor(_SENDERS) as pool:
        export = channel.unary_unary(_EXPORT, None, None)

        def send(capture: Capture) -> str:
            try:
                return _rejection(export(capture.body, timeout=30))
            except grpc.RpcError as error:
                return repr(error)

        return _failures(everything, pool.map(send, everything))


def _send_http(everything: Sequence[Capture], url: str) -> list[str]:
    headers = {"Content-Type": "application/x-protobuf"}
    with httpx2.Client(timeout=30) as client, ThreadPoolExecutor(_SENDERS) as pool:

        def send(capture: Capture) -> str:
            response = client.post(url, content=capture.body, headers=headers)
            return _rejection(response.content) if response.is_success else f"status {response.status_code}"

        return _failures(everything, pool.map(send, everything))


def _rejection(answer: bytes) -> str:
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    return f"{partial.rejected_spans} rejected: {partial.error_message}" if partial.rejected_spans else ""


def _failures(everything: Sequence[Capture], answers: Iterator[str]) -> list[str]:
    return [
        f"{capture.library}/{capture.scenario}: {answer}"
        for capture, answer in zip(everything, answers, strict=True)
        if answer
    ]


def _stored(data: Path) -> list[Mapping[str, Any]]:
    query = f"SELECT {', '.join(_STORED)} FROM {{table}} FINAL"  # noqa: S608 (names of ours)
    output = subprocess.run(
        machine.python("bench.stored", str(data), query), check=True, capture_output=True, text=True
    ).stdout
    return [json.loads(line) for line in output.splitlines()]


def _bill(capture: Capture, by_trace: Mapping[str, list[Mapping[str, Any]]]) -> Bill:
    rows = [
        row
        for trace_id in sorted(capture.trace_ids)
        for row in by_trace.get(trace_id, [])
        if row["role"] == "inference" and not (row["error_type"] and not _counted(row))
    ]
    return Bill(capture, rows, list(_faults(capture, rows)))


def _counted(row: Mapping[str, Any]) -> bool:
    return any(row[column] is not None for column in _TRUTH)


def _faults(capture: Capture, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong: a known call must have one row with its counts, and nothing else may have counts."""
    left = list(rows)
    for call in capture.calls:
        if not call.known:
            continue
        mine = [row for row in left if row["span_id"] in call.evidence]
        if not mine:
            yield "call not billed"
            continue
        left = [row for row in left if row not in mine]
        if len(mine) > 1:
            yield "call billed twice"
        yield from _miscounts(call.counts, mine[0])
    for row in left:
        if _counted(row):
            yield "row for no call"


def _miscounts(truth: Counts, row: Mapping[str, Any]) -> Iterator[str]:
    for column, true in truth.items():
        billed = row[column]
        if billed == true or (true == 0 and billed is None):
            continue
        if true is None:
            yield f"{column} made up"
        elif billed is None:
            yield f"{column} missing"
        else:
            yield f"{column} wrong"


def _table(bills: Sequence[Bill]) -> None:
    libraries = sorted(
        {bill.capture.library for bill in bills}, key=lambda name: (name not in REQUIRED, name)
    )
    rows = []
    for library in libraries:
        mine = [bill for bill in bills if bill.capture.library == library]
        calls = [call for bill in mine for call in bill.capture.calls if call.known]
        billed = [row for bill in mine for row in bill.rows if _counted(row)]
        sums = [
            _compared(
                sum(call.counts[column] or 0 for call in calls), sum(row[column] or 0 for row in billed)
            )
            for column in _PRINTED
        ]
        exact = sum(not bill.faults for bill in mine)
        rows.append(
            [
                library + (" *" if library in REQUIRED else ""),
                f"{exact}/{len(mine)}",
                _compared(len(calls), len(billed)),
                *sums,
                _summary([fault for bill in mine for fault in bill.faults]),
            ]
        )
    header = [
        "library",
        "exact",
        "calls",
        *(column.removesuffix("_tokens") for column in _PRINTED),
        "what is wrong",
    ]
    table("true, and the difference of what is billed (* must be exact)", header, rows)


def _compared(true: int, billed: int) -> str:
    return f"{true:,}" if true == billed else f"{true:,} {billed - true:+,}"


def _summary(faults: Sequence[str]) -> str:
    counted = {fault: faults.count(fault) for fault in sorted(set(faults))}
    return "; ".join(f"{fault} ({count})" for fault, count in counted.items()) or "exact"


def _main() -> int:
    if not files():
        print(f"There are no captures in {folder()}; name their folder in CAPTURES.")
        return 2
    answers, bills = run()
    _table(bills)
    for line in [*answers.grpc, *answers.http]:
        print(f"not a success: {line}")
    wrong = [bill for bill in bills if bill.faults and bill.capture.library in REQUIRED]
    for bill in wrong:
        print(f"must be exact: {bill.capture.library}/{bill.capture.scenario}: {_summary(bill.faults)}")
    print(f"\n{len(bills)} captures over both wires, {sum(not bill.faults for bill in bills)} exact.")
    return 1 if wrong or answers.grpc or answers.http else 0


if __name__ == "__main__":
    sys.exit(_main())
