"""What repricing changes, in money: by account and by the model that calls are priced as."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

MAX_GROUPS: Final = 1_000
"""Differences that are told apart: who reads more, and names come from outside."""

_OTHERS: Final = ("", "")
_COMPARED: Final = ("billed_cost", "list_cost", "unpriced_reason")
_EXACT: Final = Context(prec=76)
_NAMES: Final = ("accountId", "modelId", "rows", "healed", "lost", "billedBefore", "billedAfter")


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of an account and a model whose cost changes, and their billed cost before and after.

    Costs are US dollars; the sums take what is known. `healed` rows had no cost and get one, `lost` ones had
    one and get none.
    """

    account_id: str
    model_id: str
    """As priced anew; empty: of any account and model that is not told apart."""
    rows: int
    healed: int
    lost: int
    billed_before: Decimal
    billed_after: Decimal

    @property
    def difference(self) -> Decimal:
        """By how much the bill grows."""
        return _EXACT.subtract(self.billed_after, self.billed_before)

    def plus(self, other: "Difference") -> "Difference":
        """Both together, under the names of this one."""
        return Difference(
            self.account_id,
            self.model_id,
            self.rows + other.rows,
            self.healed + other.healed,
            self.lost + other.lost,
            _EXACT.add(self.billed_before, other.billed_before),
            _EXACT.add(self.billed_after, other.billed_after),
        )


def changed(before: pa.Table, after: pa.Table) -> pa.Array:
    """Per row, whether its costs, or why it has none, are others. Another book alone is no change."""
    result = pa.array([False] * len(after), pa.bool_())
    for name in _COMPARED:
        result = pc.or_(result, _differ(_plain(before, name), _plain(after, name)))
    return result


def compare(before: pa.Table, after: pa.Table) -> Sequence[Difference]:
    """The differences between rows and the same rows priced anew. Rows that do not change are not in them."""
    mask = changed(before, after)
    before, after = before.filter(mask), after.filter(mask)
    was, becomes = _plain(before, "billed_cost"), _plain(after, "billed_cost")
    rows = pa.table(
        {
            "account": _plain(after, "account_id"),
            "model": _plain(after, "model_id"),
            "healed": pc.and_(was.is_null(), becomes.is_valid()).cast(pa.int64()),
            "lost": pc.and_(was.is_valid(), becomes.is_null()).cast(pa.int64()),
            "before": was,
            "after": becomes,
        }
    )
    sums: list[tuple[str | list[str], str]] = [
        ([], "count_all"),
        *((name, "sum") for name in ("healed", "lost", "before", "after")),
    ]
    groups = rows.group_by(["account", "model"]).aggregate(sums)
    columns = ("account", "model", "count_all", "healed_sum", "lost_sum", "before_sum", "after_sum")
    return merged(
        Difference(account, model, count, healed, lost, was or Decimal(0), becomes or Decimal(0))
        for account, model, count, healed, lost, was, becomes in zip(
            *(groups[name].to_pylist() for name in columns), strict=True
        )
    )


def merged(differences: Iterable[Difference]) -> Sequence[Difference]:
    """The differences with those of one account and model together, in their order.

    Those that are beyond MAX_GROUPS of these are one without a name.
    """
    sums: dict[tuple[str, str], Difference] = {}
    for each in differences:
        key = each.account_id, each.model_id
        if key not in sums and len(sums) >= MAX_GROUPS:
            key = _OTHERS
        known = sums.get(key, Difference(*key, 0, 0, 0, Decimal(0), Decimal(0)))
        sums[key] = known.plus(each)
    return [sums[key] for key in sorted(sums)]


def total(differences: Iterable[Difference]) -> Difference:
    """All together, under no name."""
    result = Difference("", "", 0, 0, 0, Decimal(0), Decimal(0))
    for each in differences:
        result = result.plus(each)
    return result


def to_text(differences: Iterable[Difference]) -> str:
    """As JSON, money as text."""
    return json.dumps([dict(zip(_NAMES, _values(each), strict=True)) for each in differences])


def from_text(text: str) -> Sequence[Difference]:
    """What `to_text` wrote."""
    return [_difference(told) for told in json.loads(text)]


def _values(each: Difference) -> Sequence[str | int]:
    before, after = (format(money, "f") for money in (each.billed_before, each.billed_after))
    return (each.account_id, each.model_id, each.rows, each.healed, each.lost, before, after)


def _difference(told: Mapping[str, str | int]) -> Difference:
    account, model, rows, healed, lost, before, after = (told[name] for name in _NAMES)
    return Difference(
        str(account), str(model), int(rows), int(healed), int(lost), Decimal(before), Decimal(after)
    )


def _differ(one: pa.Array, other: pa.Array) -> pa.Array:
    """Per row, whether the values differ. Two that are unknown do not."""
    unequal = pc.fill_null(pc.not_equal(one, other), False)  # noqa: FBT003 (Arrow's own signature)
    return pc.or_(unequal, pc.xor(one.is_null(), other.is_null()))


def _plain(table: pa.Table, name: str) -> pa.Array:
    column = table[name].combine_chunks()
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
