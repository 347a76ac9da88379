"""The paths from observations to the roots of their traces: who is above whom, and who pays there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from otel_usage.chains import Keys
from otel_usage.lineage import ROOT, Lineage
from otel_usage.names import Mask, Rows

DEEPEST: Final = 512
"""Spans of a path that are followed. Also the end of a path that turns in a circle."""

NONE: Final = -1


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What is on each row's path."""

    above: Rows
    """The nearest row above, or NONE."""
    payer_row: Rows
    """The nearest row above that names a payer, where that is nearer than `payer_claim`; else NONE."""
    payer_claim: Rows
    """The number of the nearest claim above that names a payer, where nearer than `payer_row`; else NONE."""
    transaction_row: Rows
    transaction_claim: Rows
    """As for the payer: the nearest that names a transaction."""
    broken: Mask
    """Whether the path ends before a root: at a span that is not known, yet or any more."""


@dataclass(frozen=True, slots=True)
class Path:
    """Where the path of each row begins."""

    spans: Keys
    """The key of the row itself if it is a span, else ROOT."""
    parents: Keys
    """The key of its parent; ROOT if it has none."""
    pays: Mask
    """Whether the row itself names a payer."""
    tells: Mask
    """Whether the row itself names a transaction."""


def trace_up(path: Path, lineage: Lineage) -> Ancestry:
    """Follow the path of each row to its root."""
    count = len(path.spans)
    place, claims = _Places(path.spans), _Claims(lineage)
    above, payer_row, payer_claim, transaction_row, transaction_claim = np.full((5, count), NONE)
    broken = np.zeros(count, np.bool_)
    walking = np.flatnonzero(path.parents != ROOT)
    at = path.parents[walking]
    for _ in range(DEEPEST):
        if not len(walking):
            break
        row, claim = place.of(at), lineage.claims_of(at)
        is_row = row != NONE
        free = is_row & (above[walking] == NONE)
        above[walking[free]] = row[free]
        pays, tells = (np.where(is_row & says[row], row, NONE) for says in (path.pays, path.tells))
        _nearest(payer_row, payer_claim, walking, pays, claims.with_payer(claim))
        _nearest(transaction_row, transaction_claim, walking, tells, claims.with_transaction(claim))
        parent, known = lineage.parents(at)
        parent = np.where(is_row, path.parents[row], parent)
        broken[walking[~known & ~is_row]] = True
        on = parent != ROOT
        walking, at = walking[on], parent[on]
    broken[walking] = True
    return Ancestry(above, payer_row, payer_claim, transaction_row, transaction_claim, broken)


class _Claims:
    """Which claims name a payer, and which a transaction."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage

    def with_payer(self, numbers: Rows) -> Rows:
        """The numbers of claims that name a payer; NONE for the others."""
        return self._filtered(numbers, lambda claim: bool(claim[0] or claim[1]))

    def with_transaction(self, numbers: Rows) -> Rows:
        """The numbers of claims that name a transaction; NONE for the others."""
        return self._filtered(numbers, lambda claim: bool(claim[2]))

    def _filtered(self, numbers: Rows, holds: Callable[[tuple[str, str, str]], bool]) -> Rows:
        there = np.flatnonzero(numbers != NONE)
        if not len(there):
            return numbers
        distinct, index = np.unique(numbers[there], return_inverse=True)
        answers = np.array([holds(claim) for claim in self._lineage.say(distinct)], np.bool_)
        result = numbers.copy()
        result[there[~answers[index]]] = NONE
        return result


class _Places:
    """Which row has which span key."""

    def __init__(self, spans: Keys) -> None:
        self._order = np.argsort(spans, kind="stable")
        self._sorted = spans[self._order]

    def of(self, keys: Keys) -> Rows:
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        return np.where((self._sorted[at] == keys) & (keys != ROOT), self._order[at], NONE)


def _nearest(rows_found: Rows, claims_found: Rows, rows: Rows, row: Rows, claim: Rows) -> None:
    """Set the row or the claim of this step, where none was found nearer."""
    free = (rows_found[rows] == NONE) & (claims_found[rows] == NONE)
    rows_found[rows[free]] = row[free]
    claims_found[rows[free]] = np.where(row[free] == NONE, claim[free], NONE)
