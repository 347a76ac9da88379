"""Who is billed for a call: account, context and transaction, from its span or else its resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import attributes
from otel_usage.attributes import MAX_ID
from otel_usage.checks import Check
from otel_usage.columns import Fields, Named, Texts
from otel_usage.model import Resource, Scalar
from otel_usage.names import Mask, Names, Rows, choose, longer_than, sizes, where
from otel_usage.otlp.values import spelled

BILLING: Final = (
    attributes.ACCOUNT_ID,
    attributes.CONTEXT,
    attributes.USAGE_TYPE,
    attributes.TRANSACTION_ID,
)
"""The attributes that a claim is read from."""

NAMES: Final[Fields] = {
    "account_id": (attributes.ACCOUNT_ID,),
    "context": (attributes.CONTEXT,),
    "usage_type": (attributes.USAGE_TYPE,),
}
TEXTS: Final[Fields] = {"transaction_id": (attributes.TRANSACTION_ID,)}
"""The fields of a claim, as `columns.names` and `columns.texts` read them."""
_ATTRIBUTIONS: Final = ("span", "resource", "unattributed")
_SPAN, _RESOURCE, _UNATTRIBUTED = range(3)
_DEFAULT_CONTEXTS: Final = (attributes.SYSTEM, attributes.CUSTOMER)


@dataclass(frozen=True, slots=True)
class Claim:
    """The billing attributes as one level states them, span or resource, and what is wrong with them."""

    account_id: Named
    context: Named
    usage_type: Named
    transaction_id: Texts
    faults: Sequence[Check]
    """Of account, transaction, context and usage type, in this order."""

    @classmethod
    def of(cls, names: Mapping[str, Named], texts: Mapping[str, Texts]) -> "Claim":
        """The claim among the columns read for NAMES and TEXTS."""
        told = names["account_id"], names["context"], names["usage_type"], texts["transaction_id"]
        return cls(*told, _faults(*told))

    @classmethod
    def inherited(cls, resources: Sequence[Resource], rows: Rows) -> "Claim | None":
        """Per row, the claim of the resource it names by index; None if no resource makes any."""
        if not any(name in resource.attributes for resource in resources for name in BILLING):
            return None
        account_id, context, usage_type, transaction_id = (
            _said([resource.attributes.get(name) for resource in resources], rows) for name in BILLING
        )
        texts = Texts(transaction_id.names.array().dictionary_decode(), transaction_id.invalid)
        told = account_id, context, usage_type, texts
        return cls(*told, _faults(*told))

    def take(self, rows: Rows) -> "Claim":
        """The claims of some of the rows."""
        if len(rows) == len(self.context.invalid):
            return self
        return Claim(
            self.account_id.take(rows),
            self.context.take(rows),
            self.usage_type.take(rows),
            self.transaction_id.take(rows),
            [_limited(fault, fault.failed[rows]) for fault in self.faults],
        )

    def made(self) -> Mask:
        """Per row, whether a payer is named."""
        return self.account_id.names.non_empty() | self.context.names.non_empty()

    def valid(self) -> Mask:
        """Per row, whether it names a payer or a transaction, and nothing is wrong with what it says."""
        told = self.made() | (sizes(self.transaction_id.array) > 0)
        for fault in self.faults:
            told &= ~fault.failed
        return told


@dataclass(frozen=True, slots=True)
class Payer:
    """Columns of OBSERVATIONS, the checks on them, whether anyone names the payer, and the usage type."""

    columns: dict[str, pa.Array]
    checks: Sequence[Check]
    named: Mask
    usage_type: Names


def read(own: Claim, shared: Claim | None, usage_type: Names) -> Payer:
    """The payer of each row: `own` as its span says, `shared` as its resource says.

    `usage_type` is the column to use where none is stated. Account and context are taken from one level,
    as a pair: a span that says it is the system's does not get its resource's account.
    """
    made = own.made()
    level = np.where(made, _SPAN, _UNATTRIBUTED)
    account_id, context, stated = own.account_id.names, own.context.names, own.usage_type.names
    transaction_id = own.transaction_id.array
    checks = own.faults
    if shared is not None:
        inherits = ~made & shared.made()
        level[inherits] = _RESOURCE
        account_id = where(inherits, shared.account_id.names, account_id)
        context = where(inherits, shared.context.names, context)
        untyped, untold = ~stated.non_empty(), sizes(transaction_id) == 0
        stated = where(untyped, shared.usage_type.names, stated)
        transaction_id = pc.if_else(pa.array(untold), shared.transaction_id.array, transaction_id)
        taken = (~made, untold, ~made, untyped)
        checks = [
            *checks,
            *(_limited(each, each.failed & rows) for each, rows in zip(shared.faults, taken, strict=True)),
        ]
    charged, unstated = account_id.non_empty(), ~context.non_empty()
    unnamed = ~charged & ~context.is_one_of((attributes.SYSTEM,))
    context = where(unstated, choose(charged, _DEFAULT_CONTEXTS), context)
    usage_type = where(~stated.non_empty(), usage_type, stated)
    fields = {
        "account_id": account_id,
        "context": context,
        "usage_type": usage_type,
        "attribution": choose(np.where(unnamed, _UNATTRIBUTED, level), _ATTRIBUTIONS),
    }
    return Payer(
        {name: column.array() for name, column in fields.items()} | {"transaction_id": transaction_id},
        checks,
        level != _UNATTRIBUTED,
        usage_type,
    )


def _said(values: Sequence[Scalar], rows: Rows) -> Named:
    """Per row, the value it names by index."""
    texts = [spelled(value) for value in values]
    invalid = np.array([text is None for text in texts])
    return Named(choose(rows, [(text or "")[: MAX_ID + 1] for text in texts]), invalid[rows])


def _faults(account_id: Named, context: Named, usage_type: Named, transaction_id: Texts) -> Sequence[Check]:
    return (
        _id_check(attributes.ACCOUNT_ID, account_id.invalid | account_id.names.longer_than(MAX_ID)),
        _id_check(
            attributes.TRANSACTION_ID, transaction_id.invalid | longer_than(transaction_id.array, MAX_ID)
        ),
        _choice_check(attributes.CONTEXT, context, attributes.CONTEXTS),
        _choice_check(attributes.USAGE_TYPE, usage_type, attributes.USAGE_TYPES),
    )


def _id_check(name: str, failed: Mask) -> Check:
    return Check(name, failed, f"is not a text of at most {MAX_ID} characters", (name,))


def _choice_check(name: str, column: Named, known: Sequence[str]) -> Check:
    failed = column.invalid | ~column.names.is_one_of(("", *known))
    return Check(name, failed, f"is none of {', '.join(known)}", (name,))


def _limited(check: Check, failed: Mask) -> Check:
    return Check(check.field, failed, check.problem, check.aliases)
