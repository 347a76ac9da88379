"""The horizon of the server, read again and again: it moves with the days, and with decisions."""

from datetime import UTC, datetime

from otel_usage.horizon import Horizon, horizon
from otel_usage.ingest import Ingest
from otel_usage.store import Store
from otel_usage.store.retention import last_expired, read_decisions
from otel_usage.trouble import Trouble, repeat


class HorizonFeed:
    """Keeps the horizon of an `Ingest` that of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._trouble = Trouble("the retention was not read", "the retention cannot be read")

    async def load(self) -> Horizon:
        """The horizon now. Raises Retryable if the store cannot answer."""
        decisions = await self._store.query(read_decisions())
        (last,) = await self._store.query(last_expired())
        return horizon(decisions, last.day, datetime.now(UTC))

    async def follow(self, ingest: Ingest, interval: float) -> None:
        """Put the horizon in force, again and again. What cannot be read changes nothing."""

        async def refresh() -> None:
            ingest.horizon = await self.load()

        await repeat(refresh, interval, self._trouble)
