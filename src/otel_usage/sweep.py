"""The sweep: stored observations that no one process saw together are resolved together.

Two processes each get a part of a trace; one ends, and another gets the rest; a trace goes on after it was
forgotten; a roll-up waits for calls that never come. A process knows what it has forgotten (`waiting`), and
each row says who wrote it, so what has rows of several writers is looked at again: read whole from the store,
resolved as ever, and what differs is written. Two that sweep at once write the same.
"""

import time
from collections.abc import Sequence
from typing import Final

from otel_usage.config import Settings
from otel_usage.identity import UNIQUE_RESPONSE_ID
from otel_usage.store import Store
from otel_usage.store.unsettled import Horizon, Unsettled, find_others, find_unsettled
from otel_usage.writer import Writer

MOST: Final = 1_000
"""Traces of a kind in one sweep; the others wait for the next."""
OVERLAP: Final = 15.0
"""Seconds that a sweep looks back beyond the one before: a row becomes visible some time after its
`inserted_at`, at most the time an insert may take."""


class Sweep:
    """Finds what is unsettled, and settles it."""

    def __init__(self, settings: Settings, store: Store, writer: Writer) -> None:
        self._settings = settings
        self._store = store
        self._writer = writer
        # The first sweep looks at all that an earlier process may have left.
        self._since = time.time() - settings.sweep_horizon

    async def find(self) -> Sequence[Unsettled]:
        """What is unsettled. Raises Retryable if the store cannot answer."""
        now = time.time()
        own = self._writer.unsettled.take(now, MOST)
        return [*own, *await self._find_others(now)]

    def settle(self, unsettled: Sequence[Unsettled]) -> int:
        """Settle what was found; how many rows were written. Raises as `Writer.settle` does."""
        return self._writer.settle(unsettled)

    async def _find_others(self, now: float) -> Sequence[Unsettled]:
        """What other processes have to do with. While there is none, that is one short question."""
        horizon, writer = self._horizon(now), self._writer.name
        oldest = min(horizon.horizon_ms, horizon.due_from_ms)
        (others,) = await self._store.query(find_others(writer, oldest))
        found: Sequence[Unsettled] = []
        if others.rows:
            found = await self._store.query(find_unsettled(horizon, writer, UNIQUE_RESPONSE_ID, MOST))
        if len(found) < MOST:
            self._since = now
        return found

    def _horizon(self, now: float) -> Horizon:
        since = self._since - OVERLAP
        return Horizon(
            horizon_ms=_ms(now - self._settings.sweep_horizon),
            since_ms=_ms(since),
            due_from_ms=_ms(since - self._settings.rollup_delay),
            due_to_ms=_ms(now - self._settings.rollup_delay),
        )


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)
