"""What comes of spans or log records: OBSERVATIONS, and an account of all that is not in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage.checks import Rejection
from otel_usage.columns import short
from otel_usage.model import CLAIMS, OBSERVATIONS, Scope
from otel_usage.names import Rows

_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EmitterCount:
    """How many spans, or log records, came of one emitter, and how many of them are not in OBSERVATIONS."""

    name: str
    received: int
    ignored: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """OBSERVATIONS; per request, and per emitter, what became of the rows that are not in it; and CLAIMS."""

    observations: pa.Table
    received: _Counts
    ignored: _Counts
    rejected: _Counts
    messages: Sequence[str]
    """Why rows were rejected; empty where none were."""
    claims: pa.Table
    """CLAIMS: the spans, no calls, that themselves name a payer or a transaction."""
    emitters: Sequence[EmitterCount]
    """In the order in which they came; of names, not versions."""


@dataclass(frozen=True, slots=True)
class Received:
    """All rows that came: `request` and `scope` of each, the emitters, and how many requests there are."""

    request: Rows
    scope: Rows
    scopes: Sequence[Scope]
    requests: int

    def nothing(self, claims: pa.Table | None = None) -> Extraction:
        """The account if all are ignored."""
        counts = np.bincount(self.request, minlength=self.requests)
        none = np.zeros(self.requests, np.int64)
        return Extraction(
            _no_observations(),
            counts,
            counts,
            none,
            [""] * self.requests,
            _no_claims() if claims is None else claims,
            self._emitters(np.zeros(0, np.int64), np.zeros(0, np.int64)),
        )

    def account(
        self, candidates: Rows, observations: pa.Table, rejection: Rejection, claims: pa.Table | None = None
    ) -> Extraction:
        """The account of what came of the candidates (indexes of rows): all others are ignored."""
        received = np.bincount(self.request, minlength=self.requests)
        taken = np.bincount(self.request[candidates], minlength=self.requests)
        return Extraction(
            observations,
            received,
            received - taken,
            rejection.counts,
            rejection.messages,
            _no_claims() if claims is None else claims,
            self._emitters(candidates, candidates[rejection.rows]),
        )

    def _emitters(self, candidates: Rows, rejected: Rows) -> Sequence[EmitterCount]:
        numbers = {
            name: number for number, name in enumerate(dict.fromkeys(short(s.name) for s in self.scopes))
        }
        by_scope = np.array([numbers[short(scope.name)] for scope in self.scopes] or [0])
        of = by_scope[self.scope]
        received, taken, refused = (
            np.bincount(each, minlength=len(numbers)) for each in (of, of[candidates], of[rejected])
        )
        counts = zip(received.tolist(), (received - taken).tolist(), refused.tolist(), strict=True)
        told = [EmitterCount(name, *each) for name, each in zip(numbers, counts, strict=False)]
        return [each for each in told if each.received]


@cache
def _no_observations() -> pa.Table:
    return OBSERVATIONS.empty_table()


@cache
def _no_claims() -> pa.Table:
    return CLAIMS.empty_table()
