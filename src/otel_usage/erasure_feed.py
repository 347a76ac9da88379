"""The accounts that were erased, read from the store again and again."""

from otel_usage.erased import Erased
from otel_usage.ingest import Ingest
from otel_usage.store import Store
from otel_usage.store.erasures import read_erasures
from otel_usage.trouble import Trouble, repeat


class ErasureFeed:
    """Tells an `Ingest` which accounts were erased."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._trouble = Trouble("the erased accounts were not read", "the erased accounts cannot be read")

    async def load(self) -> Erased:
        """The accounts that are erased now. Raises Retryable if the store cannot answer."""
        return Erased.of(await self._store.query(read_erasures()))

    async def follow(self, ingest: Ingest, interval: float) -> None:
        """Look again and again. What cannot be read changes nothing."""

        async def refresh() -> None:
            ingest.erased = await self.load()

        await repeat(refresh, interval, self._trouble)
