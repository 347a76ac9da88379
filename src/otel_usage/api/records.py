"""The body of `POST /v1/usage/record`: what it may say, and the call it tells of.

A field that is not known is refused: `cachedToken`, misspelt, would be full price.
"""

import difflib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, Literal

import pydantic_core
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from otel_usage import rfc3339
from otel_usage.api.problems import Fault, Invalid
from otel_usage.attributes import CUSTOMER, MAX_AUDIO_SECONDS, MAX_ID, SYSTEM
from otel_usage.durations import nanoseconds
from otel_usage.model import EARLIEST_NS, MAX_NAME, MAX_TOKENS, Permanent
from otel_usage.record import AUDIO, Record

KEY_HEADER: Final = "Idempotency-Key"
KEY_BYTES: Final = 16
"""Bytes of the identity of a record that has no idempotency key: random, so it is a call of its own."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]
Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]


def _number(value: object) -> object:
    """The number, exactly. It is read from JSON as a whole number or as a Decimal."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _wrong("is not a number")
    return Decimal(value)


Seconds = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=MAX_AUDIO_SECONDS)]


class Body(BaseModel):
    """The fields of a usage record. Nothing is converted: `"12"`, `12.0` and `true` are no counts."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    context: Literal["customer", "system"] | None = None
    account_id: Annotated[Id | None, Field(validate_default=True)] = None
    transaction_id: Id | None = None
    model_id: Name
    usage_type: Literal["text", "embedding", "audio_stt", "audio_tts"] = "text"
    provider: Name | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    audio_duration_seconds: Seconds | None = None
    input_characters: Tokens | None = None
    web_searches: Tokens | None = None
    rerank_searches: Tokens | None = None
    output_images: Tokens | None = None
    timestamp: str | None = None
    idempotency_key: Id | None = None

    @field_validator("account_id")
    @classmethod
    def _has_a_payer(cls, value: str | None, info: ValidationInfo) -> str | None:
        # `context` is before it, and missing here if it is wrong itself.
        if value is None and info.data.get("context", SYSTEM) != SYSTEM:
            raise _wrong('is required, or "context": "system"')
        return value

    @field_validator("cached_tokens", "cache_write_tokens", "reasoning_tokens")
    @classmethod
    def _is_part_of_a_total(cls, value: int | None, info: ValidationInfo) -> int | None:
        name = "output_tokens" if info.field_name == "reasoning_tokens" else "input_tokens"
        others = info.data.get("cached_tokens") if info.field_name == "cache_write_tokens" else None
        whole = info.data.get(name, 2 * MAX_TOKENS)
        if value is not None and value + (others or 0) > (whole or 0):
            beside = " with cachedTokens" if others else ""
            raise _wrong(f"is part of {to_camel(name)}, and cannot be more than that{beside}")
        return value

    @field_validator("audio_duration_seconds")
    @classmethod
    def _is_heard_or_made(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if value is not None and info.data.get("usage_type", "audio_stt") not in AUDIO:
            raise _wrong('is of "usageType": "audio_stt" (audio heard) or "audio_tts" (audio made) only')
        return value

    @field_validator("timestamp")
    @classmethod
    def _is_a_time_of_a_call(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            try:
                started_at_ns = rfc3339.parse(value)
            except ValueError as error:
                raise _wrong(str(error)) from None
            if started_at_ns < EARLIEST_NS:
                raise _wrong("is before 2020")
            if started_at_ns > (info.context or {})["latest_ns"]:
                raise _wrong("is in the future")
        return value


@dataclass(frozen=True, slots=True)
class Told:
    """A record, and whether its caller gave it an identity that can be told again."""

    record: Record
    repeatable: bool


def parse(text: bytes, key: str | None, *, latest_ns: int) -> Told:
    """The record in a JSON body. `key` is the idempotency key of the header, if there is one.

    `latest_ns` is the latest start of a call. Raises Permanent for what is no JSON, Invalid with every fault.
    """
    body = _body(text, latest_ns)
    faults = list(_key_faults(body, key))
    if faults:
        raise Invalid(faults)
    key = body.idempotency_key or key
    record = Record(
        key=key.encode() if key else secrets.token_bytes(KEY_BYTES),
        model=body.model_id,
        account_id=body.account_id or "",
        transaction_id=body.transaction_id or "",
        context=body.context or CUSTOMER,
        usage_type=body.usage_type,
        provider=body.provider or "",
        input_tokens=body.input_tokens,
        output_tokens=body.output_tokens,
        cached_tokens=body.cached_tokens,
        cache_write_tokens=body.cache_write_tokens,
        reasoning_tokens=body.reasoning_tokens,
        audio_ns=None if body.audio_duration_seconds is None else nanoseconds(body.audio_duration_seconds),
        input_characters=body.input_characters,
        web_searches=body.web_searches,
        rerank_searches=body.rerank_searches,
        output_images=body.output_images,
        started_at_ns=rfc3339.parse(body.timestamp) if body.timestamp else None,
    )
    return Told(record, repeatable=key is not None)


def _body(text: bytes, latest_ns: int) -> Body:
    try:
        pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Permanent(f"The body is not JSON: {error}.") from None
    # Read again, for fractions as they are written. The first reader is the stricter one, and says where.
    fields = json.loads(text, parse_float=_fraction)
    if not isinstance(fields, dict):
        raise Permanent("The body is JSON, but not an object.")
    try:
        return Body.model_validate(fields, context={"latest_ns": latest_ns})
    except ValidationError as error:
        raise Invalid([_fault(details) for details in error.errors(include_url=False)]) from None


def _fraction(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Permanent(f"The body is not JSON that can be read: {text} is out of range.") from None


def _key_faults(body: Body, key: str | None) -> Sequence[Fault]:
    if key is None:
        return []
    if not 1 <= len(key) <= MAX_ID:
        return [Fault(KEY_HEADER, f"must have 1 to {MAX_ID} characters")]
    if body.idempotency_key not in (None, key):
        return [Fault(KEY_HEADER, "is not the idempotencyKey of the body")]
    return []


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("wrong", "{message}", {"message": message})


def _fault(details: ErrorDetails) -> Fault:
    field = ".".join(map(str, details["loc"]))
    if details["type"] != "extra_forbidden":
        return Fault(field, details["msg"])
    known = [info.alias or name for name, info in Body.model_fields.items()]
    meant = difflib.get_close_matches(field, known, n=1)
    return Fault(field, f"is not a field of a usage record{f'; is {meant[0]} meant?' if meant else ''}")
