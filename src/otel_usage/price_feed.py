"""The price feed: the book and the rules in force, read from the store, and again when they change.

Nothing is downloaded. Where no book was put in force, the one of this version prices; it is stored too, so
that each row's book can be read for ever.
"""

import asyncio
from dataclasses import dataclass

import structlog

from otel_usage.bookshelf import Bookshelf
from otel_usage.ingest import Ingest
from otel_usage.pricing import PriceBook, Pricer
from otel_usage.pricing.rules import Rules
from otel_usage.store import Store
from otel_usage.store.books import book_in_force
from otel_usage.store.rules import read_rules, rules_changed
from otel_usage.trouble import Trouble, repeat


@dataclass(frozen=True, slots=True)
class _State:
    """What the prices in force depend on."""

    book_id: str
    rule_revisions: int
    rules_at_ms: int
    rule_accounts: int


class PriceFeed:
    """Makes pricers of what the store says is in force."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelf = Bookshelf(store)
        self._state: _State | None = None
        self._book: PriceBook | None = None
        self._trouble = Trouble("prices were not read", "prices cannot be read")

    async def load(self) -> Pricer:
        """The prices in force.

        Raises Permanent if they cannot be read, Retryable if the store cannot answer.
        """
        # Before what it stands for: what changes meanwhile is seen the next time.
        state = await self._read_state()
        book = await self._read_book(state.book_id)
        pricer = Pricer(book, Rules.of(await self._store.query(read_rules())))
        self._state, self._book = state, book
        return pricer

    async def news(self) -> Pricer | None:
        """The prices in force, if they are others than when it was last asked. Raises as `load` does."""
        if await self._read_state() == self._state:
            return None
        return await self.load()

    async def follow(self, ingest: Ingest, interval: float) -> None:
        """Put in force what the store says is, again and again. What cannot be read changes nothing."""

        async def refresh() -> None:
            if pricer := await self.news():
                ingest.pricer = pricer
                structlog.get_logger().info(
                    "prices changed", price_book=pricer.book.name, rules=len(pricer.rules)
                )

        await repeat(refresh, interval, self._trouble)

    async def _read_state(self) -> _State:
        (in_force,) = await self._store.query(book_in_force())
        (rules,) = await self._store.query(rules_changed())
        return _State(in_force.book_id, rules.revisions, rules.at_ms, rules.accounts)

    async def _read_book(self, book_id: str) -> PriceBook:
        if self._book is not None and self._state is not None and self._state.book_id == book_id:
            return self._book
        body = await self._shelf.body(book_id) if book_id else await self._shelf.in_force()
        if not book_id:
            await self._shelf.keep(body)
        return await asyncio.to_thread(PriceBook.load, body)
