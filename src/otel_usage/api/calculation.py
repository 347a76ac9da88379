"""`POST /v1/models/calculate`: what a call would cost, priced as one that is recorded, and not recorded."""

import time
from collections.abc import Mapping
from typing import Any

import anyio
import pyarrow as pa
from pydantic import field_validator
from starlette.requests import Request
from starlette.routing import Route

from otel_usage import rfc3339
from otel_usage.api import bodies
from otel_usage.api.answering import answered, json_text
from otel_usage.api.bodies import wrong
from otel_usage.api.call_fields import CallFields, Id, Name
from otel_usage.api.encoding import Value
from otel_usage.api.line_items import line_items
from otel_usage.api.models import pricing
from otel_usage.auth import HEADER, Keys
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import EARLIEST_NS, OBSERVATIONS, QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.pricing import Pricer, price, rate
from otel_usage.pricing.listing import model
from otel_usage.pricing.rules import OPEN_END_NS
from otel_usage.record import Record, to_observation


class Calculation(CallFields):
    """The fields of a calculation."""

    account_id: Id | None = None
    service_tier: Name | None = None
    timestamp: str | None = None

    @field_validator("timestamp")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                told = rfc3339.parse(value)
            except ValueError as error:
                raise wrong(str(error)) from None
            if not EARLIEST_NS <= told < OPEN_END_NS:
                raise wrong("is before 2020 or after 2200")
        return value


def routes(ingest: Ingest, keys: Keys, settings: Settings) -> list[Route]:
    """The address of calculations."""

    async def calculate(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        text = await json_text(request, settings.max_record_body_bytes)
        asked = bodies.parse(text, Calculation, "a calculation")
        return await anyio.to_thread.run_sync(answer, asked, tenant, ingest.pricer, time.time_ns())

    return [Route("/v1/models/calculate", answered(calculate), methods=["POST"])]


def answer(asked: Calculation, tenant: str, pricer: Pricer, now_ns: int) -> Value:
    """The answer: the cost, as of the time of the call, with the tenant's price rules. Unknown is null."""
    row = price(_observation(asked, tenant, now_ns), pricer).to_pylist()[0]
    counts = {name: row[name] for name in (*TOKEN_COLUMNS, *QUANTITY_COLUMNS)}
    return {
        "success": True,
        "modelId": row["model_id"],
        "modelName": _name(row, pricer, now_ns),
        "estimatedCostUsd": row["billed_cost"],
        "pricing": pricing(rate.from_text(row["billed_unit_prices"])),
        "listCostUsd": row["list_cost"],
        "lineItems": line_items(counts, row["billed_unit_prices"], row["billed_cost"]),
        "priceBook": row["price_book"],
        "priceSource": row["price_source"] or None,
        "priceKey": row["price_key"] or None,
        "matchRule": row["match_rule"] or None,
        "effectiveFrom": row["effective_from"] or None,
        "priceContext": row["price_context"] or None,
        "contextTier": row["price_tier"],
        "priceRule": row["price_rule"] or None,
        "unpricedUnits": [unit for unit in row["unpriced_units"].split(",") if unit],
        "unpricedReason": row["unpriced_reason"] or None,
    }


def _observation(asked: Calculation, tenant: str, now_ns: int) -> pa.Table:
    record = Record(
        key=b"",
        account_id=asked.account_id or "",
        started_at_ns=rfc3339.parse(asked.timestamp) if asked.timestamp else None,
        **asked.told(),
    )
    observation = to_observation(record, tenant, now_ns)
    tier = OBSERVATIONS.field("service_tier")
    place = OBSERVATIONS.get_field_index(tier.name)
    return observation.set_column(place, tier, pa.array([(asked.service_tier or "").strip()]).cast(tier.type))


def _name(row: Mapping[str, Any], pricer: Pricer, now_ns: int) -> str:
    """What the book calls the model that the price is of."""
    provider, _, name = row["price_key"].partition("/")
    found = model(pricer.book, now_ns, name, provider) if name else None
    return found.name if found else row["model_id"]
