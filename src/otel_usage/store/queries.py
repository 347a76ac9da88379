"""The questions asked of the usage table: a pure function each, from what is asked to a bound statement.

Every statement binds its tenant, and every value: none is ever part of the SQL text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from string import Template
from typing import Final, Generic, TypeVar

Row = TypeVar("Row")

INFERENCE, ROLLUP, DUPLICATE = ROLES = ("inference", "rollup", "duplicate")
"""What a stored row is: a call; a sum over calls; a call that another row is charged for."""
STATUSES: Final = ("reported", "estimated", "missing")
"""What is known of the usage of a row."""


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

    Inferences are meant without those that failed: no such call used anything. Calls start in
    [from_ns, to_ns). With `as_of_ns` rows are meant as they were stored at that time.
    """

    tenant: str
    account_id: str | None = None
    model_id: str | None = None
    context: str | None = None
    transaction_id: str | None = None
    provider: str | None = None
    usage_type: str | None = None
    usage_status: str | None = None
    role: str = INFERENCE
    from_ns: int | None = None
    to_ns: int | None = None
    as_of_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a list of rows: after the row that has these."""

    started_at_ns: int
    call_id: bytes


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
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    input_audio_ns: int | None
    output_audio_ns: int | None
    input_characters: int | None
    web_searches: int | None
    rerank_searches: int | None
    output_images: int | None
    model_id: str = ""
    billed_cost: Decimal | None = None


_LIST_USAGE: Final = """\
SELECT
    call_id, context, account_id, model_id, input_tokens, output_tokens, billed_cost,
    toUnixTimestamp64Nano(started_at), role, duplicate_of, usage_status, unpriced_reason
FROM $rows
WHERE $conditions
ORDER BY started_at DESC, call_id
LIMIT {limit:UInt32}"""

UNPRICED: Final = "unpriced_reason NOT IN ('', 'usage_missing', 'estimated_usage')"
"""What a billable row must be to be a call whose usage is known, and its cost is not."""

TOKENS: Final = "ifNull(input_tokens, 0) + ifNull(output_tokens, 0)"
"""The tokens of a row that are known."""

_FIND_RECORD: Final = """\
SELECT
    account_id, context, transaction_id, usage_type, provider, response_model,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    input_audio_ns, output_audio_ns, input_characters, web_searches, rerank_searches,
    output_images,
    model_id, billed_cost
FROM usage_rows FINAL
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
    "transaction_id": "transaction_id = {transaction_id:String}",
    "provider": "provider = {provider:String}",
    "usage_type": "usage_type = {usage_type:String}",
    "usage_status": "usage_status = {usage_status:String}",
    "from_ns": "greatest(started_at, fromUnixTimestamp64Nano({from_ns:Int64}, 'UTC')) = started_at",
    "to_ns": "greatest(started_at, fromUnixTimestamp64Nano({to_ns:Int64}, 'UTC')) != started_at",
}
"""What a UsageFilter field demands of a row, if it is given."""

# Two versions of a row may start at two moments of an hour. A part of the table without a start in the
# interval is not read, and would hold back a newer version. So parts are chosen by whole hours, which all
# versions of a key have in common, and the interval is asked for in a way that chooses none.
_HOURS: Final = {
    "first_hour_ns": "started_at >= fromUnixTimestamp64Nano({first_hour_ns:Int64}, 'UTC')",
    "last_hour_ns": "started_at < fromUnixTimestamp64Nano({last_hour_ns:Int64}, 'UTC')",
}
_HOUR_NS: Final = 3_600 * 10**9

_AFTER: Final = (
    "(toUnixTimestamp64Nano(started_at) != {after_ns:Int64} "
    "OR call_id > toFixedString(unhex({after_call:String}), 16))"
)

_NOW: Final = "usage_rows FINAL"

