"""Price rules: which one applies, which two cannot be told apart, and what they make of the cost."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_usage.pricing import PriceBook, Pricer, price
from otel_usage.pricing.patterns import Pattern
from otel_usage.pricing.rules import OPEN_END_NS, Kind, Rule, Rules, current, overlapping
from tests.test_pricing import _observations

ACME: Final = "acme"
MILLION: Final = 1_000_000
ONE: Final = {"input_mtok": Decimal(1), "output_mtok": Decimal(1)}

Row = Mapping[str, Any]


def rule(**fields: Any) -> Rule:  # noqa: ANN401 (of Rule)
    """A rule of the tenant `acme`, free unless it is said."""
    usual = {"rule_id": "r", "tenant": ACME, "model": "gpt-4o", "kind": Kind.FREE}
    return Rule(**{**usual, **fields})


def alias(to: str, **fields: Any) -> Rule:  # noqa: ANN401
    provider, _, model = to.rpartition("/")
    usual = {"rule_id": "alias", "kind": Kind.ALIAS, "to_provider": provider, "to_model": model}
    return rule(**{**usual, **fields})


def times(multiplier: str, **fields: Any) -> Rule:  # noqa: ANN401
    usual = {"rule_id": "times", "kind": Kind.MULTIPLIER, "multiplier": Decimal(multiplier)}
    return rule(**{**usual, **fields})


@cache
def book() -> PriceBook:
    return PriceBook.bundled()


def priced(rules: Sequence[Rule], *calls: Row) -> Sequence[Row]:
    """The rows of calls of `acme`: a million tokens in and out of OpenAI's gpt-4o, unless it is said."""
    usual = {"tenant": ACME, "account_id": "a", "input_tokens": MILLION, "output_tokens": MILLION}
    table: pa.Table = price(
        _observations(*({**usual, **call} for call in calls)), Pricer(book(), Rules.of(rules))
    )
    rows: Sequence[Row] = table.to_pylist()
    return rows


def costs(rules: Sequence[Rule], **call: Any) -> tuple[Decimal | None, Decimal | None, str]:  # noqa: ANN401
    """List cost, billed cost and reason of one call."""
    (row,) = priced(rules, call)
    return row["list_cost"], row["billed_cost"], row["unpriced_reason"]


# Which rule applies.

# Most rules hold for most calls, and patterns say as much as others, so that there is something to decide.
_ACCOUNTS: Final = ("", "a", "", "a", "b")
_PROVIDERS: Final = ("", "openai", "OpenAI", "azure")
_TIERS: Final = ("", "flex", "FLEX", "batch")
_MODELS: Final = (
    *("gpt-4o", "GPT-4O", "gpt-4o-mini", "my-gpt"),
    *("gpt-*", "*pt-4*", "*t-4o", "*-4o", "gpt*", "*4O*", "g*o", "gp*", "*", "**"),
)
_VALID: Final = ((0, OPEN_END_NS),) * 3 + ((0, 10), (10, OPEN_END_NS), (10, 20), (20, OPEN_END_NS))


@st.composite
def _rules(draw: st.DrawFn, least: int = 0, most: int = 12) -> Sequence[Rule]:
    number = draw(st.integers(least, most))
    found = []
    for i in range(number):
        begin, end = draw(st.sampled_from(_VALID))
        found.append(
            rule(
                rule_id=f"r{i}",
                tenant=draw(st.sampled_from([ACME, ACME, ACME, "theirs"])),
                account_id=draw(st.sampled_from(_ACCOUNTS)),
                provider=draw(st.sampled_from(_PROVIDERS)),
                model=draw(st.sampled_from(_MODELS)),
                service_tier=draw(st.sampled_from(_TIERS)),
                valid_from_ns=begin,
                valid_to_ns=end,
                kind=draw(st.sampled_from([Kind.FREE, Kind.REPORTED, Kind.ALIAS])),
            )
        )
    return found


_CALLS: Final = st.tuples(
    st.sampled_from([ACME, ACME, ACME, "theirs", "nobody"]),
    st.sampled_from(["a", "a", "b", "c", ""]),
    st.sampled_from(["openai", "OPENAI", "azure", ""]),
    st.lists(st.sampled_from(["gpt-4o", "GPT-4o", "my-gpt", "gpt-4o-mini"]), min_size=1, max_size=3),
    st.sampled_from(["flex", "Flex", "batch", ""]),
    st.sampled_from([15, 15, 0, 9, 10, 19, 20, 10**18]),
)

