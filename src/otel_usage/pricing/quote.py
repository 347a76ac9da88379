"""A quote: what one kind of call costs, in each of its tiers; or the reason why that is not known."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from otel_usage.pricing.rate import Weights

INPUT_TOKENS, OUTPUT_TOKENS, INPUT_AUDIO, OUTPUT_AUDIO, CHARACTERS, SEARCHES, IMAGES = (
    1 << bit for bit in range(7)
)
"""The measures that a call may be told in, as bits. Some measure the same: see `measures`."""

TOKENS: Final = INPUT_TOKENS | OUTPUT_TOKENS

INPUT_AUDIO_IN_TOKENS, OUTPUT_AUDIO_IN_TOKENS, IMAGES_IN_TOKENS = (1 << bit for bit in range(7, 10))
"""Of a call that is told in audio by time, or in images: whether its tokens are said to contain them."""

NOTHING: Final = 1 << 10
"""Whether all that the call is told in is told to be 0."""

MEASURES: Final = {
    INPUT_TOKENS: "input_tokens",
    OUTPUT_TOKENS: "output_tokens",
    INPUT_AUDIO: "input_audio",
    OUTPUT_AUDIO: "output_audio",
    CHARACTERS: "input_characters",
    SEARCHES: "rerank_searches",
    IMAGES: "output_images",
}
"""What each is called where there is no price for it (`unpriced_units`)."""


class Kind(NamedTuple):
    """What calls have in common that have one quote."""

    provider: str
    response_model: str
    request_model: str
    service_tier: str = ""
    told: int = TOKENS
    """The measures that it is told in."""
    bucket: int = 0
    """When it started, in whole half hours (`book.BUCKET_NS`)."""
    tenant: str = ""
    """Empty where no rule of the tenant's matters; likewise the account."""
    account_id: str = ""
    interval: int = 0
    """Between which bounds of rules it started: after that many of them."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Prices that hold, and what they are multiplied as."""

    weights: Weights
    covered: tuple[bool, ...]
    """Per count of `rate.UNITS`, whether its cost is known."""
    paid: int
    """The measures that are paid, each by its price or by that of another which measures the same."""


@dataclass(frozen=True, slots=True)
class Tier:
    """The rates of calls with more than `start` input tokens. None: there is no such price."""

    start: int
    listed: Rate | None
    billed: Rate | None


@dataclass(frozen=True, slots=True)
class Quote:
    """The prices of one kind of call. `reason` says why nothing is billed; then no tier has a billed rate."""

    model_id: str
    tiers: tuple[Tier, ...]
    reason: str = ""
    price_source: str = ""
    price_key: str = ""
    match_rule: str = ""
    price_context: str = ""
    effective_from: str = ""
    unapplied_context: str = ""
    unpriced_units: str = ""
    price_rule: str = ""
    reported: bool = False
    """Whether the cost that the emitter reports is billed, where it does."""
