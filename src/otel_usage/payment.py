"""Who pays for calls whose own spans do not say it: found on their paths and in their traces."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage.ancestry import NONE, Ancestry
from otel_usage.attributes import CUSTOMER, SYSTEM
from otel_usage.chains import Keys
from otel_usage.lineage import Lineage
from otel_usage.names import Mask, Names, Rows

SPAN, ANCESTOR, DUPLICATE, TRACE, RESOURCE, UNATTRIBUTED, RECORD = (
    "span",
    "ancestor",
    "duplicate",
    "trace",
    "resource",
    "unattributed",
    "record",
)
"""Where a payer was found: on the call's own span, above it, on a duplicate of it, elsewhere in its trace,
on its resource, nowhere, or in the record of it."""

_Texts: TypeAlias = npt.NDArray[np.object_]
_Payer = tuple[str, str]
_COLUMNS: Final = ("account_id", "context", "attribution", "transaction_id")
_OWN: Final = (SPAN, RECORD)
_NEAR: Final = (SPAN, ANCESTOR)


@dataclass(frozen=True, slots=True)
class Payers:
    """Per observation, who pays and for what; and which of them say something else than they did."""

    account_id: _Texts
    context: _Texts
    attribution: _Texts
    transaction_id: _Texts
    changed: Mask

    def columns(self) -> dict[str, pa.Array]:
        """Columns of OBSERVATIONS."""
        names = ("account_id", "context", "attribution")
        columns = {name: pa.array(getattr(self, name), pa.string()).dictionary_encode() for name in names}
        return columns | {"transaction_id": pa.array(self.transaction_id, pa.string())}


def settle(table: pa.Table, traces: Keys, ancestry: Ancestry, final: Rows, lineage: Lineage) -> Payers:
    """Who pays for each observation.

    `traces` are the keys of their traces, `final` the row that counts for the call of each.
    """
    before = [_texts(table[name]) for name in _COLUMNS]
    account, context, attribution, transaction = (column.copy() for column in before)
    open_ = ~_is_one_of(attribution, _OWN)
    _from_rows(ancestry.payer_row, open_, (account, context), attribution)
    _from_claims(ancestry.payer_claim, open_, lineage, (account, context), attribution)
    _transactions(ancestry, transaction, lineage)
    _from_kin(final, account, context, attribution)
    _from_trace(traces, account, context, attribution, lineage)
    after = (account, context, attribution, transaction)
    changed = np.any([then != now for then, now in zip(before, after, strict=True)], axis=0)
    return Payers(*after, changed=changed)


def _from_rows(payer: Rows, open_: Mask, pair: tuple[_Texts, _Texts], attribution: _Texts) -> None:
    rows = np.flatnonzero(open_ & (payer != NONE))
    for column in pair:
        column[rows] = column[payer[rows]]
    attribution[rows] = ANCESTOR


def _from_claims(
    number: Rows, open_: Mask, lineage: Lineage, pair: tuple[_Texts, _Texts], attribution: _Texts
) -> None:
    rows = np.flatnonzero(open_ & (number != NONE))
    for row, (account, context, _) in zip(rows.tolist(), lineage.say(number[rows]), strict=True):
        pair[0][row], pair[1][row] = _complete(account, context)
    attribution[rows] = ANCESTOR


def _transactions(ancestry: Ancestry, transaction: _Texts, lineage: Lineage) -> None:
    """The nearest transaction above, where a call has none."""
    untold = transaction == ""
    rows = np.flatnonzero(untold & (ancestry.transaction_claim != NONE))
    for row, (_, _, told) in zip(rows.tolist(), lineage.say(ancestry.transaction_claim[rows]), strict=True):
        transaction[row] = told
    rows = np.flatnonzero(untold & (ancestry.transaction_row != NONE))
    transaction[rows] = transaction[ancestry.transaction_row[rows]]


def _from_kin(final: Rows, account: _Texts, context: _Texts, attribution: _Texts) -> None:
    """The payer that another observation of the call has from its own span or from above."""
    near = _is_one_of(attribution, _NEAR)
    wanting = np.flatnonzero(~near[final] & near & ~_is_one_of(attribution[final], (RECORD,)))
    # Those of duplicates with a payer, whose calls have none: rare. The first of several, in a fixed order.
    for row in sorted(wanting.tolist(), key=lambda row: (account[row], context[row]), reverse=True):
        call = final[row]
        account[call], context[call], attribution[call] = account[row], context[row], DUPLICATE


def _from_trace(
    traces: Keys, account: _Texts, context: _Texts, attribution: _Texts, lineage: Lineage
) -> None:
    """The payer that all of a trace name, if it is one, for calls that have found none nearer."""
    wanting = np.flatnonzero(_is_one_of(attribution, (UNATTRIBUTED, TRACE)))
    if not len(wanting):
        return
    distinct, place = np.unique(traces[wanting], return_inverse=True)
    named: list[set[_Payer]] = [set() for _ in range(len(distinct))]
    index, number = lineage.claims_in(distinct)
    # Claim by claim: of the traces in which a call has no payer.
    for trace, (payer, purpose, _) in zip(index.tolist(), lineage.say(number), strict=True):
        if payer or purpose:
            named[trace].add(_complete(payer, purpose))
    own = np.flatnonzero(_is_one_of(attribution, (SPAN,)))
    at = np.minimum(np.searchsorted(distinct, traces[own]), len(distinct) - 1)
    for row, trace in zip(own.tolist(), at.tolist(), strict=True):
        if distinct[trace] == traces[row]:
            named[trace].add((account[row], context[row]))
    for row, trace in zip(wanting.tolist(), place.tolist(), strict=True):
        if len(named[trace]) == 1:
            ((account[row], context[row]),) = named[trace]
            attribution[row] = TRACE
        elif named[trace] and attribution[row] == TRACE:
            account[row], context[row], attribution[row] = "", SYSTEM, UNATTRIBUTED


def _complete(account: str, context: str) -> _Payer:
    """A claim with the context it implies."""
    return account, context or (CUSTOMER if account else SYSTEM)


def _texts(column: pa.ChunkedArray) -> _Texts:
    if pa.types.is_dictionary(column.type):
        names = Names.of(column)
        texts: _Texts = np.array(names.dictionary.to_pylist(), np.object_)[names.index]
        return texts
    return np.asarray(column.to_numpy(), np.object_)


def _is_one_of(column: _Texts, options: tuple[str, ...]) -> Mask:
    result = np.zeros(len(column), np.bool_)
    for option in options:
        result |= column == option
    return result
