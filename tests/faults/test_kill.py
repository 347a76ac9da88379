"""A server that is killed under load: what it acknowledged is there, and what is sent again counts once."""

import itertools
import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

import grpc
import httpx2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench import machine
from tests.receiver.wires import EXPORT, llm_request
from tests.test_serve import Process

ROUNDS: Final = 3
SENDERS: Final = 4
SPANS: Final = 20
COST: Final = Decimal("0.0085")
"""Of each call, in US dollars."""
_ROWS: Final = """\
SELECT lower(hex(trace_id)) AS trace_id, lower(hex(span_id)) AS span_id, toString(billed_cost) AS cost
FROM {table} FINAL"""

Ids: TypeAlias = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was sent, and whether its sender was told that it is stored."""

    body: bytes
    acknowledged: bool

    def ids(self) -> Ids:
        """Trace and span id of each of its spans."""
        return frozenset(
            (span.trace_id.hex(), span.span_id.hex())
            for resource_spans in ExportTraceServiceRequest.FromString(self.body).resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
        )


def test_a_kill_loses_nothing_that_was_acknowledged_and_nothing_sent_again_counts_twice(
    tmp_path: Path,
) -> None:
    sent: list[Sent] = []
    for _ in range(ROUNDS):
        with Process(tmp_path) as process, ThreadPoolExecutor(SENDERS) as pool:
            at = process.addresses()
            # What the last kill cut off is sent again, and what it did not; then new calls.
            _send_again(at.grpc, sent)
            _check_bill(at.api, sent)
            acknowledged = threading.Semaphore(0)
            pouring = [pool.submit(_pour, at.grpc, acknowledged) for _ in range(SENDERS)]
            for _ in range(2 * SENDERS):
                assert acknowledged.acquire(timeout=30)
            time.sleep(random.uniform(0.0, 0.3))  # anywhere in a commit
            assert process.stop(signal.SIGKILL) == -signal.SIGKILL
            poured = [request for sender in pouring for request in sender.result()]
        # It was killed under load: all of them were waiting for an answer, and had had some.
        assert [request.acknowledged for request in poured].count(False) == SENDERS
        sent += poured
        stored = frozenset(_stored(tmp_path))
        for request in sent:
            assert request.ids() <= stored or not request.acknowledged
    with Process(tmp_path) as process:
        at = process.addresses()
        _send_again(at.grpc, sent)
        _check_bill(at.api, sent)
        assert process.stop() == 0, process.output()
    bill = _stored(tmp_path)
    calls = [call for request in sent for call in request.ids()]
    assert sorted(bill) == sorted(calls)
    assert sum(bill.values()) == len(calls) * COST


def _pour(target: str, acknowledged: threading.Semaphore) -> list[Sent]:
    """Send calls, each request other ones, until an answer does not come."""
    sent: list[Sent] = []
    with grpc.insecure_channel(target) as channel:
        export = channel.unary_unary(EXPORT, None, None)
        for number in itertools.count():
            body = llm_request(SPANS, account=f"acc_{number % 7}")
            try:
                export(body, timeout=10)
            except grpc.RpcError:
                return [*sent, Sent(body, acknowledged=False)]
            sent.append(Sent(body, acknowledged=True))
            acknowledged.release()
    raise AssertionError


def _send_again(target: str, sent: Sequence[Sent]) -> None:
    with grpc.insecure_channel(target) as channel, ThreadPoolExecutor(SENDERS) as pool:
        export = channel.unary_unary(EXPORT, None, None)
        list(pool.map(lambda request: export(request.body, timeout=10), sent))


def _check_bill(api: str, sent: Sequence[Sent]) -> None:
    """The API knows each call once."""
    calls = SPANS * len(sent)
    answer = httpx2.get(f"http://{api}/v1/usage", params={"summary": "true"}, timeout=30).raise_for_status()
    summary = json.loads(answer.content, parse_float=Decimal)["summary"]
    assert sum(model["count"] for model in summary["byModel"].values()) == calls
    assert summary["totalCostUsd"] == calls * COST


def _stored(folder: Path) -> dict[tuple[str, str], Decimal]:
    """Trace and span id and cost of each row in the data folder, which no process has open."""
    command = machine.python("bench.stored", str(folder / "data"), _ROWS)
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in output.splitlines()]
    stored = {(row["trace_id"], row["span_id"]): Decimal(row["cost"]) for row in rows}
    assert len(stored) == len(rows)
    return stored


def test_a_server_on_a_store_in_use_says_so_in_one_sentence_and_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with Process(tmp_path) as first:
        at = first.addresses()
        with Process(tmp_path / "second", dsn=first.dsn) as second:
            assert second.popen.wait(60) == 2
            [words] = second.output().splitlines()
        assert f"in use by process {first.popen.pid}, " in words
        _send_again(at.grpc, [Sent(llm_request(SPANS), acknowledged=False)])
        assert first.stop() == 0
