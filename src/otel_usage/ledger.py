"""What became of all that came in, counted in this process since it started: by signal, emitter and outcome.

An item is a span, a log record, a data point, or a record of the REST API. Each one received is exactly one
of stored, duplicate, rollup, ignored and rejected: where that does not add up, something was lost.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Final

from otel_usage.model import MAX_NAME, Permanent, Retryable

OUTCOMES: Final = ("stored", "duplicate", "rollup", "ignored", "rejected")
"""What becomes of an item that was received."""
ACCEPTED, REJECTED, REFUSED, FAILED = REQUEST_OUTCOMES = ("accepted", "rejected", "refused", "failed")
"""How a request ends: taken; at fault itself; to be sent again; a fault of ours."""
MAX_EMITTERS: Final = 256
"""Emitters counted by their own name, in all signals: senders choose the names, and could fill our memory."""
OTHER: Final = "other"
"""The name under which the emitters beyond those are counted."""

_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class EmitterOutcome:
    """What became of the items of one emitter (the name of its scope; may be empty) in one signal.

    `signal` is a `model.Signal`, or `record` for the REST API.
    """

    signal: str
    emitter: str
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    rollup: int = 0
    ignored: int = 0
    rejected: int = 0

    @property
    def balanced(self) -> bool:
        """Whether all that was received is accounted for."""
        return self.received == self.stored + self.duplicate + self.rollup + self.ignored + self.rejected


@dataclass(frozen=True, slots=True)
class RequestCount:
    """How many requests of a signal ended so: `outcome` is one of REQUEST_OUTCOMES."""

    signal: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class Balance:
    """All that was counted between `since_ns` (Unix nanoseconds) and when it was asked for."""

    since_ns: int
    emitters: Sequence[EmitterOutcome]
    """Sorted by signal and name."""
    requests: Sequence[RequestCount]
    """Sorted by signal, in the order of REQUEST_OUTCOMES; those that never occurred are not there."""
    waiting: int
    """Requests that have not ended."""
    amended: int
    """Stored rows written anew since: a later span told who pays, or that the call was told before."""

    @property
    def balanced(self) -> bool:
        """Whether all that was received is accounted for, of every emitter."""
        return all(each.balanced for each in self.emitters)

    def signals(self) -> Sequence[EmitterOutcome]:
        """The totals of each signal that there was any request of, as one emitter without a name."""
        signals = {each.signal for each in self.emitters} | {each.signal for each in self.requests}
        counts = dict.fromkeys(sorted(signals), _NOTHING)
        for each in self.emitters:
            signal, _, *added = astuple(each)
            counts[signal] = _sum(counts[signal], tuple(added))
        return [EmitterOutcome(signal, "", *count) for signal, count in counts.items()]


_Counts = tuple[int, ...]
_NOTHING: Final[_Counts] = (0,) * (1 + len(OUTCOMES))


class Ledger:
    """The counters. The writer's thread and the event loop may use it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since_ns = time.time_ns()
        self._items: dict[tuple[str, str], _Counts] = {}
        self._requests: Counter[tuple[str, str]] = Counter()
        self._waiting = 0
        self._amended = 0

    def add(self, outcomes: Sequence[EmitterOutcome]) -> None:
        """Count what became of the items of a commit, once it is durable: each emitter and signal once."""
        with self._lock:
            for each in outcomes:
                signal, emitter, *added = astuple(each)
                key = self._key(signal, emitter)
                self._items[key] = _sum(self._items.get(key, _NOTHING), tuple(added))

    @contextlib.contextmanager
    def request(self, signal: str) -> Iterator[None]:
        """Count a request: as waiting within the block, and then by the error that ends it, if one does."""
        with self._lock:
            self._waiting += 1
        outcome = FAILED
        try:
            yield
            outcome = ACCEPTED
        except Permanent:
            outcome = REJECTED
            raise
        except (Retryable, asyncio.CancelledError):  # who has not been answered has it still
            outcome = REFUSED
            raise
        finally:
            with self._lock:
                self._waiting -= 1
                self._requests[signal, outcome] += 1

    def amend(self, rows: int) -> None:
        """Count stored rows that are written anew."""
        with self._lock:
            self._amended += rows

    def balance(self) -> Balance:
        """What was counted up to now."""
        with self._lock:
            items, requests = sorted(self._items.items()), dict(self._requests)
            waiting, amended = self._waiting, self._amended
        return Balance(
            self._since_ns,
            [EmitterOutcome(*key, *counts) for key, counts in items],
            [
                RequestCount(signal, outcome, requests[signal, outcome])
                for signal in sorted({signal for signal, _ in requests})
                for outcome in REQUEST_OUTCOMES
                if (signal, outcome) in requests
            ],
            waiting,
            amended,
        )

    def _key(self, signal: str, emitter: str) -> tuple[str, str]:
        name = emitter if len(emitter) <= MAX_NAME else emitter[:MAX_NAME] + _ELLIPSIS
        known = (signal, name) in self._items or len(self._items) < MAX_EMITTERS
        return signal, name if known else OTHER


def _sum(counts: _Counts, added: _Counts) -> _Counts:
    return tuple(map(sum, zip(counts, added, strict=True)))