Call = tuple[str, str, str, Sequence[str], str, int]


def _rank(one: Rule, call: Call) -> tuple[Any, ...] | None:
    """How specific a rule is for a call, in the order that is documented; None if it does not hold for it."""
    tenant, account, provider, models, tier, at_ns = call
    holds = (
        one.tenant == tenant
        and one.account_id in ("", account)
        and one.provider.lower() in ("", provider.lower())
        and one.service_tier.lower() in ("", tier.lower())
        and one.valid_from_ns <= at_ns < one.valid_to_ns
    )
    meant = [-place for place, name in enumerate(models) if Pattern.of(one.model).matches(name)]
    if not (holds and meant):
        return None
    exact = "*" not in one.model
    said = 0 if exact else len(one.model.replace("*", ""))
    return bool(one.account_id), exact, said, bool(one.provider), bool(one.service_tier), max(meant)


def _ranked(rules: Sequence[Rule], call: Call, *, aliases: bool) -> Mapping[str, tuple[Any, ...]]:
    of_class = (one for one in rules if (one.kind is Kind.ALIAS) is aliases)
    return {one.rule_id: rank for one in of_class if (rank := _rank(one, call)) is not None}


@given(st.data(), _rules(), _CALLS)
def test_the_most_specific_of_the_rules_that_hold_applies_in_whatever_order_they_are(
    data: st.DataObject, rules: Sequence[Rule], call: Call
) -> None:
    shuffled = data.draw(st.permutations(rules))
    for aliases in (False, True):
        ranks = _ranked(rules, call, aliases=aliases)
        found = [
            (held.alias if aliases else held.override)(*call)
            for held in (Rules.of(rules), Rules.of(shuffled))
        ]
        assert found[0] == found[1]
        chosen = found[0]
        assert (chosen is None) == (not ranks)
        if chosen is not None:
            assert ranks[chosen.rule_id] == max(ranks.values())


@given(_rules(), st.lists(_CALLS, min_size=1, max_size=8))
def test_of_rules_that_were_not_refused_no_two_are_as_specific_for_any_call(
    rules: Sequence[Rule], calls: Sequence[Call]
) -> None:
    accepted: list[Rule] = []
    for each in rules:
        if not overlapping(each, accepted):
            accepted.append(each)
    for call in calls:
        for aliases in (False, True):
            ranks = _ranked(accepted, call, aliases=aliases).values()
            assert list(ranks).count(max(ranks, default=())) <= 1


