"""The fields of a call, as callers of the REST API tell it: what served it, and how much it used."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

from otel_usage.api.bodies import wrong
from otel_usage.attributes import MAX_AUDIO_SECONDS, MAX_ID
from otel_usage.durations import nanoseconds
from otel_usage.model import MAX_NAME, MAX_TOKENS
from otel_usage.record import AUDIO

_COUNTS: Final = (
    *("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("input_characters", "web_searches", "rerank_searches", "output_images"),
)


def _printed(value: str) -> str:
    """A text that can be seen: one that is blank, or has a NUL in it, is somebody's mistake."""
    if not value.strip():
        raise wrong("is blank")
    if not value.isprintable():
        raise wrong("has characters that do not print")
    return value


Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID), AfterValidator(_printed)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME), AfterValidator(_printed)]
Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]


def _number(value: object) -> object:
    """The number, exactly. It is read from JSON as a whole number or as a Decimal."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise wrong("is not a number")
    return Decimal(value)


Seconds = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=MAX_AUDIO_SECONDS)]


class CallFields(BaseModel):
    """The fields of a call. Nothing is converted: `"12"`, `12.0` and `true` are no counts."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    model_id: Name
    provider: Name | None = None
    usage_type: Literal["text", "embedding", "audio_stt", "audio_tts"] = "text"
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

    @field_validator("cached_tokens", "cache_write_tokens", "reasoning_tokens")
    @classmethod
    def _is_part_of_a_total(cls, value: int | None, info: ValidationInfo) -> int | None:
        name = "output_tokens" if info.field_name == "reasoning_tokens" else "input_tokens"
        others = info.data.get("cached_tokens") if info.field_name == "cache_write_tokens" else None
        whole = info.data.get(name, 2 * MAX_TOKENS)
        if value is not None and value + (others or 0) > (whole or 0):
            beside = " with cachedTokens" if others else ""
            raise wrong(f"is part of {to_camel(name)}, and cannot be more than that{beside}")
        return value

    @field_validator("audio_duration_seconds")
    @classmethod
    def _is_heard_or_made(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if value is not None and info.data.get("usage_type", "audio_stt") not in AUDIO:
            raise wrong('is of "usageType": "audio_stt" (audio heard) or "audio_tts" (audio made) only')
        return value

    def told(self) -> dict[str, Any]:
        """What a `Record` has of it."""
        seconds = self.audio_duration_seconds
        return {name: getattr(self, name) for name in _COUNTS} | {
            "model": self.model_id,
            "provider": self.provider or "",
            "usage_type": self.usage_type,
            "audio_ns": None if seconds is None else nanoseconds(seconds),
        }
