"""Usage an application records by hand, for calls no instrumentor sees."""

from typing import Final, Literal, get_args

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import TracerProvider
from opentelemetry.util.genai.handler import TelemetryHandler

from otel_usage import __version__
from otel_usage.attributes import (
    AUDIO_DURATION,
    AUDIO_STT,
    AUDIO_TTS,
    INPUT_CHARACTERS,
    MAX_AUDIO_SECONDS,
    OUTPUT_IMAGES,
    RERANK_SEARCHES,
    WEB_SEARCHES,
)
from otel_usage.instrumentation.billing import BillingContext, UsageType, attribution, billing_attributes

Operation = Literal[
    "chat",
    "generate_content",
    "text_completion",
    "embeddings",
    "speech_to_text",
    "text_to_speech",
    "rerank",
    "image_generation",
]
"""The operations that are one call to a model. Any other sums or surrounds calls, and is not billed."""

SCOPE: Final = "otel_usage"
"""Instrumentation scope of the spans: their counts are OpenTelemetry's inclusive totals."""

_SERVICE_TIER: Final = {"anthropic": "anthropic.response.service_tier"}
_AUDIO: Final = (AUDIO_STT, AUDIO_TTS)
_AUDIO_OPERATIONS: Final = ("speech_to_text", "text_to_speech")
_CACHE_WRITE_1H: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"


def record_usage(  # noqa: PLR0913 - one keyword per fact of a call
    provider: str,
    model: str,
    *,
    input_tokens: int | None,
    output_tokens: int | None,
    cache_read_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    cache_write_1h_tokens: int | None = None,
    reasoning_tokens: int | None = None,
    input_audio_tokens: int | None = None,
    cache_read_audio_tokens: int | None = None,
    output_audio_tokens: int | None = None,
    input_image_tokens: int | None = None,
    output_image_tokens: int | None = None,
    audio_duration_seconds: float | None = None,
    input_characters: int | None = None,
    web_searches: int | None = None,
    rerank_searches: int | None = None,
    output_images: int | None = None,
    response_id: str | None = None,
    response_model: str | None = None,
    service_tier: str | None = None,
    operation: Operation = "chat",
    account_id: str | None = None,
    transaction_id: str | None = None,
    context: BillingContext | None = None,
    usage_type: UsageType | None = None,
    tracer_provider: TracerProvider | None = None,
) -> None:
    """Record one finished LLM call as one `gen_ai` span, which starts and ends now.

    Counts are tokens, OpenTelemetry's inclusive totals: `input_tokens` contains cache_read and
    cache_write, cache_write contains cache_write_1h (the part kept for an hour), `output_tokens` contains
    reasoning, a modality is part of its total. Anthropic and Bedrock report input without the cached
    tokens: add them. None means that the provider did not say.

    What is paid by something else has that beside its tokens, or instead of them: `input_characters` of
    text to be spoken, `web_searches` made to answer, `rerank_searches`, `output_images`, and
    `audio_duration_seconds`, at most a week. The audio was heard if `usage_type` is `audio_stt`, made if it
    is `audio_tts`; without one of these, by the operation `speech_to_text` or `text_to_speech`.

    `provider` and `operation` are values of `gen_ai.provider.name` and `gen_ai.operation.name`;
    `service_tier` is the tier that was served, in the provider's word.
    Give the provider's `response_id` if there is one: it is what makes a second telling of the same
    call, from here or from an instrumentor, the same charge. The billing attributes are those of
    `attribution()`, whose enclosing scopes apply, with or without `UsageInstrumentor`.

    Inside the span of an instrumentor built on opentelemetry-util-genai no second span is made: the
    outer one takes over what it does not know itself.

    Raises:
        TypeError, ValueError: as `attribution()`; a count is no whole number, is negative, or is less
            than its parts; the duration is no number of seconds of a week, or neither usage type nor
            operation is of audio; `operation` is unknown.

    Source: OpenTelemetry semantic conventions for generative AI, inference spans.
    """
    _check_total(
        "input_tokens",
        input_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
    )
    _check_total(
        "input_tokens",
        input_tokens,
        input_audio_tokens=input_audio_tokens,
        input_image_tokens=input_image_tokens,
    )
    _check_total("cache_read_tokens", cache_read_tokens, cache_read_audio_tokens=cache_read_audio_tokens)
    _check_total("cache_write_tokens", cache_write_tokens, cache_write_1h_tokens=cache_write_1h_tokens)
    _check_total("output_tokens", output_tokens, reasoning_tokens=reasoning_tokens)
    _check_total(
        "output_tokens",
        output_tokens,
        output_audio_tokens=output_audio_tokens,
        output_image_tokens=output_image_tokens,
    )
    quantities = {
        AUDIO_DURATION: audio_duration_seconds,
        INPUT_CHARACTERS: input_characters,
        WEB_SEARCHES: web_searches,
        RERANK_SEARCHES: rerank_searches,
        OUTPUT_IMAGES: output_images,
    }
    _check_seconds("audio_duration_seconds", audio_duration_seconds)
    _check_count("input_characters", input_characters)
    _check_count("web_searches", web_searches)
    _check_count("rerank_searches", rerank_searches)
    _check_count("output_images", output_images)
    if operation not in get_args(Operation):
        raise ValueError(f"operation is {operation!r}, not one of {', '.join(get_args(Operation))}")
    payer = attribution(
        account_id=account_id, transaction_id=transaction_id, context=context, usage_type=usage_type
    )
    handler = _handler(tracer_provider)
    with payer:
        if audio_duration_seconds is not None:
            _check_direction(operation)
        with handler.inference(provider, request_model=model, operation_name=operation) as call:
            call.response_id = response_id
            call.response_model_name = response_model
            call.input_tokens = input_tokens
            call.output_tokens = output_tokens
            call.cache_read_input_tokens = cache_read_tokens
            call.cache_write_input_tokens = cache_write_tokens
            call.thinking_tokens = reasoning_tokens
            call.audio_input_tokens = input_audio_tokens
            call.image_input_tokens = input_image_tokens
            call.audio_cache_read_input_tokens = cache_read_audio_tokens
            call.audio_output_tokens = output_audio_tokens
            call.image_output_tokens = output_image_tokens
            call.attributes.update(_more(provider, service_tier, cache_write_1h_tokens))
            call.attributes.update({name: told for name, told in quantities.items() if told is not None})


