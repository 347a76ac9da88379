"""The price book: a private copy of genai-prices' data, asked for one kind of call at a time."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from typing import Final

from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ModelPrice, PriceContext

from otel_usage.pricing import match, rate
from otel_usage.pricing.match import Match
from otel_usage.pricing.rate import Weights

BUCKET_NS: Final = 30 * 60 * 1_000_000_000
"""Prices change on the half hour, or on a date: all calls in a bucket have the same."""

_REMEMBERED: Final = (
    65_536  # kinds of calls; names come from outside, so what is remembered of them is bounded
)
_STANDARD_TIERS: Final = ("", "default", "standard", "auto", "on_demand")
_BATCH: Final = "batch"


@dataclass(frozen=True, slots=True)
class Quote:
    """The prices of one kind of call, or the reason why there are none (`reason` not empty, no `tiers`)."""

    model_id: str
    tiers: tuple[Weights, ...] = ()
    covered: tuple[bool, ...] = ()
    reason: str = ""
    price_source: str = ""
    price_key: str = ""
    match_rule: str = ""
    price_context: str = ""


class PriceBook:
    """Prices by provider, model, service tier and time. Lookups are remembered, failures too."""

    def __init__(self, snapshot: DataSnapshot, name: str) -> None:
        self.name = name
        """Which prices these are: the `price_book` of every row priced with them."""
        self._providers = snapshot.providers
        self._find = lru_cache(_REMEMBERED)(self._find_uncached)
        self.quote = lru_cache(_REMEMBERED)(self._quote)

    @classmethod
    def bundled(cls) -> "PriceBook":
        """The prices that come with the installed genai-prices. Nothing is downloaded."""
        # Half a second of import: paid by those who price, and not by `otel-usage --help`.
        from genai_prices.data import providers  # noqa: PLC0415

        name = f"genai-prices@{version('genai-prices')}"
        return cls(DataSnapshot(providers=list(providers), from_auto_update=False), name)

    def dated(self, provider: str, response_model: str, request_model: str, service_tier: str) -> bool:
        """Whether the time of such a call matters for its price."""
        found = self._find(provider, response_model, request_model)
        if found is None:
            return False
        variants = found.model.price_variants or ()
        in_time = _context(service_tier) and any(variant.constraint is not None for variant in variants)
        return not isinstance(found.model.prices, ModelPrice) or bool(in_time)

    def _quote(
        self, provider: str, response_model: str, request_model: str, service_tier: str, bucket: int
    ) -> Quote:
        """What such a call costs when it started in the bucket (started_at in ns // BUCKET_NS)."""
        found = self._find(provider, response_model, request_model)
        if found is None:
            return Quote(response_model or request_model, reason="unknown_model")
        at = datetime.fromtimestamp(bucket * BUCKET_NS // 1_000_000_000, UTC)
        context = _context(service_tier)
        price = found.model.get_prices(at)
        applied = found.model.get_prices(at, context) if found.own else price
        about = Quote(
            model_id=found.model.id,
            price_source=self.name,
            price_key=found.key,
            match_rule=found.rule,
            price_context=",".join(f"{key}={value}" for key, value in context.items()),
        )
        if context and not _applies(found, at, context):
            return replace(about, reason="no_price_for_service_tier")
        tiers, covered = rate.weigh(applied), rate.covered(applied)
        by_token_or_call = (
            any(covered) or tiers[0].per_call
        )  # not only by the hour, the page or the character
        if not by_token_or_call or any(weights.dearest > rate.DEAREST for weights in tiers):
            return replace(about, reason="no_price")
        return replace(about, tiers=tiers, covered=covered)

    def _find_uncached(self, provider: str, response_model: str, request_model: str) -> Match | None:
        return match.find(self._providers, provider, response_model, request_model)


def _context(service_tier: str) -> PriceContext:
    """The tier that was served, in genai-prices' words; nothing for the standard one."""
    tier = service_tier.lower()
    if tier in _STANDARD_TIERS:
        return {}
    return {"processing": tier} if tier == _BATCH else {"service_tier": tier}


def _applies(found: Match, at: datetime, context: PriceContext) -> bool:
    """Whether there is a price for this context: genai-prices silently gives the standard one if not."""
    return found.own and any(
        (variant.constraint is None or variant.constraint.active(at))
        and all(context.get(key) == value for key, value in variant.when.items())
        for variant in found.model.price_variants or ()
    )
