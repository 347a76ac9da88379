"""The demo's stage: a server on a temporary store, a stand-in provider, an application, and the bill."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from otel_usage.config import Settings
from otel_usage.demo import bill
from otel_usage.demo.provider import StandInProvider

APP: Final = Path(__file__).with_name("app.py")
CALLS_RECORDED_BY_HAND: Final = 1
"""Calls the application records itself: the stand-in does not see them."""

START_TIMEOUT: Final = 60.0
APP_TIMEOUT: Final = 60.0
ROWS_TIMEOUT: Final = 10.0
STOP_TIMEOUT: Final = 15.0
"""Seconds. Each step takes about one; these are for a machine with other things to do."""
POLL: Final = 0.05

_FREE_PORT: Final = "127.0.0.1:0"


class DemoFailed(Exception):
    """The demo cannot go on. The message is one sentence for whoever started it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running `otel-usage serve`, and where it listens, as `host:port`."""

    process: subprocess.Popen[bytes]
    log: Path
    grpc: str
    api: str


def run(settings: Settings, *, keep: bool = False) -> None:
    """Run the demo and print its bill; with `keep`, serve it until Ctrl-C.

    The server takes free ports; with `keep` those of `settings`, where they are free. Exits with status
    1 and one sentence if a step fails, or the calls do not appear in time.
    """
    try:
        _check_installed()
        print("The bill of a small application, from its telemetry.\n", flush=True)
        with _signals_unwind(), _server(settings if keep else None) as server:
            _play(server)
            print("\n" + bill.try_it(server.api if keep else settings.api_address, keep=keep))
            if keep:
                print("\nServing until Ctrl-C.", flush=True)
                _serve_on(server)
    except DemoFailed as failed:
        sys.exit(f"otel-usage demo: {failed}")


def free(address: str) -> str:
    """The address if one can listen there, else another port."""
    host, _, port = address.rpartition(":")
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, int(port)))
        except (OSError, ValueError):
            return _FREE_PORT
    return address


def _play(server: Server) -> None:
    print(f"  server       otel-usage serve, with OTLP/gRPC on {server.grpc} and the API on {server.api}")
    with StandInProvider() as stand_in:
        print(f"  provider     a stand-in for OpenAI on {stand_in.base_url}")
        print(f"  application  {_short(APP)}: two customers and our own use,")
        print(
            "               plain and streamed calls, prompts that are cached from a model's second call on,"
        )
        print("               and a model without a price\n")
        complaint = _run_app(stand_in, server)
        calls = stand_in.calls + CALLS_RECORDED_BY_HAND
    print(bill.tables(_wait_for_rows(server, calls, complaint)))


def _wait_for_rows(server: Server, calls: int, complaint: str) -> bill.Bill:
    deadline = time.monotonic() + ROWS_TIMEOUT
    while True:
        try:
            found = bill.read(server.api)
        except OSError as error:
            raise DemoFailed(f"the API does not answer: {error}.") from error
        if len(found.records) >= calls:
            return found
        if time.monotonic() > deadline:
            appeared = f"{len(found.records)} of {calls} calls appeared within {ROWS_TIMEOUT:.0f} s."
            errors = [json.dumps(event) for event in _events(server.log, level="error")]
            raise DemoFailed("\n".join([appeared, *filter(None, [complaint]), *errors]))
        time.sleep(POLL)


def _run_app(stand_in: StandInProvider, server: Server) -> str:
    """Run the application to its end; what it complained of, if anything."""
    environment = _environment() | {
        "OPENAI_BASE_URL": stand_in.base_url,
        "OPENAI_API_KEY": "none-needed",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{server.grpc}",
        "OTEL_SERVICE_NAME": "help-desk",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own file
            [sys.executable, APP],
            env=environment,
            capture_output=True,
            text=True,
            timeout=APP_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DemoFailed(f"the application did not end within {APP_TIMEOUT:.0f} s.") from None
    if done.returncode != 0:
        raise DemoFailed(f"the application failed:\n{done.stderr.strip()}")
    return done.stderr.strip()


@contextmanager
def _server(at: Settings | None) -> Iterator[Server]:
    with TemporaryDirectory(prefix="otel-usage-demo-") as directory:
        log = Path(directory, "server.log")
        environment = _environment() | {
            "OTEL_USAGE_DSN": f"chdb://{directory}/data",
            "OTEL_USAGE_GRPC_ADDRESS": free(at.grpc_address) if at else _FREE_PORT,
            "OTEL_USAGE_OTLP_HTTP_ADDRESS": free(at.otlp_http_address) if at else _FREE_PORT,
            "OTEL_USAGE_API_ADDRESS": free(at.api_address) if at else _FREE_PORT,
        }
        with log.open("wb") as output:
            # A session of its own: Ctrl-C is for the demo, which then stops the server once.
            process = subprocess.Popen(
                [sys.executable, "-m", "otel_usage", "serve"],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield _wait_until_ready(process, log)
        finally:
            _stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> Server:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoFailed(f"the server did not start:\n{log.read_text().strip()}")
        for serving in _events(log, event="serving"):
            server = Server(process, log, grpc=serving["grpc"], api=serving["api"])
            if _answers(server):
                return server
        time.sleep(POLL)
    raise DemoFailed(f"the server was not ready within {START_TIMEOUT:.0f} s:\n{log.read_text().strip()}")


def _answers(server: Server) -> bool:
    try:
        bill.get(server.api, "/readyz")
    except OSError:
        return False
    return True


def _events(log: Path, **like: str) -> Iterator[dict[str, str]]:
    """The events in the server's log that are `like` this: JSON, one a line, the last maybe not whole."""
    for line in log.read_text().splitlines():
        if line.startswith("{") and line.endswith("}"):
            event = json.loads(line)
            if like.items() <= event.items():
                yield event


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _serve_on(server: Server) -> None:
    try:
        server.process.wait()
    except KeyboardInterrupt:
        print("\nStopped. Its data was temporary, and is gone.")
    else:
        raise DemoFailed("the server ended by itself.")


def _check_installed() -> None:
    for module in ("chdb", "openai", "opentelemetry.instrumentation.genai.openai"):
        if not _is_installed(module):
            raise DemoFailed(f"{module} is not installed: pip install 'otel-usage[all]'.")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a parent
        return False


def _environment() -> dict[str, str]:
    """Ours, without what would point the server or the application elsewhere."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
    return ours | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """A signal that ends us stops the server first."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, lambda number, _: sys.exit(128 + number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
