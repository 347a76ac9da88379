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

NAMES: Final[Fields] = {
    "account_id": (attributes.ACCOUNT_ID,),
    "context": (attributes.CONTEXT,),
    "usage_type": (attributes.USAGE_TYPE,),
}
TEXTS: Final[Fields] = {"transaction_id": (attributes.TRANSACTION_ID,)}
"""The fields of a claim, as `columns.names` and `columns.texts` read them."""

_BILLING: Final = (
    attributes.ACCOUNT_ID,
    attributes.CONTEXT,
    attributes.USAGE_TYPE,
    attributes.TRANSACTION_ID,
)
_ATTRIBUTIONS: Final = ("span", "resource", "unattributed")
_SPAN, _RESOURCE, _UNATTRIBUTED = range(3)
_DEFAULT_CONTEXTS: Final = (attributes.SYSTEM, attributes.CUSTOMER)


@dataclass(frozen=True, slots=True)
class Claim:
    """The billing attributes as one level states them, span or resource."""

    account_id: Named
    context: Named
    usage_type: Named
    transaction_id: Texts

    @classmethod
    def of(cls, names: Mapping[str, Named], texts: Mapping[str, Texts]) -> "Claim":
        """The claim among the columns read for NAMES and TEXTS."""
        return cls(names["account_id"], names["context"], names["usage_type"], texts["transaction_id"])

    @classmethod
    def inherited(cls, resources: Sequence[Resource], rows: Rows) -> "Claim | None":
        """Per row, the claim of the resource it names by index; None if no resource makes any."""
        if not any(name in resource.attributes for resource in resources for name in _BILLING):
            return None
        account_id, context, usage_type, transaction_id = (
            _said([resource.attributes.get(name) for resource in resources], rows) for name in _BILLING
        )
        texts = Texts(transaction_id.names.array().dictionary_decode(), transaction_id.invalid)
        return cls(account_id, context, usage_type, texts)

    def made(self) -> Mask:
        """Per row, whether a payer is named."""
        return self.account_id.names.non_empty() | self.context.names.non_empty()


@dataclass(frozen=True, slots=True)
class Payer:
    """Columns of OBSERVATIONS, and the checks on them."""

    columns: dict[str, pa.Array]
    checks: Sequence[Check]


def read(own: Claim, shared: Claim | None, usage_type: Names) -> Payer:
    """The payer of each row: `own` as its span says, `shared` as its resource says.

    `usage_type` is the column to use where none is stated. Account and context are taken from one level,
    as a pair: a span that says it is the system's does not get its resource's account.
    """
    made = own.made()
    level = np.where(made, _SPAN, _UNATTRIBUTED)
    account_id, context, stated = own.account_id.names, own.context.names, own.usage_type.names
    transaction_id, every = own.transaction_id.array, np.ones(len(made), np.bool_)
    checks = _checks(own, payer=every, transaction=every, usage_type=every)
    if shared is not None:
        inherits = ~made & shared.made()
        level[inherits] = _RESOURCE
        account_id = where(inherits, shared.account_id.names, account_id)
        context = where(inherits, shared.context.names, context)
        untyped, untold = ~stated.non_empty(), sizes(transaction_id) == 0
        stated = where(untyped, shared.usage_type.names, stated)
        transaction_id = pc.if_else(pa.array(untold), shared.transaction_id.array, transaction_id)
        checks = (*checks, *_checks(shared, payer=~made, transaction=untold, usage_type=untyped))
    charged, unstated = account_id.non_empty(), ~context.non_empty()
    unnamed = ~charged & ~context.is_one_of((attributes.SYSTEM,))
    context = where(unstated, choose(charged, _DEFAULT_CONTEXTS), context)
    columns = {
        "account_id": account_id,
        "context": context,
        "usage_type": where(~stated.non_empty(), usage_type, stated),
        "attribution": choose(np.where(unnamed, _UNATTRIBUTED, level), _ATTRIBUTIONS),
    }
    return Payer(
        {name: column.array() for name, column in columns.items()} | {"transaction_id": transaction_id},
        checks,
    )


def _said(values: Sequence[Scalar], rows: Rows) -> Named:
    """Per row, the value it names by index."""
    texts = [spelled(value) for value in values]
    invalid = np.array([text is None for text in texts])
    return Named(choose(rows, [(text or "")[: MAX_ID + 1] for text in texts]), invalid[rows])


def _checks(claim: Claim, *, payer: Mask, transaction: Mask, usage_type: Mask) -> Sequence[Check]:
    """What is wrong with a claim, in the rows that take payer, transaction or usage type from it."""
    account_id = claim.account_id.invalid | claim.account_id.names.longer_than(MAX_ID)
    transaction_id = claim.transaction_id.invalid | longer_than(claim.transaction_id.array, MAX_ID)
    return (
        _id_check(attributes.ACCOUNT_ID, payer & account_id),
        _id_check(attributes.TRANSACTION_ID, transaction & transaction_id),
        _choice_check(attributes.CONTEXT, claim.context, attributes.CONTEXTS, payer),
        _choice_check(attributes.USAGE_TYPE, claim.usage_type, attributes.USAGE_TYPES, usage_type),
    )


def _id_check(name: str, failed: Mask) -> Check:
    return Check(name, failed, f"is not a text of at most {MAX_ID} characters", (name,))


def _choice_check(name: str, column: Named, known: Sequence[str], taken: Mask) -> Check:
    failed = taken & (column.invalid | ~column.names.is_one_of(("", *known)))
    return Check(name, failed, f"is none of {', '.join(known)}", (name,))
