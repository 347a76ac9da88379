"""Group commit: requests wait here until the one writer has made rows of them and ClickHouse has the rows.

There is no log of our own. Nothing is acknowledged before the insert is durable, so the sender's retry
queue is the buffer, and a request that we cannot take is refused while it is still the sender's.
"""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.config import Settings
from otel_usage.extract import Extraction, observations
from otel_usage.model import Outcome, Permanent, Retryable, Spans
from otel_usage.names import Names
from otel_usage.otlp.decode import decodable, decode
from otel_usage.pricing import PriceBook, price
from otel_usage.recent import RecentCalls
from otel_usage.resolve import Resolution, resolve
from otel_usage.store import Store

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _Export:
    """An OTLP request that waits; answered with its Outcome."""

    body: bytes
    tenant: str
    answer: asyncio.Future[Outcome]

    @property
    def size(self) -> int:
        return len(self.body)


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    """An observation that waits; answered with its USAGE row."""

    observation: pa.Table
    answer: asyncio.Future[pa.Table]

    @property
    def size(self) -> int:
        return int(self.observation.nbytes)


_Request: TypeAlias = _Export | _Record
_Answer: TypeAlias = Outcome | pa.Table | Exception


@dataclass(slots=True)
class _Queue:
    """Requests that wait, and their bytes."""

    waiting: deque[_Request] = field(default_factory=deque)
    size: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, request: _Request) -> None:
        self.waiting.append(request)
        self.size += request.size
        self.arrived.set()

    def take(self, limit: int) -> list[_Request]:
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

    def __init__(self, settings: Settings, store: Store, book: PriceBook) -> None:
        self.accepting = False
        """Whether requests are taken; the others are refused."""
        self._settings = settings
        self._store = store
        self._book = book
        self._recent = RecentCalls()
        self._queue = _Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write())
        self.accepting = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.drain()
        self._thread.shutdown()

    async def export(self, body: bytes, *, tenant: str) -> Outcome:
        """What became of the spans of an encoded ExportTraceServiceRequest, once its calls are durable.

        Raises Permanent if `body` is not one; Retryable if we are full or stopping, or the store is down.
        """
        request = _Export(body, tenant, asyncio.get_running_loop().create_future())
        self._put(request)
        return await request.answer

    async def record(self, observation: pa.Table) -> pa.Table:
        """The USAGE row of an OBSERVATIONS row, once it is durable. Raises as `export` does."""
        request = _Record(observation, asyncio.get_running_loop().create_future())
        self._put(request)
        return await request.answer

    async def drain(self) -> None:
        """Take nothing more, and wait until all that was taken is answered."""
        self.accepting = False
        self._queue.arrived.set()
        if self._writer is not None:
            await self._writer

    def _put(self, request: _Request) -> None:
        limits = self._settings
        if not self.accepting:
            raise Retryable("The server is stopping.", retry_after=limits.retry_after)
        if len(self._queue.waiting) >= limits.max_queue_requests:
            raise Retryable("Too many requests wait (max_queue_requests).", retry_after=limits.retry_after)
        if self._queue.size + request.size > limits.max_queue_bytes:
            raise Retryable("Too many bytes wait (max_queue_bytes).", retry_after=limits.retry_after)
        self._queue.put(request)

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
                answers = await loop.run_in_executor(self._thread, self._commit, group)
            except Exception as error:  # noqa: BLE001  whatever it is, the next group must be written
                answers = [error] * len(group)
            for request, answer in zip(group, answers, strict=True):
                _answer(request, answer)

    async def _linger(self, company: int) -> None:
        """Wait a moment for as many requests as came together last time.

        Senders answered together send again together. A sender that is alone is not kept waiting.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.commit_linger):
                while len(self._queue.waiting) < company and self.accepting:
                    self._queue.arrived.clear()
                    await self._queue.arrived.wait()

    def _commit(self, group: Sequence[_Request]) -> list[_Answer]:
        """Make the requests durable, in the writer thread. Each gets its answer, or its own error."""
        try:
            return self._commit_together(group)
        except Retryable as error:
            return [error] * len(group)
        except Permanent as error:
            sound = [isinstance(request, _Record) or decodable(request.body) for request in group]
            if all(sound) or not any(sound):
                return [error] * len(group)
            answers = iter(self._commit(list(itertools.compress(group, sound))))
            return [next(answers) if fine else error for fine in sound]
        except Exception as error:  # noqa: BLE001  a fault of ours must not take others down with it
            return self._commit_halves(group) if len(group) > 1 else [error]

    def _commit_halves(self, group: Sequence[_Request]) -> list[_Answer]:
        half = len(group) // 2
        return self._commit(group[:half]) + self._commit(group[half:])

    def _commit_together(self, group: Sequence[_Request]) -> list[_Answer]:
        exports = [request for request in group if isinstance(request, _Export)]
        spans = decode([request.body for request in exports])
        if spans.rows.num_rows > self._settings.commit_rows and len(group) > 1:
            return self._commit_halves(group)
        extraction = self._extract(spans, [request.tenant for request in exports])
        records = [request.observation for request in group if isinstance(request, _Record)]
        table = extraction.observations
        if records:
            table = pa.concat_tables([table, *records]).unify_dictionaries().combine_chunks()
        resolution = resolve(table)
        adoption = self._recent.adopt(resolution.observations)
        usage = price(adoption.observations, self._book)
        if usage.num_rows:
            moved = adoption.tombstones
            self._store.insert(pa.concat_tables([usage, moved]) if moved.num_rows else usage)
            self._recent.remember(adoption)
        outcomes = iter(_outcomes(extraction, resolution, len(exports)))
        return [
            next(outcomes) if isinstance(request, _Export) else _row(usage, request.observation)
            for request in group
        ]

    def _extract(self, spans: Spans, tenants: Sequence[str]) -> Extraction:
        return observations(
            spans,
            tenants,
            now_ns=time.time_ns(),
            max_clock_skew_ns=int(self._settings.max_clock_skew * _NS),
        )


def _outcomes(extraction: Extraction, resolution: Resolution, requests: int) -> list[Outcome]:
    """Per request, what became of its spans."""
    table = extraction.observations
    request = table["request"].to_numpy()
    rollup = Names.of(table["role"]).is_one_of(("rollup",))
    kept = resolution.kept[resolution.kept < len(request)]  # the rows behind are those of records
    lost = resolution.duplicates[resolution.duplicates < len(request)]
    stored, duplicates, rollups = (
        np.bincount(request[rows], minlength=requests).tolist()
        for rows in (kept[~rollup[kept]], lost, kept[rollup[kept]])
    )
    return [
        Outcome(
            received=int(extraction.received[i]),
            stored=stored[i],
            duplicate=duplicates[i],
            rollup=rollups[i],
            ignored=int(extraction.ignored[i]),
            rejected=int(extraction.rejected[i]),
            message=extraction.messages[i],
        )
        for i in range(requests)
    ]


def _row(usage: pa.Table, observation: pa.Table) -> pa.Table:
    """The row of the call that the observation is of."""
    return usage.filter(pc.equal(usage["call_id"], observation["call_id"][0]))


def _answer(request: _Request, answer: _Answer) -> None:
    if request.answer.done():  # its sender has left
        return
    if isinstance(answer, Exception):
        request.answer.set_exception(answer)
    else:
        request.answer.set_result(answer)
