"""The query of `GET /v1/usage`: which calls, how many, and whether as records or as a summary."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import QueryParams

from otel_usage.api.problems import Fault, Invalid
from otel_usage.attributes import CONTEXTS
from otel_usage.store.queries import INFERENCE, ROLES, UsageFilter

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the usage."""

    filter: UsageFilter
    limit: int
    summary: bool


def parse(query: QueryParams, tenant: str) -> Asked:
    """What `query` asks, of the calls of `tenant`. Raises Invalid, with every fault."""
    faults = list(_faults(query))
    if faults:
        raise Invalid(faults)
    return Asked(
        filter=UsageFilter(
            tenant=tenant,
            account_id=query.get("accountId"),
            model_id=query.get("modelId"),
            context=query.get("context"),
            role=query.get("role", INFERENCE),
        ),
        limit=int(query.get("limit", DEFAULT_LIMIT)),
        summary=query.get("summary") == "true",
    )


def _faults(query: QueryParams) -> Iterator[Fault]:
    for name in query:
        values = query.getlist(name)
        if name not in _PARAMETERS:
            yield Fault(name, f"is not a parameter; these are: {', '.join(_PARAMETERS)}")
        elif len(values) > 1:
            yield Fault(name, "is given more than once")
        elif problem := _PARAMETERS[name](values[0]):
            yield Fault(name, problem)
    if query.get("summary") == "true" and query.get("role", INFERENCE) in _NO_COST:
        yield Fault("role", f"has no summary: only the rows of role {INFERENCE} add up to what is charged")


def _one_of(*known: str) -> Callable[[str], str]:
    return lambda value: "" if value in known else f"is none of {', '.join(known)}"


def _is_id(value: str) -> str:
    # An empty variable in a caller's URL must not answer with everyone's usage.
    return "" if value else "is empty; leave it out to ask for all"


def _is_limit(value: str) -> str:
    fits = re.fullmatch(r"[0-9]{1,4}", value) and 1 <= int(value) <= MAX_LIMIT
    return "" if fits else f"is not a whole number from 1 to {MAX_LIMIT}"


_NO_COST: Final = frozenset(ROLES) - {INFERENCE}
_PARAMETERS: Final = {
    "accountId": _is_id,
    "modelId": _is_id,
    "context": _one_of(*CONTEXTS),
    "role": _one_of(*ROLES),
    "limit": _is_limit,
    "summary": _one_of("true", "false"),
}
"""What is wrong with the value of each parameter, as a function of it; empty if nothing is."""
