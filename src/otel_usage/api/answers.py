"""The shapes of the answers: keys, types and envelope. Money is in US dollars; unknown is null."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from pydantic.alias_generators import to_camel

from otel_usage import rfc3339
from otel_usage.api.encoding import Value
from otel_usage.attributes import CONTEXTS
from otel_usage.ledger import OUTCOMES, Balance, EmitterOutcome
from otel_usage.store.coverage import Coverage
from otel_usage.store.queries import RecordedCall, UsageRow
from otel_usage.store.summary import UsageSum
from otel_usage.store.unpriced import UnpricedModel

_NOTHING: Final = Decimal(0)


def recorded(call_id: bytes, call: RecordedCall) -> Value:
    """The answer to a record."""
    return {
        "success": True,
        "usageRecord": {
            "id": usage_id(call_id),
            "accountId": call.account_id or None,
            "modelId": call.model_id,
            "estimatedCostUsd": call.billed_cost,
        },
    }


def listed(calls: Sequence[UsageRow], following: str | None, expired_ns: int | None = None) -> Value:
    """The answer to a question for records. `following`: the cursor of the next page, if there is one.

    `expired_ns`: calls before that are meant too, and their rows are gone.
    """
    return {
        "success": True,
        "usageRecords": [record(call) for call in calls],
        "nextCursor": following,
        "expiredBefore": _time(expired_ns),
    }


def record(call: UsageRow) -> dict[str, Value]:
    """A stored row, as lists and receipts show it."""
    return {
        "id": usage_id(call.call_id),
        "context": call.context,
        "accountId": call.account_id or None,
        "modelId": call.model_id,
        "inputTokens": call.input_tokens,
        "outputTokens": call.output_tokens,
        "estimatedCostUsd": call.billed_cost,
        "createdAt": rfc3339.render(call.started_at_ns),
        "role": call.role,
        "duplicateOf": None if call.duplicate_of is None else usage_id(call.duplicate_of),
        "usageStatus": call.usage_status,
        "unpricedReason": call.unpriced_reason or None,
    }


def usage_id(call_id: bytes) -> str:
    """What callers name a call by."""
    return f"usage_{call_id.hex()}"


def summarized(
    sums: Sequence[UsageSum],
    models: Sequence[UnpricedModel],
    further: Mapping[str, Value] | None = None,
    expired_ns: int | None = None,
) -> Value:
    """The answer to a question for a summary: the origin's totals, then what they do not know.

    A total is the sum of what is known. The cost of a model is null if no call of it has a known one.
    `models` are those whose calls have no price. `further` are keys after those. `expired_ns`: calls before
    that are meant too, and missing in the sums, for their rows are gone.
    """
    groups = {(group.by, group.key): group for group in sums}
    total = groups["all", ""]
    contexts = {context: groups.get(("context", context)) for context in CONTEXTS}
    return {
        "success": True,
        "summary": {
            "totalCostUsd": total.billed_cost or _NOTHING,
            "totalInputTokens": total.input_tokens or 0,
            "totalOutputTokens": total.output_tokens or 0,
            "byContext": {
                context: (group and group.billed_cost) or _NOTHING for context, group in contexts.items()
            },
            "byModel": {
                group.key: {"costUsd": group.billed_cost, "count": group.calls}
                for group in sums
                if group.by == "model"
            },
            "totalListCostUsd": total.list_cost or _NOTHING,
            "complete": expired_ns is None
            and not (total.unpriced_calls or total.missing_calls or total.estimated_calls),
            "unpriced": {
                "count": total.unpriced_calls,
                "tokens": total.unpriced_tokens,
                "models": [_unpriced(model) for model in models],
            },
            "usageMissing": total.missing_calls,
            "estimated": {"count": total.estimated_calls, "tokens": total.estimated_tokens},
            "unattributed": {
                "count": total.unattributed_calls,
                "costUsd": total.unattributed_cost or _NOTHING,
                "tokens": total.unattributed_tokens,
            },
            "expiredBefore": _time(expired_ns),
            **(further or {}),
        },
    }


def ingested(balance: Balance, coverage: Sequence[Coverage] | None, from_ns: int, to_ns: int) -> Value:
    """The answer to what became of everything. `coverage` is of (from_ns, to_ns]; None is unknown."""
    return {
        "success": True,
        "ingest": {
            "since": rfc3339.render(balance.since_ns),
            "balanced": balance.balanced,
            "signals": [
                {"signal": each.signal, **_outcomes(each), "requests": _requests(balance, each.signal)}
                for each in balance.signals()
            ],
            "emitters": [
                {"signal": each.signal, "emitter": each.emitter, **_outcomes(each)}
                for each in balance.emitters
            ],
            "waitingRequests": balance.waiting,
            "amendedRows": balance.amended,
        },
        "coverage": None if coverage is None else [_covered(each) for each in coverage],
        "coverageFrom": rfc3339.render(from_ns),
        "coverageTo": rfc3339.render(to_ns),
    }


def _time(ns: int | None) -> Value:
    return None if ns is None else rfc3339.render(ns)


def _outcomes(items: EmitterOutcome) -> dict[str, Value]:
    counts: dict[str, Value] = {"received": items.received}
    return counts | {outcome: getattr(items, outcome) for outcome in OUTCOMES} | {"balanced": items.balanced}


def _requests(balance: Balance, signal: str) -> Value:
    return {each.outcome: each.count for each in balance.requests if each.signal == signal}


def _covered(coverage: Coverage) -> Value:
    return {
        "service": coverage.service_name,
        "emitter": coverage.emitter,
        "metric": coverage.metric,
        "model": coverage.model or None,
        "tokenType": to_camel(coverage.token_type),
        "metered": coverage.metered,
        "billed": coverage.billed,
        "ratio": coverage.ratio,
    }


def _unpriced(model: UnpricedModel) -> Value:
    return {
        "modelId": model.model_id,
        "provider": model.provider or None,
        "count": model.calls,
        "tokens": model.tokens,
        "reason": model.reason,
    }