@settings(max_examples=1_000)  # one in fifty has two patterns that say as much
@given(_rules(least=1, most=1), st.sampled_from(_MODELS), st.sampled_from(["gpt-4o", "my-gpt"]))
def test_two_rules_that_hold_for_a_call_and_are_as_specific_are_refused(
    rules: Sequence[Rule], model: str, name: str
) -> None:
    (one,) = rules
    other = replace(one, rule_id="other", model=model)
    call = one.tenant, one.account_id, one.provider, [name], one.service_tier, one.valid_from_ns
    rank = _rank(one, call)
    if rank is not None and rank == _rank(other, call):
        assert overlapping(one, [other]) == [other]
        assert overlapping(other, [one]) == [one]


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"model": "gpt-4o"}, {"account_id": "a", "model": "*"}),
        ({"model": "gpt-*", "provider": "openai", "service_tier": "flex"}, {"model": "gpt-4o"}),
        ({"model": "gpt-*"}, {"model": "*gpt-4*"}),
        ({"model": "*", "provider": "openai", "service_tier": "flex"}, {"model": "g*"}),
        ({"service_tier": "flex"}, {"provider": "openai"}),
        ({}, {"service_tier": "flex"}),
        ({}, {"provider": "openai"}),
    ],
    ids=["account", "exact name", "longer pattern", "any pattern", "provider", "tier", "provider alone"],
)
def test_what_is_more_specific(less: Mapping[str, str], more: Mapping[str, str]) -> None:
    first, second = rule(rule_id="less", **less), rule(rule_id="more", **more)
    assert overlapping(first, [second]) == []
    for rules in ([first, second], [second, first]):
        found = Rules.of(rules).override(ACME, "a", "openai", ["gpt-4o"], "flex", 5)
        assert found is second


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"model": "GPT-4o"}),
        ({"model": "gpt-*"}, {"model": "*pt-4*"}),
        ({"provider": "openai"}, {"provider": "OpenAI"}),
        ({"service_tier": "flex"}, {"service_tier": "FLEX"}),
        ({"valid_to_ns": 10}, {"valid_from_ns": 9}),
        ({"kind": Kind.FREE}, {"kind": Kind.MULTIPLIER, "multiplier": Decimal(2)}),
        ({"account_id": "a"}, {"account_id": "a"}),
    ],
    ids=["case", "patterns", "provider", "tier", "validity", "kind", "account"],
)
def test_rules_that_cannot_be_told_apart_overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    first, second = rule(rule_id="1", **one), rule(rule_id="2", **other)
    assert overlapping(first, [second]) == [second]
    assert overlapping(second, [first]) == [first]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"tenant": "theirs"}),
        ({"account_id": "a"}, {"account_id": "A"}),
        ({"provider": "openai"}, {"provider": "azure"}),
        ({"valid_to_ns": 10}, {"valid_from_ns": 10}),
        ({}, {"kind": Kind.ALIAS, "to_model": "o3"}),
        ({"model": "gpt-*a"}, {"model": "gpt-*b"}),
        ({}, {"is_revoked": True}),
        ({}, {"rule_id": "1", "revision": 2}),
    ],
    ids=["tenant", "account", "provider", "validity", "aliases", "patterns", "revoked", "itself"],
)
def test_rules_that_are_for_other_calls_do_not_overlap(
    one: Mapping[str, Any], other: Mapping[str, Any]
) -> None:
    first, second = rule(**{"rule_id": "1", **one}), rule(**{"rule_id": "2", **other})
    assert overlapping(first, [second]) == []


def test_the_last_revision_of_a_rule_counts_in_whatever_order_they_come() -> None:
    old, new = rule(), rule(revision=2, model="o3")
    theirs = rule(tenant="theirs", revision=3)
    for revisions in ([old, new, theirs], [theirs, new, old]):
        assert set(map(str, current(revisions))) == {"r@2", "r@3"}
        rules = Rules.of(revisions)
        assert rules.override(ACME, "", "", ["gpt-4o"], "", 0) is None
        assert rules.override(ACME, "", "", ["o3"], "", 0) is new


def test_of_two_revisions_of_one_number_the_later_counts() -> None:
    earlier, later = rule(revision=2, created_at_ns=1), rule(revision=2, created_at_ns=2, model="o3")
    for revisions in ([earlier, later], [later, earlier]):
        assert current(revisions) == (later,)


def test_a_revoked_rule_is_not_in_force() -> None:
    rules = Rules.of([rule(), rule(revision=2, is_revoked=True)])
    assert rules.empty
    assert len(rules) == 0
    assert rules.override(ACME, "", "", ["gpt-4o"], "", 0) is None


def test_of_two_names_that_a_rule_has_the_model_that_answered_comes_first() -> None:
    asked, answered = rule(rule_id="asked", model="my-gpt"), rule(rule_id="answered", model="gpt-4o")
    assert Rules.of([asked, answered]).override(ACME, "", "", ["gpt-4o", "my-gpt"], "", 0) is answered


# What it makes of the cost.


def test_without_a_rule_the_list_price_is_billed() -> None:
    assert costs([]) == (Decimal("12.5"), Decimal("12.5"), "")


def test_a_multiplier_changes_what_is_billed_and_not_the_list_cost() -> None:
    assert costs([times("1.2")]) == (Decimal("12.5"), Decimal(15), "")
    assert costs([times("0.85")]) == (Decimal("12.5"), Decimal("10.625"), "")


def test_a_multiplied_price_of_one_token_is_rounded_once_so_that_each_token_costs_the_same() -> None:
    third = times("0.333333")
    one, many = priced([third], {"input_tokens": 1, "output_tokens": 0}, {"output_tokens": 0})
    assert one["billed_cost"] == Decimal("0.000000833332500000")
    assert many["billed_cost"] == one["billed_cost"] * MILLION
    tiny = rule(kind=Kind.PRICES, prices={"input_mtok": Decimal("0.000000000001")})
    row, *_ = priced([tiny], {"input_tokens": 7, "output_tokens": 0})
    assert row["billed_cost"] == Decimal("0.000000000000000007")


