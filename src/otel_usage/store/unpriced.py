"""The calls whose usage is known and whose cost is not, by what they have in common: what is to be done."""

from dataclasses import dataclass
from string import Template
from typing import Final

from otel_usage.store.pieces import pieces
from otel_usage.store.queries import TOKENS, UNPRICED, Statement, UsageFilter, about

MAX_MODELS: Final = 20
"""Models that a summary names at most."""


@dataclass(frozen=True, slots=True)
class UnpricedModel:
    """Calls to a model that have no cost for one reason. `tokens`: input and output."""

    model_id: str
    provider: str
    reason: str
    calls: int
    tokens: int


@dataclass(frozen=True, slots=True)
class UnpricedGroup:
    """Calls that one alias or price would give a cost. Times are starts of calls, in nanoseconds."""

    provider: str
    request_model: str
    response_model: str
    model_id: str
    service_tier: str
    reason: str
    units: str
    """What has no price, with commas; empty: nothing has."""
    calls: int
    tokens: int
    first_ns: int
    last_ns: int
    accounts: int


_MODELS: Final = """\
SELECT model_id, provider, unpriced_reason, sum(pieces.calls) AS calls, sum($tokens) AS tokens
FROM
(
    $pieces
) AS pieces
WHERE $unpriced
GROUP BY model_id, provider, unpriced_reason
ORDER BY tokens DESC, calls DESC, model_id, provider, unpriced_reason
LIMIT {limit:UInt32}"""

_GROUPS: Final = """\
SELECT
    provider, request_model, response_model, model_id, service_tier, unpriced_reason, unpriced_units,
    count() AS calls, sum($tokens) AS tokens,
    toUnixTimestamp64Nano(min(started_at)), toUnixTimestamp64Nano(max(started_at)), uniqExact(account_id)
FROM $rows
WHERE $conditions
GROUP BY provider, request_model, response_model, model_id, service_tier, unpriced_reason, unpriced_units
ORDER BY
    tokens DESC, calls DESC,
    provider, request_model, response_model, model_id, service_tier, unpriced_reason, unpriced_units
LIMIT {limit:UInt32}"""


def unpriced_models(usage: UsageFilter, limit: int = MAX_MODELS) -> Statement[UnpricedModel]:
    """The models whose calls have no cost, those of the most tokens first."""
    read = pieces(usage, ("provider",))
    sql = Template(_MODELS).substitute(pieces=read.sql, tokens=TOKENS, unpriced=UNPRICED)
    return Statement("unpriced_models", sql, {**read.parameters, "limit": limit}, UnpricedModel)


def unpriced_groups(usage: UsageFilter, limit: int) -> Statement[UnpricedGroup]:
    """The work list: the groups of calls without a cost, those of the most tokens first."""
    sql, parameters = about(_GROUPS, usage, UNPRICED)
    return Statement("unpriced_groups", sql, {**parameters, "limit": limit}, UnpricedGroup)
