"""The questions asked of the usage table: a pure function each, from what is asked to a bound statement.

Every statement binds its tenant, and every value: none is ever part of the SQL text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from string import Template
from typing import Final, Generic, TypeVar

Row = TypeVar("Row")

INFERENCE, ROLLUP, DUPLICATE = ROLES = ("inference", "rollup", "duplicate")
"""What a stored row is: a call; a sum over calls; a call that another row is charged for."""


@dataclass(frozen=True, slots=True)
class Statement(Generic[Row]):
    """SQL with bound parameters. `row` makes a row of the values of one, in the order of its columns."""

    name: str
    sql: str
    parameters: Mapping[str, object]
    row: Callable[..., Row]


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which rows are meant. `model_id` is the price book's id, or the model of the request or response.

    Inferences are meant without those that failed: no such call used anything.
    """

    tenant: str
    account_id: str | None = None
    model_id: str | None = None
    context: str | None = None
    role: str = INFERENCE


@dataclass(frozen=True, slots=True)
class UsageRow:
    """A stored row. Counts and cost are None where unknown; `unpriced_reason` is then why the cost is.

    `duplicate_of` is the identity of the call that is charged for this one.
    """

    call_id: bytes
    context: str
    account_id: str
    model_id: str
    input_tokens: int | None
    output_tokens: int | None
    billed_cost: Decimal | None
    started_at_ns: int
    role: str = INFERENCE
    duplicate_of: bytes | None = None
    usage_status: str = "reported"
    unpriced_reason: str = ""


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Sums over the calls of one group. `by` is what they have in common: `all`, `context` or `model`.

    A sum takes what is known; it is None where nothing is.
    """

    by: str
    key: str
    calls: int
    billed_cost: Decimal | None
    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """What was recorded of a call, then what was found out about it."""

    account_id: str
    context: str
    transaction_id: str
    usage_type: str
    provider: str
    response_model: str
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    model_id: str = ""
    billed_cost: Decimal | None = None


_LIST_USAGE: Final = """\
SELECT
    call_id, context, account_id, model_id, input_tokens, output_tokens, billed_cost,
    toUnixTimestamp64Nano(started_at), role, duplicate_of, usage_status, unpriced_reason
FROM usage FINAL
WHERE $conditions
ORDER BY started_at DESC, call_id
LIMIT {limit:UInt32}"""

_SUMMARIZE: Final = """\
SELECT
    multiIf(grouping(context) = 0, 'context', grouping(model_id) = 0, 'model', 'all') AS by,
    if(by = 'context', context, model_id) AS key,
    count(), sum(billed_cost), sum(input_tokens), sum(output_tokens)
FROM usage FINAL
WHERE $conditions
GROUP BY GROUPING SETS ((), (context), (model_id))
ORDER BY by, key"""

_FIND_RECORD: Final = """\
SELECT
    account_id, context, transaction_id, usage_type, provider, response_model,
    input_tokens, output_tokens, cache_read_tokens, model_id, billed_cost
FROM usage FINAL
WHERE tenant = {tenant:String} AND call_id = unhex({call_id:String})
    AND started_at >= fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')
    AND started_at < fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')
ORDER BY started_at
LIMIT 1"""

BILLABLE: Final = ("role = 'inference'", "unpriced_reason != 'call_failed'")
"""What a row must be to be a call that used something: no roll-up, and not refused by its provider."""
_OF_ROLE: Final = ("role = {role:String}",)
_CONDITIONS: Final = {
    "tenant": "tenant = {tenant:String}",
    "account_id": "account_id = {account_id:String}",
    "context": "context = {context:String}",
    "model_id": "(model_id = {model_id:String} OR request_model = {model_id:String} "
    "OR response_model = {model_id:String})",
}
"""What a UsageFilter field demands of a row, if it is given."""


def list_usage(usage: UsageFilter, limit: int) -> Statement[UsageRow]:
    """The newest rows, at most `limit` of them."""
    sql, parameters = _about(_LIST_USAGE, usage)
    return Statement("list_usage", sql, {**parameters, "limit": limit}, UsageRow)


def summarize(usage: UsageFilter) -> Statement[UsageSum]:
    """The sums over all rows, over those of each context, and over those of each model, in one scan."""
    sql, parameters = _about(_SUMMARIZE, usage)
    return Statement("summarize", sql, parameters, UsageSum)


def find_record(tenant: str, call_id: bytes, from_ns: int, to_ns: int) -> Statement[RecordedCall]:
    """The call with this identity that starts in [from_ns, to_ns), if there is one. Give whole UTC days."""
    parameters = {"tenant": tenant, "call_id": call_id.hex(), "from_ns": from_ns, "to_ns": to_ns}
    return Statement("find_record", _FIND_RECORD, parameters, RecordedCall)


def _about(sql: str, usage: UsageFilter) -> tuple[str, Mapping[str, object]]:
    """`sql` over the rows that `usage` means, and the parameters that go with it."""
    given = {name: getattr(usage, name) for name in _CONDITIONS if getattr(usage, name) is not None}
    billable = usage.role == INFERENCE
    conditions = [*(BILLABLE if billable else _OF_ROLE), *(_CONDITIONS[name] for name in given)]
    parameters = given if billable else {**given, "role": usage.role}
    return Template(sql).substitute(conditions=" AND ".join(conditions)), parameters