def test_a_multiplier_holds_in_every_tier_of_a_price() -> None:
    sonnet = {"provider": "anthropic", "response_model": "claude-sonnet-4-5", "output_tokens": 10}
    twice = times("2", model="claude-*")
    for tokens in (200_000, 200_001):
        (row,) = priced([twice], sonnet | {"input_tokens": tokens})
        assert row["billed_cost"] == 2 * row["list_cost"]


def test_a_price_multiplied_beyond_all_reason_is_unknown_and_stops_no_other_call() -> None:
    sonar = {"provider": "perplexity", "response_model": "sonar"}
    dear, usual = priced([times("1000", model="sonar")], sonar, {})
    assert (dear["billed_cost"], dear["unpriced_reason"]) == (None, "no_price")
    assert usual["billed_cost"] == Decimal("12.5")


def test_prices_of_ones_own_are_billed_and_the_list_cost_stays() -> None:
    own = rule(kind=Kind.PRICES, prices={"input_mtok": Decimal("2.1"), "output_mtok": Decimal("8.35")})
    assert costs([own]) == (Decimal("12.5"), Decimal("10.45"), "")
    (row,) = priced([own], {})
    assert row["unit_prices"] != row["billed_unit_prices"] == '{"input_mtok":"2.1","output_mtok":"8.35"}'
    assert row["price_rule"] == "r@1"


def test_prices_of_ones_own_are_all_there_are() -> None:
    own = rule(kind=Kind.PRICES, prices={"input_mtok": Decimal(1)})
    (row,) = priced([own], {})
    assert (row["billed_cost"], row["unpriced_reason"]) == (None, "unpriced_units")
    assert row["unpriced_units"] == "output_tokens"


def test_a_price_heals_a_model_that_no_source_knows_and_its_list_cost_is_unknown() -> None:
    ours = rule(model="our-*", kind=Kind.PRICES, prices=ONE)
    assert costs([ours], response_model="our-llm", provider="vllm") == (None, Decimal(2), "")


def test_a_free_model_costs_nothing_and_has_its_list_cost() -> None:
    assert costs([rule()]) == (Decimal("12.5"), Decimal(0), "")
    assert costs([rule(model="llama*")], response_model="llama-of-ours", provider="vllm") == (
        None,
        Decimal(0),
        "",
    )


@pytest.mark.parametrize(
    ("told", "billed"),
    [
        ('{"gen_ai.usage.cost": 0.25}', Decimal("0.25")),
        ("", Decimal("12.5")),
    ],
    ids=["told", "not told"],
)
def test_the_cost_that_the_emitter_reports_is_billed_where_it_does(told: str, billed: Decimal) -> None:
    assert costs([rule(kind=Kind.REPORTED)], other_usage=told) == (Decimal("12.5"), billed, "")
    assert costs([], other_usage=told) == (Decimal("12.5"), Decimal("12.5"), "")


def test_an_alias_is_the_price_of_its_model_on_the_list_and_on_the_bill() -> None:
    ours = alias("openai/gpt-4o", model="our-chat", provider="azure")
    call = {"provider": "azure", "response_model": "our-chat"}
    assert costs([], **call) == (None, None, "unknown_model")
    assert costs([ours], **call) == (Decimal("12.5"), Decimal("12.5"), "")
    (row,) = priced([ours], call)
    assert (row["model_id"], row["price_key"]) == ("gpt-4o", "openai/gpt-4o")
    assert row["match_rule"].startswith("alias alias@1")
    assert row["provider"] == "azure"


def test_an_alias_without_a_provider_keeps_that_of_the_call() -> None:
    (row,) = priced([alias("gpt-4o", model="our-chat")], {"provider": "azure", "response_model": "our-chat"})
    assert row["price_key"] == "azure/gpt-4o"


def test_an_alias_may_be_of_the_name_that_was_asked_for() -> None:
    call = {"provider": "azure", "response_model": "", "request_model": "our-chat"}
    assert costs([alias("gpt-4o", model="our-chat")], **call)[1] == Decimal("12.5")


