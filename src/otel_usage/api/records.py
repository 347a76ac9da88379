"""The body of `POST /v1/usage/record`: what it may say, and the call it tells of.

A field that is not known is refused: `cachedToken`, misspelt, would be full price.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
)

from otel_usage import rfc3339
from otel_usage.api import bodies
from otel_usage.api.bodies import wrong
from otel_usage.api.call_fields import CallFields, Id
from otel_usage.api.problems import Fault, Invalid
from otel_usage.attributes import CUSTOMER, MAX_ID, SYSTEM
from otel_usage.checks import EXPIRED
from otel_usage.model import EARLIEST_NS
from otel_usage.record import Record

KEY_HEADER: Final = "Idempotency-Key"
KEY_BYTES: Final = 16
"""Bytes of the identity of a record that has no idempotency key: random, so it is a call of its own."""


class Body(CallFields):
    """The fields of a usage record."""

    context: Literal["customer", "system"] | None = None
    account_id: Annotated[Id | None, Field(validate_default=True)] = None
    transaction_id: Id | None = None
    timestamp: str | None = None
    idempotency_key: Id | None = None

    @field_validator("account_id")
    @classmethod
    def _has_a_payer(cls, value: str | None, info: ValidationInfo) -> str | None:
        # `context` is before it, and missing here if it is wrong itself.
        if value is None and info.data.get("context", SYSTEM) != SYSTEM:
            raise wrong('is required, or "context": "system"')
        return value

    @field_validator("timestamp")
    @classmethod
    def _is_a_time_of_a_call(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            try:
                started_at_ns = rfc3339.parse(value)
            except ValueError as error:
                raise wrong(str(error)) from None
            if started_at_ns < EARLIEST_NS:
                raise wrong("is before 2020")
            if started_at_ns > (info.context or {})["latest_ns"]:
                raise wrong("is in the future")
            if started_at_ns < (info.context or {})["earliest_ns"]:
                raise wrong(EXPIRED)
        return value


@dataclass(frozen=True, slots=True)
class Told:
    """A record, and whether its caller gave it an identity that can be told again."""

    record: Record
    repeatable: bool


def parse(text: bytes, key: str | None, *, earliest_ns: int, latest_ns: int) -> Told:
    """The record in a JSON body. `key` is the idempotency key of the header, if there is one.

    A call starts in [`earliest_ns`, `latest_ns`]. Raises Permanent for what is no JSON, Invalid with every
    fault.
    """
    body = bodies.parse(text, Body, "a usage record", earliest_ns=earliest_ns, latest_ns=latest_ns)
    faults = list(_key_faults(body, key))
    if faults:
        raise Invalid(faults)
    key = body.idempotency_key or key
    record = Record(
        key=key.encode() if key else secrets.token_bytes(KEY_BYTES),
        account_id=body.account_id or "",
        transaction_id=body.transaction_id or "",
        context=body.context or CUSTOMER,
        started_at_ns=rfc3339.parse(body.timestamp) if body.timestamp else None,
        **body.told(),
    )
    return Told(record, repeatable=key is not None)


def _key_faults(body: Body, key: str | None) -> Sequence[Fault]:
    if key is None:
        return []
    if not 1 <= len(key) <= MAX_ID:
        return [Fault(KEY_HEADER, f"must have 1 to {MAX_ID} characters")]
    if body.idempotency_key not in (None, key):
        return [Fault(KEY_HEADER, "is not the idempotencyKey of the body")]
    return []
