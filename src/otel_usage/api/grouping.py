"""The groups of a summary: how they are asked for, and how they are told."""

import zoneinfo
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from starlette.datastructures import QueryParams

from otel_usage.api.encoding import Value
from otel_usage.api.problems import Fault
from otel_usage.store.groups import COLUMNS, MAX_ROWS, UTC, Grouping, UsageGroup
from otel_usage.store.summary import UsageSum

DEFAULT_GROUPS: Final = 100
"""Groups that are told apart, unless `limit` says how many."""

_KEYS: Final = {
    "account": "accountId",
    "context": "context",
    "model": "modelId",
    "operation": "operation",
    "provider": "provider",
    "service": "service",
    "transaction": "transactionId",
    "usageType": "usageType",
}
_OF_GROUPS: Final = ("groupBy", "interval")


def is_columns(value: str) -> str:
    """What is wrong with a `groupBy`; empty if nothing is."""
    names = value.split(",")
    if any(name not in COLUMNS for name in names):
        return f"is not one or more of {', '.join(COLUMNS)}, with commas"
    return "has one more than once" if len({*names}) < len(names) else ""


def is_timezone(value: str) -> str:
    """What is wrong with a `timezone`; empty if nothing is."""
    # A name is looked up in a folder: only those that are in it are asked for.
    known = value in zoneinfo.available_timezones()
    return "" if known else "is no time zone of the IANA database, such as Asia/Kolkata"


def faults(query: QueryParams) -> Iterator[Fault]:
    """What is wrong with parameters of groups that are there without others."""
    for name in _OF_GROUPS:
        if name in query and query.get("summary") != "true":
            yield Fault(name, "is of a summary: with summary=true")
    if "timezone" in query and "interval" not in query:
        yield Fault("timezone", "is that of an interval: with interval=day or interval=hour")


def of(query: QueryParams) -> Grouping | None:
    """The groups that parameters without faults ask for."""
    if not any(name in query for name in _OF_GROUPS):
        return None
    return Grouping(
        by=tuple(query["groupBy"].split(",")) if "groupBy" in query else (),
        interval=query.get("interval", ""),
        timezone=query.get("timezone", UTC),
        limit=int(query.get("limit", DEFAULT_GROUPS)),
    )


def told(groups: Sequence[UsageGroup], grouping: Grouping) -> dict[str, Value]:
    """The groups, and what is left of all calls, by interval. Raises Invalid if there are too many."""
    return {
        "groups": [_group(each, grouping) for each in groups if not each.others],
        "others": [
            {**_begin(each, grouping), "groups": each.others, **_sums(each.sums)}
            for each in groups
            if each.others
        ],
    }


def too_many(groups: Sequence[UsageGroup]) -> Iterator[Fault]:
    """The fault of a question with a longer answer than is given."""
    if len(groups) > MAX_ROWS:
        yield Fault("interval", f"makes over {MAX_ROWS} rows: ask for a shorter time, or fewer groups")


def _group(group: UsageGroup, grouping: Grouping) -> Value:
    keys = {_KEYS[name]: key or None for name, key in zip(grouping.by, group.keys, strict=True)}
    return {**_begin(group, grouping), **keys, **_sums(group.sums)}


def _begin(group: UsageGroup, grouping: Grouping) -> dict[str, Value]:
    """When an interval begins, by the clocks of the time zone."""
    if not grouping.interval:
        return {}
    begin = datetime.fromtimestamp(group.begin_s, zoneinfo.ZoneInfo(grouping.timezone))
    return {"from": begin.isoformat().replace("+00:00", "Z")}


def _sums(sums: UsageSum) -> dict[str, Value]:
    """The cost is null if no call has a known one; of the others it is the sum of what is known."""
    return {
        "costUsd": sums.billed_cost,
        "listCostUsd": sums.list_cost,
        "count": sums.calls,
        "inputTokens": sums.input_tokens or 0,
        "outputTokens": sums.output_tokens or 0,
        "complete": not (sums.unpriced_calls or sums.missing_calls or sums.estimated_calls),
        "unpriced": {"count": sums.unpriced_calls, "tokens": sums.unpriced_tokens},
        "usageMissing": sums.missing_calls,
        "estimated": {"count": sums.estimated_calls, "tokens": sums.estimated_tokens},
        "unattributed": {
            "count": sums.unattributed_calls,
            "costUsd": sums.unattributed_cost or Decimal(0),
            "tokens": sums.unattributed_tokens,
        },
    }
