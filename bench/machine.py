"""Processes on one core, and what they cost, read from /proc.

CPU time is far steadier than wall time on a shared machine, and it includes what goes on in the
background after an answer: ClickHouse merging parts.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_REST_SHARE: Final = 0.05
"""Of a core: below this over a second, a process rests."""
_REST_TIMEOUT: Final = 30.0


def cores() -> tuple[int, int]:
    """The core of the receiver and the core of the load generator. The same one, if there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keeps this thread, and the processes it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A TCP port of loopback nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """A process in a session of its own, on this thread's cores. If it dies, its output is shown."""

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                env={**os.environ, **env},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_for_port(self, port: int, *, timeout: float = 60.0) -> None:
        """Returns when something accepts on the port. Raises RuntimeError if the process died first."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self._process.args!r} did not listen on {port}:\n{self.output()}")

    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(errors="replace")

    def cpu_seconds(self) -> float:
        """User and system time of the whole session, from its start."""
        return sum(_cpu_ticks(stat) for stat in self._stats()) / _TICKS_PER_SECOND

    def peak_rss_mb(self) -> float:
        """High-water mark of resident memory, summed over the session."""
        return sum(_peak_kb(int(stat[0])) for stat in self._stats()) / 1024

    def rest(self) -> None:
        """Waits until background work (merges) is over."""
        deadline = time.monotonic() + _REST_TIMEOUT
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(1.0)
            now = self.cpu_seconds()
            if now - before < _REST_SHARE:
                return
            before = now

    def stop(self) -> None:
        """SIGTERM, then SIGKILL to the session if it does not go."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _stats(self) -> list[list[str]]:
        session = str(self._process.pid)
        return [stat for stat in map(_stat, Path("/proc").glob("[0-9]*")) if stat and stat[4] == session]


def python(module: str, *arguments: str) -> list[str]:
    """The command of a module of this checkout."""
    return [sys.executable, "-m", module, *arguments]


def _stat(process: Path) -> list[str]:
    """[pid, state, ppid, pgrp, session, ...] of /proc/PID/stat without the name; empty if it is gone."""
    try:
        head, _, tail = (process / "stat").read_text().rpartition(")")
    except OSError:
        return []
    return [head.split(" ", 1)[0], *tail.split()]


def _cpu_ticks(stat: list[str]) -> int:
    return int(stat[12]) + int(stat[13])


def _peak_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
