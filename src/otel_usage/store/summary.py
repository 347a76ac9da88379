"""The sums over calls: all of them, those of each context, and those of each model, in one question."""

from dataclasses import dataclass
from decimal import Decimal
from string import Template
from typing import Final

from otel_usage.store.pieces import pieces
from otel_usage.store.queries import TOKENS, UNPRICED, Statement, UsageFilter


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Sums over the calls of one group. `by` is what they have in common: `all`, `context` or `model`.

    A sum takes what is known; it is None where nothing is. Tokens are of input and output together, and of
    calls whose cost is unknown for want of a price (`unpriced`), whose usage is not known at all (`missing`)
    or made up by the emitter (`estimated`), and whose payer is not known (`unattributed`).
    """

    by: str
    key: str
    calls: int
    billed_cost: Decimal | None
    input_tokens: int | None
    output_tokens: int | None
    list_cost: Decimal | None = None
    unpriced_calls: int = 0
    unpriced_tokens: int = 0
    missing_calls: int = 0
    estimated_calls: int = 0
    estimated_tokens: int = 0
    unattributed_calls: int = 0
    unattributed_tokens: int = 0
    unattributed_cost: Decimal | None = None


SUMS: Final = """\
sum(calls), sum(billed_cost), sum(input_tokens), sum(output_tokens), sum(list_cost),
    sumIf(calls, $unpriced), sumIf($tokens, $unpriced),
    sumIf(calls, usage_status = 'missing'),
    sumIf(calls, usage_status = 'estimated'), sumIf($tokens, usage_status = 'estimated'),
    sumIf(calls, attribution = 'unattributed'), sumIf($tokens, attribution = 'unattributed'),
    sumIf(billed_cost, attribution = 'unattributed')"""
"""What a UsageSum has of its group, after `by` and `key`."""

_SUMMARIZE: Final = """\
SELECT
    multiIf(grouping(context) = 0, 'context', grouping(model_id) = 0, 'model', 'all') AS by,
    if(by = 'context', context, model_id) AS key,
    $sums
FROM
(
    $pieces
)
GROUP BY GROUPING SETS ((), (context), (model_id))
ORDER BY by, key"""


def summarize(usage: UsageFilter) -> Statement[UsageSum]:
    """The sums over all calls, over those of each context, and over those of each model."""
    read = pieces(usage)
    return Statement("summarize", filled(_SUMMARIZE, read.sql), read.parameters, UsageSum)


def filled(sql: str, read: str) -> str:
    """`sql` with its `$sums`, and what is `read` as its `$pieces`."""
    sums = Template(SUMS).substitute(tokens=TOKENS, unpriced=UNPRICED)
    return Template(sql).safe_substitute(sums=sums, pieces=read)
