"""The pricer: the price book and the price rules in force, asked for one kind of call at a time."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Final

from otel_usage.pricing import listed, match, rate
from otel_usage.pricing.book import PriceBook
from otel_usage.pricing.match import Match
from otel_usage.pricing.quote import Kind, Quote, Rate
from otel_usage.pricing.rules import Kind as RuleKind
from otel_usage.pricing.rules import Rule, Rules

_REMEMBERED: Final = (
    65_536  # kinds of calls; names come from outside, so what is remembered of them is bounded
)


class Pricer:
    """Prices by provider, model, service tier, time, tenant and account.

    Never changed: a new book or new rules make another pricer. Lookups are remembered, failures too.
    """

    def __init__(self, book: PriceBook, rules: Rules | None = None) -> None:
        self.book = book
        self.rules = rules or Rules.of(())
        self._find = lru_cache(_REMEMBERED)(self._find_uncached)
        self._listed = lru_cache(_REMEMBERED)(self._listed_uncached)
        self.quote = lru_cache(_REMEMBERED)(self._quote)

    @classmethod
    def bundled(cls) -> "Pricer":
        """The book that comes with this version, and no rules."""
        return cls(PriceBook.bundled())

    def is_dated(self, kind: Kind) -> bool:
        """Whether the time of such a call matters for its list price."""
        if kind.tenant:  # an alias may make it a model whose prices are dated
            return True
        return listed.is_dated(
            self._find(kind.provider, kind.response_model, kind.request_model), kind.service_tier
        )

    def _quote(self, kind: Kind) -> Quote:
        """What such a call costs."""
        if not kind.tenant:
            return self._listed(kind)
        at_ns = self.rules.boundaries[kind.interval - 1] if kind.interval else 0
        told = [name for name in (kind.response_model, kind.request_model) if name]
        place = (kind.tenant, kind.account_id, kind.provider)
        alias = self.rules.alias(*place, told, kind.service_tier, at_ns)
        meant = kind._replace(tenant="", account_id="", interval=0)
        if alias:
            meant = meant._replace(
                provider=alias.to_provider or kind.provider, response_model=alias.to_model, request_model=""
            )
        quoted = self._listed(meant)
        if alias:
            quoted = replace(
                quoted, match_rule=", ".join(filter(None, (f"alias {alias}", quoted.match_rule)))
            )
        rule = self.rules.override(*place, [*told, quoted.model_id], kind.service_tier, at_ns)
        return quoted if rule is None else _ruled(quoted, rule, kind.told)

    def _listed_uncached(self, kind: Kind) -> Quote:
        found = self._find(kind.provider, kind.response_model, kind.request_model)
        unknown = kind.response_model or kind.request_model
        return listed.quote(found, unknown, kind.service_tier, kind.told, kind.bucket)

    def _find_uncached(self, provider: str, response_model: str, request_model: str) -> Sequence[Match]:
        return match.find(self.book, provider, response_model, request_model)


def _ruled(quoted: Quote, rule: Rule, told: int) -> Quote:
    """The quote with what the rule makes of its billed rates."""
    quoted = replace(quoted, price_rule=str(rule))
    match rule.kind:
        case RuleKind.REPORTED:
            return replace(quoted, reported=True)
        case RuleKind.MULTIPLIER:
            return _multiplied(quoted, rule)
        case RuleKind.FREE:
            billed = listed.free(told)
        case _:
            billed = listed.rate_of(rule.prices, told)
            if missing := listed.lacking(billed, told):
                tiers = tuple(replace(tier, billed=None) for tier in quoted.tiers)
                return replace(quoted, tiers=tiers, reason="unpriced_units", unpriced_units=missing)
    tiers = tuple(replace(tier, billed=billed) for tier in quoted.tiers)
    return replace(quoted, tiers=tiers, reason="", unpriced_units="")


def _multiplied(quoted: Quote, rule: Rule) -> Quote:
    tiers = tuple(
        replace(tier, billed=_times(tier.listed, rule.multiplier)) if tier.listed else tier
        for tier in quoted.tiers
    )
    if any(tier.billed and tier.billed.weights.dearest > rate.DEAREST for tier in tiers):
        # Nothing costs that much, and such sums need not fit.
        return replace(quoted, tiers=tuple(replace(tier, billed=None) for tier in tiers), reason="no_price")
    return replace(quoted, tiers=tiers)


def _times(listed: Rate, multiplier: Decimal) -> Rate:
    prices = rate.times(rate.from_text(listed.weights.text), multiplier)
    return replace(listed, weights=rate.weigh(prices))
