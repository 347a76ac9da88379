"""The process: `otel-usage serve` as it is started, fed by real exporters, asked over REST, and stopped."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self, cast

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_usage import serve
from otel_usage.config import Settings
from otel_usage.model import Permanent
from tests.receiver.wires import EXPORT, llm_request, llm_spans

START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 30.0
LISTEN: Final = ("OTEL_USAGE_GRPC_ADDRESS", "OTEL_USAGE_OTLP_HTTP_ADDRESS", "OTEL_USAGE_API_ADDRESS")


class Process:
    """A running `otel-usage serve` on free ports. A context manager; leaving it kills what still runs."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self._log = folder / "log"
        ours = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        listen = dict.fromkeys(LISTEN, "127.0.0.1:0")
        self.dsn = f"chdb://{folder}/data"
        given = {f"OTEL_USAGE_{name.upper()}": str(value) for name, value in settings.items()}
        with self._log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-W", "error::ResourceWarning", "-m", "otel_usage", "serve"],
                env={**ours, "OTEL_USAGE_DSN": self.dsn, **listen, **given},
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.wait()

    def output(self) -> str:
        return self._log.read_text()

    def events(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]

    def addresses(self) -> serve.Addresses:
        """Where it listens, once it does."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            for event in self.events():
                if event["event"] == "serving":
                    return serve.Addresses(event["grpc"], event["otlp_http"], event["api"])
            assert self.popen.poll() is None, self.output()
            time.sleep(0.02)
        pytest.fail(f"not serving: {self.output()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(STOP_TIMEOUT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("serve")) as process:
        process.addresses()
        yield process
        assert process.stop() == 0, process.output()


def _records(api: str, account: str) -> list[dict[str, Any]]:
    answer = (
        httpx2.get(f"http://{api}/v1/usage", params={"accountId": account, "limit": 1000})
        .raise_for_status()
        .json()
    )
    assert answer["success"] is True
    return list(answer["usageRecords"])


def _exporters(at: serve.Addresses) -> Iterator[SpanExporter]:
    for compressed in (False, True):
        yield GrpcExporter(
            at.grpc,
            insecure=True,
            compression=grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression,
        )
        yield HttpExporter(
            f"http://{at.otlp_http}/v1/traces",
            compression=Compression.Gzip if compressed else Compression.NoCompression,
        )


def test_spans_of_the_real_exporters_become_priced_rows_once(server: Process) -> None:
    at = server.addresses()
    calls = llm_spans(2, account="acc_exporters")
    for exporter in _exporters(at):
        with contextlib.closing(_Closing(exporter)):
            assert exporter.export(calls) is SpanExportResult.SUCCESS
        records = _records(at.api, "acc_exporters")
        # The same calls over each wire: the first makes the rows, the others land on them.
        assert len(records) == 2
    [first, second] = records
    assert first["id"] != second["id"]
    for record in records:
        assert record["modelId"] == "gpt-4o"
        assert (record["inputTokens"], record["outputTokens"]) == (1500, 500)
        assert record["estimatedCostUsd"] == 0.0085


class _Closing:
    def __init__(self, exporter: SpanExporter) -> None:
        self.close = exporter.shutdown


def test_it_is_healthy(server: Process) -> None:
    at = server.addresses()
    for path in ("/healthz", "/readyz"):
        assert httpx2.get(f"http://{at.api}{path}").status_code == 200
    with grpc.insecure_channel(at.grpc) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_signal_while_spans_pour_in_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with Process(tmp_path) as process, ThreadPoolExecutor(4) as senders:
        at = process.addresses()
        pouring = [senders.submit(_pour, at.grpc, f"acc_{sender}") for sender in range(4)]
        time.sleep(0.5)
        assert process.stop() == 0, process.output()
        acknowledged, last_words = zip(*(sender.result() for sender in pouring), strict=True)
    assert sum(acknowledged) > 0
    # Not acknowledged, so to be sent again: OTLP lists both codes as retryable. CANCELLED is no word of
    # ours; gRPC may say it to a call that comes in while the server closes.
    assert set(last_words) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert [event["event"] for event in process.events()][-1] == "stopped"
    with Process(tmp_path) as process:
        api = process.addresses().api
        stored = [len(_records(api, f"acc_{sender}")) for sender in range(4)]
        assert process.stop() == 0
    # One more may be stored than its sender heard of: its answer met a closed connection.
    assert all(rows - heard in (0, 1) for rows, heard in zip(stored, acknowledged, strict=True))


def _pour(target: str, account: str) -> tuple[int, grpc.StatusCode]:
    """Export single calls until the server will have no more; how many it took, and its last word."""
    with grpc.insecure_channel(target) as channel:
        export = channel.unary_unary(EXPORT, None, None)
        for acknowledged in itertools.count():
            try:
                export(llm_request(account=account), timeout=10)
            except grpc.RpcError as error:
                return acknowledged, cast("grpc.Call", error).code()
    raise AssertionError


def _stuck(address: str) -> socket.socket:
    """A connection with a request under way, whose body never comes."""
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    headers = "Content-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue"
    connection.sendall(f"POST /v1/traces HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n\r\n".encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    return connection


def test_a_request_that_never_ends_does_not_keep_ctrl_c_from_stopping_it(tmp_path: Path) -> None:
    with Process(tmp_path, shutdown_timeout=0.5) as process, _stuck(process.addresses().otlp_http):
        assert process.stop(signal.SIGINT) == 0, process.output()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with (
        Process(tmp_path, shutdown_timeout=300, http_read_timeout=300) as process,
        _stuck(process.addresses().otlp_http),
    ):
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.popen.poll() is None
        assert process.stop() == 128 + signal.SIGTERM


async def _serve(folder: Path, **given: object) -> None:
    """Start a server in this process, as far as it gets without its addresses."""
    listen = dict.fromkeys(("grpc_address", "otlp_http_address", "api_address"), "127.0.0.1:0")
    await serve.serve(Settings.model_validate({"dsn": f"chdb://{folder}/data", **listen, **given}))


@pytest.mark.anyio
@pytest.mark.parametrize("setting", ["grpc_address", "otlp_http_address", "api_address"])
async def test_a_port_in_use_is_told_before_the_store_is_opened(tmp_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(serve.CannotListen) as refused:
            await _serve(tmp_path, **{setting: address})
    where = f"OTEL_USAGE_{setting.upper()} is '{address}'"
    assert str(refused.value) == f"{where}, where we cannot listen: Address already in use."
    assert not (tmp_path / "data").exists()


@pytest.mark.anyio
@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":0"])
@pytest.mark.parametrize("setting", ["grpc_address", "otlp_http_address", "api_address"])
async def test_without_a_key_it_listens_on_loopback_only(tmp_path: Path, setting: str, address: str) -> None:
    with pytest.raises(Permanent, match=r"others can reach.* set OTEL_USAGE_API_KEY") as refused:
        await _serve(tmp_path, **{setting: address})
    assert str(refused.value).startswith(f"OTEL_USAGE_{setting.upper()} is '{address}'")
    assert refused.value.field == setting


@pytest.mark.anyio
@pytest.mark.parametrize(
    "address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:http", "[::1:80", ""]
)
async def test_an_address_that_is_not_host_and_port_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(Permanent, match=r"OTEL_USAGE_API_ADDRESS is .* not host:port"):
        await _serve(tmp_path, api_address=address)


@pytest.mark.anyio
async def test_a_host_that_is_not_known_is_told(tmp_path: Path) -> None:
    with pytest.raises(serve.CannotListen, match=r"OTEL_USAGE_API_ADDRESS .* not known"):
        await _serve(tmp_path, api_address="no.such.host.invalid:1")


def _last_words(folder: Path, **settings: object) -> tuple[int, str]:
    """Exit code and output of a server that cannot start."""
    folder.mkdir(exist_ok=True)
    with Process(folder, **settings) as process:
        return process.popen.wait(START_TIMEOUT), process.output()


def test_what_keeps_it_from_starting_is_one_sentence_and_an_exit_code(
    tmp_path: Path, server: Process
) -> None:
    taken = server.addresses().grpc
    assert _last_words(tmp_path / "a", grpc_address=taken) == (
        1,
        f"Error: OTEL_USAGE_GRPC_ADDRESS is '{taken}', where we cannot listen: Address already in use.\n",
    )
    code, words = _last_words(tmp_path / "b", api_address="0.0.0.0:0")
    assert (code, len(words.splitlines())) == (2, 1)


def test_a_store_in_use_is_told(tmp_path: Path, server: Process) -> None:
    code, words = _last_words(tmp_path, dsn=server.dsn)
    assert code == 2
    assert "in use by process" in words
    assert "Traceback" not in words


def test_with_a_key_it_listens_where_it_is_told(tmp_path: Path) -> None:
    with Process(tmp_path, otlp_http_address="0.0.0.0:0", api_key="s3cret") as process:
        port = process.addresses().otlp_http.removeprefix("0.0.0.0:")
        url = f"http://127.0.0.1:{port}/v1/traces"
        headers = {"Content-Type": "application/json"}
        assert httpx2.post(url, content=b"{}", headers=headers).status_code == 401
        assert httpx2.post(url, content=b"{}", headers={**headers, "X-API-Key": "s3cret"}).status_code == 200
        assert process.stop() == 0
        assert "s3cret" not in process.output()


def test_the_log_tells_where_it_listens_and_no_password() -> None:
    dsn = "http://writer:p%40ss@clickhouse.example:8123/usage"
    assert serve.masked(dsn) == "http://writer:***@clickhouse.example:8123/usage"
    assert serve.masked("chdb:///data") == "chdb:///data"
