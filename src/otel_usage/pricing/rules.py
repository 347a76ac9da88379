"""Price rules: what a tenant agrees to pay instead of the list price, and what a model name of its own means.

A rule says for whom and what it holds (tenant, account, provider, model, service tier, validity) and has one
effect. Rules are never edited: a change is a new revision. Of the rules that hold for a call the most
specific one applies.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple, Self

from otel_usage.pricing.patterns import Pattern

OPEN_END_NS: Final = 7_258_118_400_000_000_000
"""2200-01-01: the end of a rule that has none."""


class Kind(StrEnum):
    """What a rule does."""

    ALIAS = "alias"
    """The model is another one: a deployment, an inference profile."""
    PRICES = "prices"
    """Unit prices of its own."""
    MULTIPLIER = "multiplier"
    """The list price times a number."""
    FREE = "free"
    """It costs nothing, and that is meant."""
    REPORTED = "reported"
    """The cost that the emitter reports, where it does."""


class Specificity(NamedTuple):
    """How much a rule says of the calls it holds for; the greater one is the more specific."""

    account: bool
    exact: bool
    literal: int
    """Of a pattern: the characters that it says."""
    provider: bool
    service_tier: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One revision of a price rule. An empty text holds for all.

    It is valid for calls that start in [valid_from_ns, valid_to_ns).
    """

    rule_id: str
    revision: int = 1
    is_revoked: bool = False
    tenant: str
    account_id: str = ""
    provider: str = ""
    """As emitters name it, in any case."""
    model: str
    """A model id in any case; `*` stands for any text."""
    service_tier: str = ""
    valid_from_ns: int = 0
    valid_to_ns: int = OPEN_END_NS
    kind: Kind
    to_provider: str = ""
    """Of an alias: the provider whose price holds; empty: that of the call."""
    to_model: str = ""
    """Of an alias: the model whose price holds."""
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    """Of `prices`: US dollars by price key (`input_mtok`, `audio_hours`, ...: `rate.price_keys`)."""
    multiplier: Decimal = Decimal(1)
    author: str = ""
    reason: str = ""
    created_at_ns: int = 0

    def __str__(self) -> str:
        """What a priced row names it by."""
        return f"{self.rule_id}@{self.revision}"

    @property
    def is_alias(self) -> bool:
        """Aliases are one class of rules, all others the other: of each, one applies to a call."""
        return self.kind is Kind.ALIAS

    @property
    def specificity(self) -> Specificity:
        """How it ranks among rules that hold for the same call."""
        model = Pattern.of(self.model)
        return Specificity(
            account=bool(self.account_id),
            exact=model.exact,
            # Of two exact names the longer one says no more: a call has both.
            literal=0 if model.exact else model.literal,
            provider=bool(self.provider),
            service_tier=bool(self.service_tier),
        )


@dataclass(frozen=True, slots=True)
class _Held:
    """A rule, ready to be asked."""

    rule: Rule
    model: Pattern
    specificity: Specificity

    def holds(self, provider: str, model: str, service_tier: str, at_ns: int) -> bool:
        rule = self.rule
        return (
            rule.valid_from_ns <= at_ns < rule.valid_to_ns
            and _agrees(rule.provider, provider)
            and _agrees(rule.service_tier, service_tier)
            and self.model.matches(model.strip())
        )


