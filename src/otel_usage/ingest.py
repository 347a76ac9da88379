"""Group commit: requests wait here until the one writer has made rows of them and ClickHouse has the rows.

There is no log of our own. Nothing is acknowledged before the insert is durable, so the sender's retry
queue is the buffer, and a request that we cannot take is refused while it is still the sender's.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

import pyarrow as pa
import structlog

from otel_usage.batch import Export, TooMany
from otel_usage.config import Settings
from otel_usage.erased import Erased
from otel_usage.horizon import Horizon
from otel_usage.ledger import Ledger
from otel_usage.model import Outcome, Permanent, Retryable, Signal
from otel_usage.otlp.decode import decodable
from otel_usage.pricing import Pricer
from otel_usage.store import Store
from otel_usage.sweep import Sweep
from otel_usage.writer import Answer, Record, Request, Writer

T = TypeVar("T")

SWEEP_SHARE: Final = 0.05
"""The share of the time that sweeps may take."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A request that waits for its answer. `size` in bytes."""

    request: Request
    size: int
    answer: asyncio.Future[Any]


_Answer: TypeAlias = Answer | Exception


@dataclass(slots=True)
class _Queue:
    """Requests that wait, and their bytes."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    size: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, request: _Waiting) -> None:
        self.waiting.append(request)
        self.size += request.size
        self.arrived.set()

    def take(self, limit: int) -> list[_Waiting]:
        """The first requests, up to `limit` bytes, at least one."""
        taken = [self.waiting.popleft()]
        size = taken[0].size
        while self.waiting and size + self.waiting[0].size <= limit:
            size += self.waiting[0].size
            taken.append(self.waiting.popleft())
        self.size -= size
        return taken


class Ingest:
    """The one door to the store: OTLP requests and REST records go in, and come back as what became of them.

    An async context manager; leaving it waits for what is under way.
    """

    def __init__(
        self, settings: Settings, store: Store, pricer: Pricer, ledger: Ledger | None = None
    ) -> None:
        self.accepting = False
        """Whether requests are taken; the others are refused."""
        self.ledger = ledger or Ledger()
        """What became of everything."""
        self._settings = settings
        self._store = store
        self._writer = Writer(settings, store, pricer, self.ledger)
        self._queue = _Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.accepting = True
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._sweep())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.drain()
        self._thread.shutdown()

    async def export(self, body: bytes, *, tenant: str, signal: Signal = Signal.TRACES) -> Outcome:
        """What became of the items of an encoded OTLP request, once its calls are durable.

        Raises Permanent if `body` is not one; Retryable if we are full or stopping, or the store is down.
        """
        with self.ledger.request(signal):
            outcome: Outcome = await self._put(Export(body, tenant, signal), len(body))
            return outcome

    async def record(self, observation: pa.Table) -> pa.Table:
        """The USAGE row of an OBSERVATIONS row, once it is durable. Raises as `export` does."""
        with self.ledger.request("record"):
            return await self._put(Record(observation), int(observation.nbytes))

    @property
    def pricer(self) -> Pricer:
        """The prices in force."""
        return self._writer.pricer

    @pricer.setter
    def pricer(self, pricer: Pricer) -> None:
        self._writer.pricer = pricer

    @property
    def horizon(self) -> Horizon:
        """Which calls are too old to be taken."""
        return self._writer.horizon

    @horizon.setter
    def horizon(self, horizon: Horizon) -> None:
        self._writer.horizon = horizon

    @property
    def erased(self) -> Erased:
        """Whose calls are stored under a pseudonym."""
        return self._writer.erased

    @erased.setter
    def erased(self, erased: Erased) -> None:
        self._writer.erased = erased

    async def in_writer(self, job: Callable[[Writer], T]) -> T:
        """Do a job with the writer, between two commits. Raises what the job raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, job, self._writer)

    async def drain(self) -> None:
        """Take nothing more, and wait until all that was taken is answered."""
        self.accepting = False
        self._queue.arrived.set()
        if self._tasks:
            writing, sweeping = self._tasks
            sweeping.cancel()
            await asyncio.gather(writing, sweeping, return_exceptions=True)

    def _put(self, request: Request, size: int) -> asyncio.Future[Any]:
        limits = self._settings
        if not self.accepting:
            raise Retryable("The server is stopping.", retry_after=limits.retry_after)
        if len(self._queue.waiting) >= limits.max_queue_requests:
            raise Retryable("Too many requests wait (max_queue_requests).", retry_after=limits.retry_after)
        if self._queue.size + size > limits.max_queue_bytes:
            raise Retryable("Too many bytes wait (max_queue_bytes).", retry_after=limits.retry_after)
        waiting = _Waiting(request, size, asyncio.get_running_loop().create_future())
        self._queue.put(waiting)
        return waiting.answer

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        company = 1
        while self.accepting or self._queue.waiting:
            if not self._queue.waiting:
                self._queue.arrived.clear()
                await self._queue.arrived.wait()
                continue
            await self._linger(company)
            group = self._queue.take(self._settings.commit_bytes)
            company = len(group)
            try:
                requests = [each.request for each in group]
                answers = await loop.run_in_executor(self._thread, self._commit, requests)
            except Exception as error:  # noqa: BLE001  whatever it is, the next group must be written
                answers = [error] * len(group)
            for waiting, answer in zip(group, answers, strict=True):
                _answer(waiting, answer)

    async def _sweep(self) -> None:
        """Resolve what other processes wrote, and what an earlier one left, again and again."""
        loop = asyncio.get_running_loop()
        sweep = Sweep(self._settings, self._store, self._writer)
        pause = self._settings.sweep_interval
        while True:
            await asyncio.sleep(pause)
            began = loop.time()
            try:
                if found := await sweep.find():
                    # In the writer's thread: no commit comes between what is read and what is written.
                    await loop.run_in_executor(self._thread, sweep.settle, found)
            except Retryable as error:
                structlog.get_logger().warning("sweep failed", reason=str(error))
            except Exception as error:  # noqa: BLE001  the next sweep may do better
                structlog.get_logger().error("sweep failed", exc_info=error)
            pause = max(self._settings.sweep_interval, (loop.time() - began) / SWEEP_SHARE)

    async def _linger(self, company: int) -> None:
        """Wait a moment for as many requests as came together last time.

        Senders answered together send again together. A sender that is alone is not kept waiting.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.commit_linger):
                while len(self._queue.waiting) < company and self.accepting:
                    self._queue.arrived.clear()
                    await self._queue.arrived.wait()

    def _commit(self, group: Sequence[Request]) -> Sequence[_Answer]:
        """Make the requests durable, in the writer thread. Each gets its answer, or its own error."""
        try:
            return self._writer.write(group)
        except TooMany:
            return self._commit_halves(group)
        except Retryable as error:
            return [error] * len(group)
        except Permanent as error:
            sound = [isinstance(each, Record) or decodable(each.body, each.signal) for each in group]
            if all(sound) or not any(sound):
                return [error] * len(group)
            answers = iter(self._commit(list(itertools.compress(group, sound))))
            return [next(answers) if fine else error for fine in sound]
        except Exception as error:  # noqa: BLE001  a fault of ours must not take others down with it
            return self._commit_halves(group) if len(group) > 1 else [error]

    def _commit_halves(self, group: Sequence[Request]) -> Sequence[_Answer]:
        half = len(group) // 2
        return [*self._commit(group[:half]), *self._commit(group[half:])]


def _answer(waiting: _Waiting, answer: _Answer) -> None:
    if waiting.answer.done():  # its sender has left
        return
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)
