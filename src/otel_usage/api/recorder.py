"""Recording a call told over REST: once, however often it is told."""

import asyncio
import dataclasses
import weakref
from typing import Final

import pyarrow as pa

from otel_usage.api.problems import Conflict
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Retryable
from otel_usage.store import Store
from otel_usage.store.queries import RecordedCall, find_record

REMEMBERED_DAYS: Final = 2
"""How far apart the days of two records with one idempotency key may be, to be known as one call."""

_DAY_NS: Final = 86_400 * 1_000_000_000


class Recorder:
    """Takes observations of records. Two of one idempotency key are taken one after the other."""

    def __init__(self, ingest: Ingest, store: Store, settings: Settings) -> None:
        self._ingest = ingest
        self._store = store
        self._settings = settings
        self._turns: weakref.WeakValueDictionary[bytes, asyncio.Lock] = weakref.WeakValueDictionary()

    async def record(self, observation: pa.Table, *, repeatable: bool) -> RecordedCall:
        """The call as stored, once it is durable; if it was stored before, as it was then.

        Raises Conflict if another call of this identity is stored, Retryable if it cannot be stored now.
        """
        observation = self._ingest.erased.rows(observation)
        told = asyncio.ensure_future(self._once(observation) if repeatable else self._write(observation))
        # A commit that has begun goes on when its caller has left; then no one else asks how it ended.
        told.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            async with asyncio.timeout(self._settings.insert_timeout):
                return await asyncio.shield(told)
        except TimeoutError:
            raise Retryable(
                f"Not durable within {self._settings.insert_timeout:.1f} s, and may be stored yet. "
                "Sent again with the idempotency key it had, it is charged once.",
                retry_after=self._settings.retry_after,
            ) from None

    async def _once(self, observation: pa.Table) -> RecordedCall:
        """Look, then write: without a timestamp, a call told again an hour later would have another key."""
        call_id: bytes = observation["call_id"][0].as_py()
        turn = self._turns.setdefault(call_id, asyncio.Lock())
        async with turn:
            found = await self._find(observation, call_id)
            if found is None:
                return await self._write(observation)
        told = _call(observation)
        if dataclasses.replace(told, model_id=found.model_id, billed_cost=found.billed_cost) != found:
            raise Conflict(
                "This idempotency key was used for another record: give each record its own.",
                field="idempotencyKey",
            )
        return found

    async def _find(self, observation: pa.Table, call_id: bytes) -> RecordedCall | None:
        tenant: str = observation["tenant"][0].as_py()
        # Whole days, since a day is a partition: a part of one could hold back the newer row of a call.
        day = observation["started_at"][0].value // _DAY_NS
        from_ns, to_ns = (day - REMEMBERED_DAYS) * _DAY_NS, (day + REMEMBERED_DAYS + 1) * _DAY_NS
        calls = await self._store.query(find_record(tenant, call_id, from_ns, to_ns))
        return calls[0] if calls else None

    async def _write(self, observation: pa.Table) -> RecordedCall:
        return _call(await self._ingest.record(observation))


def _call(row: pa.Table) -> RecordedCall:
    """The call in a row of OBSERVATIONS or USAGE."""
    names = [field.name for field in dataclasses.fields(RecordedCall) if field.name in row.column_names]
    return RecordedCall(**row.select(names).to_pylist()[0])
