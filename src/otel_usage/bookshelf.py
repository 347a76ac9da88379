"""The bookshelf: price books in the store, built, looked over, and put in force."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio

from otel_usage.model import Permanent
from otel_usage.pricing import PriceBook
from otel_usage.pricing.book import bundled_body
from otel_usage.pricing.build import Built
from otel_usage.pricing.gate import Finding, Severity, gate
from otel_usage.pricing.match import find
from otel_usage.pricing.sources.limits import Limits
from otel_usage.store import Store
from otel_usage.store.books import (
    BOOKS,
    EVENTS,
    HELD,
    IN_FORCE,
    BookEvent,
    UsedModel,
    book_events,
    book_in_force,
    book_row,
    event_row,
    read_book,
    used_models,
)

IN_USE_DAYS: Final = 30
"""A model is in use if it was called in so many days."""

_DAY_NS: Final = 86_400 * 10**9
_EVENTS: Final = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a book: the event, empty if it was refused or is in force already."""

    book_id: str
    event: str
    findings: Sequence[Finding]

    @property
    def is_refused(self) -> bool:
        """Whether it has a fault."""
        return any(each.severity is Severity.REFUSE for each in self.findings)


class Bookshelf:
    """The price books of a store. All of it raises Retryable if the store cannot answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def in_force(self) -> bytes:
        """The canonical JSON of the book that prices. Raises Permanent if it is lost or damaged."""
        (found,) = await self._store.query(book_in_force())
        return await self.body(found.book_id) if found.book_id else bundled_body()

    async def body(self, book_id: str) -> bytes:
        """The canonical JSON of a book; the first digits of its id will do. Raises Permanent."""
        digits = book_id.removeprefix("sha256:")
        found = {each.book_id: each.body.encode() for each in await self._store.query(read_book(digits))}
        if (bundled := _id(bundled_body())).startswith(digits):
            found.setdefault(bundled, bundled_body())
        if len(found) != 1 or not digits:
            told = "more than one price book" if len(found) > 1 else "no price book"
            raise Permanent(f"The store has {told} whose id begins with {digits!r}.", field="book")
        ((whole, body),) = found.items()
        if _id(body) != whole:
            raise Permanent(f"The price book sha256:{whole} is damaged: approve another.", field="book")
        return body

    async def keep(self, body: bytes) -> None:
        """Store a book, if it is not."""
        book_id = _id(body)
        if not await self._store.query(read_book(book_id)):
            await anyio.to_thread.run_sync(self._store.append, BOOKS, book_row(book_id, body))

    async def events(self) -> Sequence[BookEvent]:
        """What was done with books, the last first."""
        return await self._store.query(book_events(_EVENTS))

    async def findings(self, new: bytes, limits: Limits | None = None) -> Sequence[Finding]:
        """What stands against putting a book in force in place of the one that is.

        `limits`: how dear a price may be; those of this version's corrections, if none are given.
        """
        before = await self.in_force()
        old: Mapping[str, Any] = json.loads(before)
        document: Mapping[str, Any] = json.loads(new)
        book = PriceBook.load(before)
        used = [(each.provider or _provider(book, each.model), each.model) for each in await self._used()]
        return await anyio.to_thread.run_sync(lambda: gate(document, old, used, limits=limits))

    async def take(self, built: Built, author: str, reason: str, limits: Limits | None = None) -> Verdict:
        """Put a book in force if nothing stands against it; hold it, or refuse it, if something does."""
        faults = [
            Finding(Severity.REFUSE, each.reason, each.source, each.provider, each.model)
            for each in built.report.faults
        ]
        findings = [*faults, *await self.findings(built.body, limits)]
        verdict = Verdict(built.book_id, "", findings)
        before = await self.in_force()
        if verdict.is_refused or _id(before) == built.book_id:
            return verdict
        # What priced until now is kept too: one can go back to it, with whatever version.
        await self.keep(before)
        await self.keep(built.body)
        event = HELD if any(each.severity is Severity.HOLD for each in findings) else IN_FORCE
        await self._note(built.book_id, event, author, reason)
        return Verdict(built.book_id, event, findings)

    async def approve(self, book_id: str, author: str, reason: str) -> str:
        """Put a book in force, whatever was held against it; its whole id. Raises Permanent."""
        body = await self.body(book_id)
        book = PriceBook.load(body)
        await self.keep(body)
        await self._note(book.id, IN_FORCE, author, reason)
        return book.id

    async def _used(self) -> Sequence[UsedModel]:
        return await self._store.query(used_models(time.time_ns() - IN_USE_DAYS * _DAY_NS))

    async def _note(self, book_id: str, event: str, author: str, reason: str) -> None:
        row = event_row(book_id, event, author, reason)
        await anyio.to_thread.run_sync(self._store.append, EVENTS, row)


def _provider(book: PriceBook, model: str) -> str:
    """Whose prices a call has that names no provider; empty: it has none."""
    found = find(book, "", model, "")
    return found[0].provider.id if found else ""


def _id(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
