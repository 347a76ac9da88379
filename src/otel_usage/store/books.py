"""Price books in the store: their documents, and which one is in force."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from otel_usage.store.queries import Statement

BOOKS: Final = "price_books"
EVENTS: Final = "price_book_events"
HELD, IN_FORCE = "held", "in_force"
"""What may be done with a book: it waits for approval; it prices from now on."""

_READ: Final = (
    "SELECT book_id, body FROM price_books FINAL WHERE startsWith(book_id, {book_id:String}) LIMIT 2"
)
_EVENTS: Final = """\
SELECT book_id, event, author, reason, toUnixTimestamp64Milli(at) AS at_ms
FROM price_book_events
ORDER BY at_ms DESC, book_id DESC
LIMIT {limit:UInt32}"""
_IN_FORCE: Final = """\
SELECT argMax(book_id, (at, book_id)) FROM price_book_events WHERE event = {event:String}"""
_USED: Final = """\
SELECT
    provider,
    -- Of a call with an alias: also the model that it is priced as.
    arrayJoin(arrayDistinct([if(response_model = '', request_model, response_model), model_id])) AS model,
    count() AS calls
FROM usage_rows
WHERE started_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC') AND role = 'inference' AND model != ''
GROUP BY provider, model
ORDER BY calls DESC
LIMIT {limit:UInt32}"""

_MOST_USED: Final = 10_000


@dataclass(frozen=True, slots=True)
class StoredBook:
    """A book's id, SHA-256 in hex, and its canonical JSON."""

    book_id: str
    body: str


@dataclass(frozen=True, slots=True)
class BookEvent:
    """What was done with a book."""

    book_id: str
    event: str
    author: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class InForce:
    """The book that prices; empty: none was put in force, the one of the version does."""

    book_id: str


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A model as calls name it."""

    provider: str
    model: str
    calls: int


def read_book(book_id: str) -> Statement[StoredBook]:
    """The books whose id begins so: one, if it is told in enough digits."""
    return Statement("read_book", _READ, {"book_id": book_id}, StoredBook)


def book_in_force() -> Statement[InForce]:
    """Which book was put in force last."""
    return Statement("book_in_force", _IN_FORCE, {"event": IN_FORCE}, InForce)


def book_events(limit: int) -> Statement[BookEvent]:
    """What was done with books, the last first."""
    return Statement("book_events", _EVENTS, {"limit": limit}, BookEvent)


def used_models(from_ns: int) -> Statement[UsedModel]:
    """The models of calls since then, the most used first."""
    return Statement("used_models", _USED, {"from_ns": from_ns, "limit": _MOST_USED}, UsedModel)


def book_row(book_id: str, body: bytes) -> pa.Table:
    """A row of BOOKS."""
    return pa.table({"book_id": [book_id], "body": [body.decode()]})


def event_row(book_id: str, event: str, author: str, reason: str) -> pa.Table:
    """A row of EVENTS; the store tells its time."""
    return pa.table({"book_id": [book_id], "event": [event], "author": [author], "reason": [reason]})