def _handler(tracer_provider: TracerProvider | None) -> TelemetryHandler:
    # No metrics: the call is over, and a duration of nothing would spoil its histogram.
    return TelemetryHandler(
        tracer_provider=tracer_provider,
        meter_provider=NoOpMeterProvider(),
        instrumentation_scope_name=SCOPE,
        instrumentation_scope_version=__version__,
    )


def _more(provider: str, service_tier: str | None, cache_write_1h_tokens: int | None) -> dict[str, str | int]:
    """What util-genai has no field for."""
    billing = billing_attributes()
    attributes: dict[str, str | int] = dict(billing.items()) if billing else {}
    if service_tier is not None:
        attributes[_SERVICE_TIER.get(provider, "openai.response.service_tier")] = service_tier
    if cache_write_1h_tokens is not None:
        attributes[_CACHE_WRITE_1H] = cache_write_1h_tokens
    return attributes


def _check_total(total_name: str, total: int | None, **parts: int | None) -> None:
    for name, count in {total_name: total, **parts}.items():
        _check_count(name, count)
    counted = {name: count for name, count in parts.items() if count}
    if total is not None and sum(counted.values()) > total:
        raise ValueError(
            f"{' + '.join(counted)} is {sum(counted.values())}, "
            f"more than {total_name} ({total}), which must contain it"
        )


def _check_count(name: str, count: object) -> None:
    if count is None:
        return
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"{name} must be a whole number, not {type(count).__name__}")
    if count < 0:
        raise ValueError(f"{name} is negative ({count})")


def _check_seconds(name: str, seconds: object) -> None:
    if seconds is None:
        return
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{name} must be a number, not {type(seconds).__name__}")
    if not 0 <= seconds <= MAX_AUDIO_SECONDS:
        raise ValueError(f"{name} is {seconds}, not from 0 to {MAX_AUDIO_SECONDS}")


def _check_direction(operation: str) -> None:
    """Audio of no direction would be refused by the server, where nobody sees it."""
    billing = billing_attributes()
    if operation not in _AUDIO_OPERATIONS and (billing is None or billing.usage_type not in _AUDIO):
        raise ValueError(
            "audio_duration_seconds is of audio heard or made: say which by usage_type, "
            f"{' or '.join(_AUDIO)}, or by operation, {' or '.join(_AUDIO_OPERATIONS)}"
        )
