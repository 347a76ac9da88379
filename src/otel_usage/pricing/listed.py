"""The list price of a kind of call: of the first source of the book that has one for what it is told in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    PriceContext,
    StartDateConstraint,
    TimeOfDateConstraint,
)

from otel_usage.pricing import measures, rate
from otel_usage.pricing.match import Match
from otel_usage.pricing.quote import (
    MEASURES,
    NOTHING,
    TOKENS,
    Quote,
    Rate,
    Tier,
)

BUCKET_NS: Final = 30 * 60 * 1_000_000_000
"""Prices change on the half hour, or on a date: all calls in a bucket have the same."""

_STANDARD_TIERS: Final = ("", "default", "standard", "auto", "on_demand")
_BATCH: Final = "batch"
_FREE: Final[rate.Prices] = {"requests_kcount": Decimal(0)}
_STATED_ONCE: Final = "litellm"
"""The source that states one price in several measures, of which one is to be paid."""


@dataclass(frozen=True, slots=True)
class _Applied:
    """The prices of a model at a time, in the context that was served."""

    price: ModelPrice
    context: PriceContext
    effective_from: str


def is_dated(matches: Sequence[Match], service_tier: str) -> bool:
    """Whether the time of a call matters for the price of a model."""
    tiered = service_tier.lower() not in _STANDARD_TIERS
    return any(_is_dated(match.model, tiered=tiered) for match in matches)


def quote(matches: Sequence[Match], unknown: str, service_tier: str, told: int, bucket: int) -> Quote:
    """What such a call costs when it started in the bucket (started_at in ns // BUCKET_NS).

    `matches`: the model in each source; `unknown`: its name if there are none.
    """
    at = datetime.fromtimestamp(bucket * BUCKET_NS // 1_000_000_000, UTC)
    tier = service_tier.lower()
    refused: Quote | None = None
    standard: ModelPrice | None = None
    for match in matches:
        quoted = _quote(match, tier, told, at, standard)
        if not quoted.reason:
            return quoted
        refused = refused or quoted
        standard = standard or match.model.get_prices(at)
    return refused or Quote(unknown, (Tier(0, None, None),), reason="unknown_model")


def rate_of(prices: rate.Prices, told: int, *, stated_once: bool = False) -> Rate:
    """The rate of calls told in these measures. `stated_once`: of measures of the same one is charged."""
    charged = measures.charged(prices, told, stated_once=stated_once)
    paid = measures.paid(prices, told, charged)
    return Rate(rate.weigh(measures.held(prices, charged)), measures.covered(prices, charged, paid), paid)


def free(told: int) -> Rate:
    """The rate of what costs nothing, and is meant to."""
    return Rate(rate.weigh(_FREE), (True,) * len(rate.UNITS), told)


def lacking(one: Rate, told: int) -> str:
    """What such a call used and this rate has no price for; empty if there is nothing.

    Of tokens only if no measure is paid: else, or under a fee per call, they are looked at row by row.
    """
    if told & NOTHING and one.paid & told:
        return ""
    missing = told & ~one.paid
    if one.paid & told or one.weights.per_call:
        missing &= ~TOKENS
    return ",".join(name for bit, name in MEASURES.items() if missing & bit)


def _quote(match: Match, tier: str, told: int, at: datetime, standard: ModelPrice | None) -> Quote:
    """The quote by one source. `standard`: the price by a source before it, without the context."""
    about = Quote(
        model_id=match.model_id,
        tiers=(Tier(0, None, None),),
        price_source=str(match.source),
        price_key=match.key,
        match_rule=match.rule,
    )
    if match.free:
        nothing = free(told)
        return replace(about, tiers=(Tier(0, nothing, nothing),), match_rule=f"{match.rule}, free")
    applied = _applied(match, tier, at)
    if applied is None or (applied.context and not _agrees(match.model.get_prices(at), standard)):
        return replace(about, reason="no_price_for_service_tier", unapplied_context=f"service_tier={tier}")
    about = replace(
        about,
        price_context=",".join(f"{key}={value}" for key, value in applied.context.items()),
        effective_from=applied.effective_from,
    )
    once = match.source.name == _STATED_ONCE
    rates = [
        (start, rate_of(rate.resolved(applied.price, start), told, stated_once=once))
        for start in rate.starts(applied.price)
    ]
    if any(each.weights.dearest > rate.DEAREST for _, each in rates):
        return replace(about, reason="no_price")
    base = rates[0][1]
    if not (any(base.covered) or base.weights.per_call or any(base.weights.per_hour)):
        return replace(about, reason="no_price")
    if missing := lacking(base, told):
        reason = "unpriced_units" if told & ~TOKENS else "no_price"
        return replace(about, reason=reason, unpriced_units=missing)
    return replace(about, tiers=tuple(Tier(start, each, each) for start, each in rates))


def _applied(match: Match, tier: str, at: datetime) -> _Applied | None:
    """The prices in the tier that was served; None if there are none.

    genai-prices silently gives the standard ones then.
    """
    since = _effective_from(match.model, at)
    if tier in _STANDARD_TIERS:
        return _Applied(match.model.get_prices(at), {}, since)
    for context in _contexts(tier):
        if match.own and _has_variant(match.model, at, context):
            return _Applied(match.model.get_prices(at, context), context, since)
    return None


def _contexts(tier: str) -> Sequence[Mapping[str, str]]:
    """A service tier in the words of the book."""
    return [{"processing": tier}] if tier == _BATCH else [{"service_tier": tier}, {"speed": tier}]


def _has_variant(model: ModelInfo, at: datetime, context: PriceContext) -> bool:
    return any(
        (variant.constraint is None or variant.constraint.active(at))
        and all(context.get(key) == value for key, value in variant.when.items())
        for variant in model.price_variants or ()
    )


def _agrees(one: ModelPrice, other: ModelPrice | None) -> bool:
    """Whether two sources have the same standard price: only then a tier of the one is one of the other."""
    return other is None or all(
        rate.resolved(one, 0).get(key) == rate.resolved(other, 0).get(key)
        for key in ("input_mtok", "output_mtok")
    )


def _effective_from(model: ModelInfo, at: datetime) -> str:
    """Since when, or at what hours of the day, the prices hold; empty if that is not told."""
    match _condition(model, at):
        case ConditionalPrice(constraint=StartDateConstraint(start_date=start)):
            return start.isoformat()
        case ConditionalPrice(constraint=TimeOfDateConstraint(start_time=start, end_time=end)):
            return f"{start:%H:%M}-{end:%H:%M}"
    return ""


def _condition(model: ModelInfo, at: datetime) -> ConditionalPrice | None:
    if isinstance(model.prices, ModelPrice):
        return None
    return next(
        (each for each in reversed(model.prices) if each.constraint is None or each.constraint.active(at)),
        None,
    )


def _is_dated(model: ModelInfo, *, tiered: bool) -> bool:
    if not isinstance(model.prices, ModelPrice):
        return True
    return tiered and any(variant.constraint is not None for variant in model.price_variants or ())
