"""`GET /v1/usage/{id}`: one call, how its cost came about, and its versions."""

import re
from collections.abc import Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Final

from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from otel_usage import reported_cost, rfc3339
from otel_usage.api import answers
from otel_usage.api.answering import answered
from otel_usage.api.encoding import Value
from otel_usage.api.line_items import line_items
from otel_usage.api.parameters import faults_of
from otel_usage.api.problems import Invalid
from otel_usage.auth import HEADER, Keys
from otel_usage.model import QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.store import Store
from otel_usage.store.queries import UsageRow
from otel_usage.store.receipts import Version, find_versions, in_force

_ID: Final = re.compile(r"usage_([0-9a-f]{32})")
_NS: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_DURATION: Final = "_ns"


def routes(store: Store, keys: Keys) -> list[Route]:
    """The addresses of receipts."""

    async def receipt(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        if faults := list(faults_of(request.query_params, {})):
            raise Invalid(faults)
        told = f"usage_{request.path_params['id']}"
        if found := _ID.fullmatch(told):
            versions = await store.query(find_versions(tenant, bytes.fromhex(found[1])))
            if current := in_force(versions):
                return answer(current, versions)
        raise HTTPException(HTTPStatus.NOT_FOUND, f"There is no usage record {told}.")

    return [Route("/v1/usage/usage_{id}", answered(receipt), methods=["GET"])]


def answer(current: Version, versions: Sequence[Version]) -> Value:
    """The answer: the row that counts, how its cost came about, and all its versions."""
    return {
        "success": True,
        "usageRecord": _record(current),
        "receipt": _receipt(current),
        "versions": [_version(version) for version in versions],
    }


def _record(row: Version) -> Value:
    call = UsageRow(
        call_id=row.call_id,
        context=row.context,
        account_id=row.account_id,
        model_id=row.model_id,
        input_tokens=row.quantities["input_tokens"],
        output_tokens=row.quantities["output_tokens"],
        billed_cost=row.billed_cost,
        started_at_ns=row.started_at_ns,
        role=row.role,
        duplicate_of=row.duplicate_of,
        usage_status=row.usage_status,
        unpriced_reason=row.unpriced_reason,
    )
    return answers.record(call) | {
        "transactionId": row.transaction_id or None,
        "usageType": row.usage_type,
        "provider": row.provider or None,
        "requestModel": row.request_model or None,
        "responseModel": row.response_model or None,
        "serviceTier": row.service_tier or None,
        "region": row.region or None,
        "attribution": row.attribution,
        "startedAt": rfc3339.render(row.started_at_ns),
        "durationMs": Decimal(row.duration_ns) / _NS_PER_MS,
        **{to_camel(name): row.quantities[name] for name in TOKEN_COLUMNS},
        **dict(_quantity(name, row.quantities[name]) for name in QUANTITY_COLUMNS),
    }


def _quantity(name: str, value: int | None) -> tuple[str, Value]:
    """What is told of a quantity; of nanoseconds seconds, as they are told to us."""
    if not name.endswith(_DURATION):
        return to_camel(name), value
    seconds = None if value is None else Decimal(value) / _NS
    return to_camel(f"{name.removesuffix(_DURATION)}_seconds"), seconds


def _receipt(row: Version) -> Value:
    reported = reported_cost.read(row.other_usage)
    difference = None if reported is None or row.billed_cost is None else row.billed_cost - reported.amount
    return {
        "currency": row.currency,
        "billedCost": row.billed_cost,
        "listCost": row.list_cost,
        "lineItems": line_items(row.quantities, row.billed_unit_prices, row.billed_cost),
        "listLineItems": line_items(row.quantities, row.unit_prices, row.list_cost),
        "priceBook": row.price_book or None,
        "priceSource": row.price_source or None,
        "priceKey": row.price_key or None,
        "matchRule": row.match_rule or None,
        "effectiveFrom": row.effective_from or None,
        "priceContext": row.price_context or None,
        "contextTier": row.price_tier,
        "unappliedContext": row.unapplied_context or None,
        "unpricedUnits": [unit for unit in row.unpriced_units.split(",") if unit],
        "unpricedReason": row.unpriced_reason or None,
        "priceRule": row.price_rule or None,
        "priceRun": row.price_run or None,
        "convention": {"usage": row.usage_convention or None, "source": row.convention_source or None},
        "reportedCost": reported.amount if reported else None,
        "reportedBy": reported.attribute if reported else None,
        "difference": difference,
    }


def _version(row: Version) -> Value:
    return {
        # As text: it has more digits than a number of JavaScript can hold.
        "version": str(row.version),
        "storedAt": rfc3339.render(row.stored_at_ns),
        "deleted": bool(row.is_deleted),
        "role": row.role,
        "accountId": row.account_id or None,
        "modelId": row.model_id,
        "billedCost": row.billed_cost,
        "listCost": row.list_cost,
        "unpricedReason": row.unpriced_reason or None,
        "priceBook": row.price_book or None,
        "priceRule": row.price_rule or None,
        "priceRun": row.price_run or None,
    }