# Of each key the version that FINAL would have shown then. Only what all versions of a key have in common may
# be asked of versions: another filter could pass over the newest one, and let an older one through.
_AS_OF: Final = """\
(
    SELECT *
    FROM
    (
        SELECT $columns FROM usage_rows WHERE $stored
        UNION ALL
        SELECT $columns FROM usage_history WHERE $stored
    )
    ORDER BY version DESC, inserted_at DESC
    LIMIT 1 BY tenant, account_id, toStartOfHour(started_at), call_id
)"""
_OF_KEY: Final = {
    "tenant": _CONDITIONS["tenant"],
    "account_id": _CONDITIONS["account_id"],
    **_HOURS,
    "as_of_ns": "inserted_at <= fromUnixTimestamp64Nano({as_of_ns:Int64}, 'UTC')",
}
"""What is demanded of every version of a row, if it is given."""
_VERSIONED: Final = (
    "tenant, account_id, started_at, call_id, version, is_deleted, inserted_at, role, duplicate_of, context, "
    "attribution, transaction_id, usage_type, provider, request_model, response_model, service_tier, "
    "usage_status, duration_ns, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, "
    "reasoning_tokens, model_id, list_cost, billed_cost, unpriced_reason, unpriced_units"
)
"""The columns that can be asked for as they were."""


def list_usage(usage: UsageFilter, limit: int, after: Place | None = None) -> Statement[UsageRow]:
    """The newest rows, or the newest that come after a place, at most `limit` of them.

    In order of their start, the last one first, and of their identity. What is before the place is not read.
    """
    if after is None:
        sql, parameters = about(_LIST_USAGE, usage)
        return Statement("list_usage", sql, {**parameters, "limit": limit}, UsageRow)
    end_ns = after.started_at_ns + 1  # others may have started in the same nanosecond
    before = replace(usage, to_ns=end_ns if usage.to_ns is None else min(usage.to_ns, end_ns))
    sql, parameters = about(_LIST_USAGE, before, _AFTER)
    told = {"limit": limit, "after_ns": after.started_at_ns, "after_call": after.call_id.hex()}
    return Statement("list_usage", sql, {**parameters, **told}, UsageRow)


def find_record(tenant: str, call_id: bytes, from_ns: int, to_ns: int) -> Statement[RecordedCall]:
    """The call with this identity that starts in [from_ns, to_ns), if there is one. Give whole UTC days."""
    parameters = {"tenant": tenant, "call_id": call_id.hex(), "from_ns": from_ns, "to_ns": to_ns}
    return Statement("find_record", _FIND_RECORD, parameters, RecordedCall)


def about(sql: str, usage: UsageFilter, *further: str) -> tuple[str, Mapping[str, object]]:
    """`sql` about the rows that `usage` means, as its `$rows` and `$conditions`; and the parameters of that.

    `further` are conditions of its own. `$tokens` and `$unpriced` stand for TOKENS and UNPRICED.
    """
    conditions, demanded = demands(usage)
    hours = _hours(usage)
    conditions = [*conditions, *(_HOURS[name] for name in hours), *further]
    parameters: dict[str, object] = {**demanded, **hours}
    rows = _NOW
    if usage.as_of_ns is not None:
        parameters["as_of_ns"] = usage.as_of_ns
        conditions.append("is_deleted = 0")
        stored = " AND ".join(demand for name, demand in _OF_KEY.items() if name in parameters)
        rows = Template(_AS_OF).substitute(columns=_VERSIONED, stored=stored)
    told = {"rows": rows, "conditions": " AND ".join(conditions), "tokens": TOKENS, "unpriced": UNPRICED}
    return Template(sql).substitute(told), parameters


def demands(usage: UsageFilter) -> tuple[Sequence[str], Mapping[str, object]]:
    """The conditions of `usage`, whatever time it is asked as of, and their parameters."""
    given = {name: value for name in _CONDITIONS if (value := getattr(usage, name)) is not None}
    billable = usage.role == INFERENCE
    conditions = [*(BILLABLE if billable else _OF_ROLE), *(_CONDITIONS[name] for name in given)]
    return conditions, given if billable else {**given, "role": usage.role}


def _hours(usage: UsageFilter) -> Mapping[str, int]:
    """The whole hours around the interval that calls start in."""
    hours = {}
    if usage.from_ns is not None:
        hours["first_hour_ns"] = usage.from_ns // _HOUR_NS * _HOUR_NS
    if usage.to_ns is not None:
        hours["last_hour_ns"] = -(-usage.to_ns // _HOUR_NS) * _HOUR_NS
    return hours