def test_an_alias_to_what_the_book_has_not_leaves_the_call_unpriced() -> None:
    assert costs([alias("openai/gpt-99")]) == (None, None, "unknown_model")


def test_a_rule_for_the_model_of_an_alias_applies_and_one_for_its_own_name_is_as_good() -> None:
    ours = alias("openai/gpt-4o", model="our-chat")
    call = {"provider": "azure", "response_model": "our-chat"}
    assert costs([ours, times("2")], **call) == (Decimal("12.5"), Decimal(25), "")
    assert costs([ours, times("2", model="our-*")], **call) == (Decimal("12.5"), Decimal(25), "")


def test_a_rule_may_name_the_model_as_the_book_does() -> None:
    (row,) = priced([times("2", model="gpt-4o")], {"response_model": "gpt-4o-2024-08-06"})
    assert (row["model_id"], row["price_rule"]) == ("gpt-4o", "times@1")
    assert row["billed_cost"] == 2 * row["list_cost"]


def test_a_rule_holds_from_its_begin_up_to_its_end() -> None:
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    noon_ns = int(noon.timestamp()) * 10**9
    half = times("0.5", valid_from_ns=noon_ns, valid_to_ns=noon_ns + 3_600 * 10**9)
    starts = [noon_ns - 1, noon_ns, noon_ns + 3_600 * 10**9 - 1, noon_ns + 3_600 * 10**9]
    rows = priced([half], *({"started_at": start} for start in starts))
    assert [row["billed_cost"] for row in rows] == list(map(Decimal, ("12.5", "6.25", "6.25", "12.5")))
    assert [row["price_rule"] for row in rows] == ["", "times@1", "times@1", ""]


def test_a_price_that_changes_is_two_rules_one_after_the_other() -> None:
    then = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 10**9
    old, new = times("2", valid_to_ns=then), times("3", rule_id="new", valid_from_ns=then)
    assert overlapping(new, [old]) == []
    rows = priced([old, new], {"started_at": then - 1}, {"started_at": then})
    assert [row["billed_cost"] for row in rows] == [Decimal(25), Decimal("37.5")]


def test_a_rule_for_an_account_tier_or_provider_is_for_no_other() -> None:
    rules = [
        times("2", rule_id="account", account_id="a"),
        times("3", rule_id="tier", service_tier="priority"),
        times("4", rule_id="provider", provider="azure"),
    ]
    calls: Sequence[Row] = [
        {"account_id": "a"},
        {"account_id": "b"},
        {"account_id": "b", "service_tier": "priority"},
        {"account_id": "b", "provider": "azure"},
        {"account_id": "a", "provider": "azure", "service_tier": "priority"},
        {"account_id": ""},
    ]
    told = [row["price_rule"] for row in priced(rules, *calls)]
    assert told == ["account@1", "", "tier@1", "provider@1", "account@1", ""]


def test_nobody_pays_by_the_rules_of_another_tenant() -> None:
    rules = [
        times("2"),
        times("3", tenant="theirs"),
        alias("gpt-4o", tenant="theirs", model="our-chat"),
        times("5", tenant="theirs", rule_id="b", account_id="a"),
    ]
    rows = priced(
        rules,
        {},
        {"tenant": "theirs", "account_id": "z"},
        {"tenant": "theirs"},
        {"tenant": "nobody"},
        {"response_model": "our-chat"},
    )
    assert [row["billed_cost"] for row in rows] == [
        25,
        Decimal("37.5"),
        Decimal("62.5"),
        Decimal("12.5"),
        None,
    ]


def test_what_has_no_cost_for_another_reason_gets_none_from_a_rule() -> None:
    assert costs([times("2")], usage_status="missing", input_tokens=None, output_tokens=None) == (
        None,
        None,
        "usage_missing",
    )
    assert costs([times("2")], role="rollup") == (None, None, "rollup")
    assert costs([times("2")], response_model="no-such-model") == (None, None, "unknown_model")


def test_the_lines_of_the_old_and_the_new_revision_are_told_apart_on_the_row() -> None:
    first = times("2")
    again = replace(first, revision=2, multiplier=Decimal(3))
    (row,) = priced([first, again], {})
    assert (row["billed_cost"], row["price_rule"]) == (Decimal("37.5"), "times@2")