_Place = tuple[str, str, bool]
"""Tenant, account (empty: all), and whether it is of aliases."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Valid rules, of all tenants, at their last revision. Made by `of`."""

    rules: tuple[Rule, ...]
    boundaries: tuple[int, ...]
    """When rules begin and end to hold, ascending: between two of them each call has the same rules."""
    tenants: frozenset[str]
    """Those that have rules."""
    _places: Mapping[_Place, Sequence[_Held]]

    @classmethod
    def of(cls, revisions: Iterable[Rule]) -> Self:
        """The rules in force, of any revisions in any order."""
        rules = tuple(rule for rule in current(revisions) if not rule.is_revoked)
        places = groupby(sorted(rules, key=_place), key=_place)
        return cls(
            rules=rules,
            boundaries=tuple(sorted({at for rule in rules for at in (rule.valid_from_ns, rule.valid_to_ns)})),
            tenants=frozenset(rule.tenant for rule in rules),
            _places={place: [*map(_held, held)] for place, held in places},
        )

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def empty(self) -> bool:
        """Whether there are none."""
        return not self.rules

    def accounts(self, tenant: str) -> frozenset[str]:
        """The accounts that have rules of their own."""
        return frozenset(account for owner, account, _ in self._places if owner == tenant and account)

    def alias(  # noqa: PLR0913, PLR0917 (what a call is told by)
        self,
        tenant: str,
        account_id: str,
        provider: str,
        models: Sequence[str],
        service_tier: str,
        at_ns: int,
    ) -> Rule | None:
        """The alias for a call that starts at `at_ns` and has these names for its model, the first one first.

        The most specific rule for any of the names applies; of two that are equal, that for the first name.
        """
        places = _places(tenant, account_id, of_aliases=True)
        return self._find(places, provider, models, service_tier, at_ns)

    def override(  # noqa: PLR0913, PLR0917
        self,
        tenant: str,
        account_id: str,
        provider: str,
        models: Sequence[str],
        service_tier: str,
        at_ns: int,
    ) -> Rule | None:
        """The rule that the price of such a call comes from, if not the list: as `alias` finds one."""
        places = _places(tenant, account_id, of_aliases=False)
        return self._find(places, provider, models, service_tier, at_ns)

    def _find(
        self, places: Iterable[_Place], provider: str, models: Sequence[str], service_tier: str, at_ns: int
    ) -> Rule | None:
        for place in places:
            found = [
                (held.specificity, -number, held.rule)
                for held in self._places.get(place, ())
                for number, model in enumerate(models)
                if held.holds(provider, model, service_tier, at_ns)
            ]
            if found:
                # No two stored rules tie. Should two processes ever manage it, the answer is still one.
                return max(found, key=lambda each: (*each[:2], each[2].valid_from_ns, each[2].rule_id))[2]
        return None


def current(revisions: Iterable[Rule]) -> Sequence[Rule]:
    """The last revision of each rule, also of those that are revoked; of two of one number the later."""
    latest: dict[tuple[str, str], Rule] = {}
    for rule in revisions:
        known = latest.setdefault((rule.tenant, rule.rule_id), rule)
        if (rule.revision, rule.created_at_ns) > (known.revision, known.created_at_ns):
            latest[rule.tenant, rule.rule_id] = rule
    return tuple(latest.values())


def overlapping(rule: Rule, others: Iterable[Rule]) -> Sequence[Rule]:
    """The rules of which it could not be said, for some call, whether they or `rule` are more specific.

    Revoked rules, and other revisions of `rule`, are in nobody's way.
    """
    return [other for other in Rules.of(others).rules if _overlaps(rule, other)]


def _overlaps(rule: Rule, other: Rule) -> bool:
    return (
        rule.tenant == other.tenant
        and rule.rule_id != other.rule_id
        and rule.is_alias == other.is_alias
        and rule.account_id == other.account_id
        and _same(rule.provider, other.provider)
        and _same(rule.service_tier, other.service_tier)
        and rule.valid_from_ns < other.valid_to_ns
        and other.valid_from_ns < rule.valid_to_ns
        and rule.specificity == other.specificity
        and Pattern.of(rule.model).meets(Pattern.of(other.model))
    )


def _places(tenant: str, account_id: str, *, of_aliases: bool) -> Iterator[_Place]:
    """Where to look, in order: the account's own rules come before those of all accounts."""
    if account_id:
        yield tenant, account_id, of_aliases
    yield tenant, "", of_aliases


def _place(rule: Rule) -> _Place:
    return rule.tenant, rule.account_id, rule.is_alias


def _held(rule: Rule) -> _Held:
    return _Held(rule, Pattern.of(rule.model), rule.specificity)


def _agrees(asked: str, told: str) -> bool:
    return not asked or _same(asked, told)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
