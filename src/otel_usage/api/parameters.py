"""The queries of addresses: which parameters there are, and what is wrong with those that are given."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import QueryParams

from otel_usage import rfc3339
from otel_usage.api import cursors, grouping
from otel_usage.api.problems import Fault, Invalid
from otel_usage.attributes import CONTEXTS, USAGE_TYPES
from otel_usage.pricing.rules import OPEN_END_NS
from otel_usage.store.groups import INTERVALS, Grouping
from otel_usage.store.queries import INFERENCE, ROLES, STATUSES, Place, UsageFilter

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000

Check = Callable[[str], str]
"""What is wrong with a value; empty if nothing is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the usage."""

    filter: UsageFilter
    limit: int
    summary: bool
    after: Place | None
    """Of a list: where the page begins."""
    grouping: Grouping | None
    """Of a summary: what its groups have in common, if there are to be any."""


def parse(query: QueryParams, tenant: str, now_ns: int) -> Asked:
    """What `query` asks, of the calls of `tenant`. Raises Invalid, with every fault."""
    faults = [
        *faults_of(query, {**_USAGE, "asOf": _is_past(now_ns)}),
        *_order_faults(query),
        *grouping.faults(query),
    ]
    if query.get("summary") == "true" and query.get("role", INFERENCE) in _NO_COST:
        told = f"has no summary: only the rows of role {INFERENCE} add up to what is charged"
        faults.append(Fault("role", told))
    if query.get("summary") == "true" and "cursor" in query:
        faults.append(Fault("cursor", "is of a list: a summary has no pages"))
    if faults:
        raise Invalid(faults)
    return Asked(
        filter=UsageFilter(
            tenant=tenant,
            account_id=query.get("accountId"),
            model_id=query.get("modelId"),
            context=query.get("context"),
            transaction_id=query.get("transactionId"),
            provider=query.get("provider"),
            usage_type=query.get("usageType"),
            usage_status=query.get("usageStatus"),
            role=query.get("role", INFERENCE),
            from_ns=time_of(query, "from"),
            to_ns=time_of(query, "to"),
            as_of_ns=time_of(query, "asOf"),
        ),
        limit=int(query.get("limit", DEFAULT_LIMIT)),
        summary=query.get("summary") == "true",
        after=cursors.parse(query["cursor"]) if "cursor" in query else None,
        grouping=grouping.of(query),
    )


def parse_unpriced(query: QueryParams, tenant: str, max_groups: int) -> tuple[UsageFilter, int]:
    """The calls that a work list is asked of, and how many groups. Raises Invalid, with every fault."""
    known = {name: _USAGE[name] for name in ("accountId", "modelId", "context", "from", "to")}
    faults = [*faults_of(query, {**known, "limit": is_limit(max_groups)}), *_order_faults(query)]
    if faults:
        raise Invalid(faults)
    meant = UsageFilter(
        tenant=tenant,
        account_id=query.get("accountId"),
        model_id=query.get("modelId"),
        context=query.get("context"),
        from_ns=time_of(query, "from"),
        to_ns=time_of(query, "to"),
    )
    return meant, int(query.get("limit", max_groups))


def faults_of(query: QueryParams, known: Mapping[str, Check]) -> Iterator[Fault]:
    """What is wrong with a query that may have these parameters, each once."""
    for name in query:
        values = query.getlist(name)
        if name not in known:
            told = f"these are: {', '.join(known)}" if known else "there are none"
            yield Fault(name, f"is not a parameter; {told}")
        elif len(values) > 1:
            yield Fault(name, "is given more than once")
        elif problem := known[name](values[0]):
            yield Fault(name, problem)


def time_of(query: QueryParams, name: str) -> int | None:
    """The time of a parameter that has no fault, in nanoseconds; None if it is not given."""
    return rfc3339.parse(query[name]) if name in query else None


def one_of(*known: str) -> Check:
    """A parameter of a few values."""
    return lambda value: "" if value in known else f"is none of {', '.join(known)}"


def is_text(value: str) -> str:
    """A parameter that is an id or a name."""
    # An empty variable in a caller's URL must not answer with everyone's usage.
    return "" if value else "is empty; leave it out to ask for all"


def is_limit(most: int) -> Check:
    """A parameter that says how many are wanted."""

    def check(value: str) -> str:
        fits = re.fullmatch(r"[0-9]{1,4}", value) and 1 <= int(value) <= most
        return "" if fits else f"is not a whole number from 1 to {most}"

    return check


def is_time(value: str) -> str:
    """A parameter that is a time."""
    try:
        told = rfc3339.parse(value)
    except ValueError as error:
        # In an address a + is a space.
        return (
            f"{error}; write the + of an offset as %2B"
            if re.search(r":\d\d \d\d:\d\d$", value)
            else str(error)
        )
    return "" if 0 <= told <= OPEN_END_NS else "is before 1970 or after 2200"


def _is_past(now_ns: int) -> Check:
    def check(value: str) -> str:
        if problem := is_time(value):
            return problem
        return "is in the future" if rfc3339.parse(value) > now_ns else ""

    return check


def _is_cursor(value: str) -> str:
    return "" if cursors.parse(value) else "is no nextCursor of an answer"


def _order_faults(query: QueryParams) -> Iterator[Fault]:
    values = [query.get("from"), query.get("to")]
    if all(value is not None and not is_time(value) for value in values):
        begin, end = time_of(query, "from"), time_of(query, "to")
        if begin is not None and end is not None and begin >= end:
            yield Fault("to", "is not after from: calls are asked for that start in [from, to)")


_NO_COST: Final = frozenset(ROLES) - {INFERENCE}
_USAGE: Final[Mapping[str, Check]] = {
    "accountId": is_text,
    "modelId": is_text,
    "context": one_of(*CONTEXTS),
    "transactionId": is_text,
    "provider": is_text,
    "usageType": one_of(*USAGE_TYPES),
    "usageStatus": one_of(*STATUSES),
    "role": one_of(*ROLES),
    "from": is_time,
    "to": is_time,
    "asOf": is_time,
    "limit": is_limit(MAX_LIMIT),
    "cursor": _is_cursor,
    "summary": one_of("true", "false"),
    "groupBy": grouping.is_columns,
    "interval": one_of(*INTERVALS),
    "timezone": grouping.is_timezone,
}
"""The parameters of GET /v1/usage."""
