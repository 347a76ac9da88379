"""Accounts that were erased, and what stands for them in what is told of their calls later.

A call of such an account that started before its erasure may be told again, or late. It is stored as if it
had been there in time: under the account's pseudonym, without what leads to a person.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.drafts import KEYS, places, replace
from otel_usage.names import Mask, Names, constant, where

ERASED: Final = "erased"
"""The attribution of rows of erased accounts. They have no ids, by which others could be known as theirs."""
PREFIX: Final = "erased-"
TEXTS: Final = ("transaction_id", "response_id", "other_usage", "writer")
"""Columns of rows that lead to a person, or to what an account did: emptied."""
IDS: Final = ("trace_id", "span_id", "parent_span_id")
"""The same, of a fixed size: made zero."""

DIGITS: Final = 16
"""Of a hash, in a pseudonym."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """An account of a tenant that is erased; calls that start before `before_ns` are (Unix nanoseconds)."""

    tenant: str
    pseudonym: str
    salt: str
    before_ns: int


def pseudonym(salt: str, tenant: str, account: str) -> str:
    """What stands for an account: the same always."""
    told = f"{salt}\0{tenant}\0{account}"  # no name has this character
    return PREFIX + hashlib.sha256(told.encode()).hexdigest()[:DIGITS]


def is_erased(rows: pa.Table) -> Mask:
    """Which OBSERVATIONS or USAGE rows are of erased accounts, as stored."""
    return Names.of(rows["attribution"]).is_one_of((ERASED,))


@dataclass(frozen=True, slots=True)
class Erased:
    """All accounts that were erased."""

    _by_tenant: Mapping[str, Sequence[Erasure]] = field(default_factory=dict)

    @classmethod
    def of(cls, erasures: Sequence[Erasure]) -> "Erased":
        """These accounts. Of several erasures of one account the last counts."""
        by_tenant: dict[str, list[Erasure]] = {}
        for erasure in erasures:
            by_tenant.setdefault(erasure.tenant, []).append(erasure)
        return cls(by_tenant)

    def __len__(self) -> int:
        return sum(map(len, self._by_tenant.values()))

    def rows(self, rows: pa.Table) -> pa.Table:
        """OBSERVATIONS as they are to be stored."""
        for accounts, erasure in self._found(rows):
            rows = _blanked(rows, accounts, erasure)
        return rows

    def keys(self, tombstones: pa.Table, rows: pa.Table) -> pa.Table:
        """KEYS to take back, but for those under which one of the `rows`, as they are to be stored, is."""
        found = [*self._found(tombstones)]
        for accounts, erasure in found:
            tombstones = replace(tombstones, "account_id", _renamed(tombstones, accounts, erasure))
        if not found:
            return tombstones
        # Row by row: of calls of erased accounts that move.
        taken = {*places(rows)}
        return tombstones.filter(pa.array([place not in taken for place in places(tombstones)], pa.bool_()))

    def claims(self, claims: pa.Table) -> pa.Table:
        """CLAIMS that may be stored: not those of erased accounts, of spans that start before the erasure."""
        for accounts, _ in self._found(claims):
            claims = claims.filter(pa.array(~accounts))
        return claims

    def _found(self, rows: pa.Table) -> Iterator[tuple[Mask, Erasure]]:
        """The rows of each erased account that there are some of. Asked once for each distinct account."""
        if not self._by_tenant or not rows.num_rows:
            return
        pairs = rows.select(["tenant", "account_id"]).group_by(["tenant", "account_id"]).aggregate([])
        for tenant, account in zip(pairs["tenant"].to_pylist(), pairs["account_id"].to_pylist(), strict=True):
            if account and (erasure := self._find(tenant, account)):
                started = rows["started_at"].cast(pa.int64()).to_numpy() < erasure.before_ns
                mine = pc.and_(pc.equal(rows["tenant"], tenant), pc.equal(rows["account_id"], account))
                chosen = started & mine.to_numpy(zero_copy_only=False)
                if chosen.any():
                    yield chosen, erasure

    def _find(self, tenant: str, account: str) -> Erasure | None:
        erasures = self._by_tenant.get(tenant, ())
        names = {salt: pseudonym(salt, tenant, account) for salt in {each.salt for each in erasures}}
        found = [each for each in erasures if each.pseudonym == names[each.salt]]
        return max(found, key=lambda each: each.before_ns, default=None)


def _blanked(rows: pa.Table, chosen: Mask, erasure: Erasure) -> pa.Table:
    rows = replace(rows, "account_id", _renamed(rows, chosen, erasure))
    before = Names.of(rows["attribution"].unify_dictionaries().combine_chunks())
    rows = replace(rows, "attribution", where(chosen, constant(ERASED, len(rows)), before).array())
    mask = pa.array(chosen)
    for name in (*TEXTS, *IDS):
        column = rows[name].combine_chunks()
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        blank = bytes(plain.type.byte_width) if name in IDS else ""
        emptied = pc.if_else(mask, pa.scalar(blank, plain.type), plain)
        rows = replace(rows, name, emptied.cast(column.type))
    return rows


def _renamed(rows: pa.Table, chosen: Mask, erasure: Erasure) -> pa.Array:
    names = rows["account_id"].combine_chunks().cast(pa.string())
    renamed = pc.if_else(pa.array(chosen), erasure.pseudonym, names)
    return renamed.cast(KEYS.field("account_id").type)
