"""`POST /v1/models/calculate`: what a call would cost, priced as one that is recorded, and not recorded."""

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import anyio
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.routing import Route

from otel_usage import rfc3339
from otel_usage.api import bodies
from otel_usage.api.answering import answered, json_text
from otel_usage.api.encoding import Value
from otel_usage.api.line_items import line_items
from otel_usage.api.models import pricing
from otel_usage.api.records import Id, Name, Seconds, Tokens
from otel_usage.auth import HEADER, Keys
from otel_usage.config import Settings
from otel_usage.durations import nanoseconds
from otel_usage.ingest import Ingest
from otel_usage.model import EARLIEST_NS, OBSERVATIONS, QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.pricing import Pricer, price, rate
from otel_usage.pricing.listing import model
from otel_usage.pricing.rules import OPEN_END_NS
from otel_usage.record import AUDIO, Record, to_observation


class Calculation(BaseModel):
    """The fields of a calculation: those of a usage record that have to do with its cost."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    model_id: Name
    provider: Name | None = None
    account_id: Id | None = None
    usage_type: Literal["text", "embedding", "audio_stt", "audio_tts"] = "text"
    service_tier: Name | None = None
    timestamp: str | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    input_characters: Tokens | None = None
    web_searches: Tokens | None = None
    rerank_searches: Tokens | None = None
    output_images: Tokens | None = None
    audio_duration_seconds: Seconds | None = None

    @field_validator("timestamp")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                told = rfc3339.parse(value)
            except ValueError as error:
                raise _wrong(str(error)) from None
            if not EARLIEST_NS <= told < OPEN_END_NS:
                raise _wrong("is before 2020 or after 2200")
        return value

    @field_validator("cached_tokens", "cache_write_tokens")
    @classmethod
    def _is_part_of_the_input(cls, value: int | None, info: ValidationInfo) -> int | None:
        return _part(value, info, "input_tokens", "inputTokens")

    @field_validator("reasoning_tokens")
    @classmethod
    def _is_part_of_the_output(cls, value: int | None, info: ValidationInfo) -> int | None:
        return _part(value, info, "output_tokens", "outputTokens")

    @field_validator("audio_duration_seconds")
    @classmethod
    def _is_of_audio(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if value is not None and info.data.get("usage_type", "audio_stt") not in AUDIO:
            raise _wrong(f"is for usageType {' or '.join(AUDIO)}")
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
        model=asked.model_id,
        account_id=asked.account_id or "",
        usage_type=asked.usage_type,
        provider=asked.provider or "",
        input_tokens=asked.input_tokens,
        output_tokens=asked.output_tokens,
        cached_tokens=asked.cached_tokens,
        cache_write_tokens=asked.cache_write_tokens,
        reasoning_tokens=asked.reasoning_tokens,
        audio_ns=None if asked.audio_duration_seconds is None else nanoseconds(asked.audio_duration_seconds),
        input_characters=asked.input_characters,
        web_searches=asked.web_searches,
        rerank_searches=asked.rerank_searches,
        output_images=asked.output_images,
        started_at_ns=rfc3339.parse(asked.timestamp) if asked.timestamp else None,
    )
    observation = to_observation(record, tenant, now_ns)
    tier = OBSERVATIONS.field("service_tier")
    place = OBSERVATIONS.get_field_index(tier.name)
    return observation.set_column(place, tier, pa.array([asked.service_tier or ""]).cast(tier.type))


def _name(row: Mapping[str, Any], pricer: Pricer, now_ns: int) -> str:
    """What the book calls the model that the price is of."""
    provider, _, name = row["price_key"].partition("/")
    found = model(pricer.book, now_ns, name, provider) if name else None
    return found.name if found else row["model_id"]


def _part(value: int | None, info: ValidationInfo, whole: str, told: str) -> int | None:
    if value is not None and value > (info.data.get(whole, 0) or 0):
        raise _wrong(f"is part of {told}, and cannot be more than that")
    return value


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{message}", {"message": message})
