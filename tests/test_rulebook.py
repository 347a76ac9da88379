"""The rulebook: what is refused, what is kept, and what becomes of two who write at once."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import anyio
import pytest

from otel_usage.config import Settings
from otel_usage.pricing.rules import Kind, Rule, Rules
from otel_usage.rulebook import FaultyRule, Rulebook, RuleConflict, UnknownRule
from otel_usage.store import Store
from otel_usage.store.rules import insert_rules, list_rules

pytestmark = pytest.mark.anyio

ACME: Final = "acme"
EARLIER: Final = 10**6
LATER: Final = 4_000_000_000 * 10**9


def rule(**fields: Any) -> Rule:  # noqa: ANN401 (of Rule)
    usual = {"rule_id": "", "tenant": ACME, "model": "gpt-4o", "kind": Kind.FREE, "reason": "ours"}
    return Rule(**{**usual, **fields})


@pytest.fixture
def rulebook(store: Store) -> Rulebook:
    return Rulebook(store)


async def test_a_rule_that_is_added_is_there_with_an_id_and_a_time(rulebook: Rulebook) -> None:
    before_ms = time.time_ns() // 10**6
    added = await rulebook.add(rule(author="finn"))
    assert added.rule_id.startswith("rule_")
    assert before_ms <= added.created_at_ns // 10**6 <= time.time_ns() // 10**6
    assert added == rule(author="finn", rule_id=added.rule_id, created_at_ns=added.created_at_ns)
    assert await rulebook.list(ACME) == (added,)


async def test_every_revision_is_kept_with_who_and_why(rulebook: Rulebook) -> None:
    times = {"kind": Kind.MULTIPLIER, "multiplier": Decimal("1.1")}
    first = await rulebook.add(rule(author="finn", reason="the first contract", **times))
    second = await rulebook.change(
        ACME, first.rule_id, multiplier=Decimal("1.2"), author="eva", reason="the second contract"
    )
    third = await rulebook.revoke(ACME, first.rule_id, "kim", "no contract")
    history = await rulebook.history(ACME, first.rule_id)
    assert history == [first, second, third]
    assert [(each.revision, each.author, each.reason, each.is_revoked) for each in history] == [
        (1, "finn", "the first contract", False),
        (2, "eva", "the second contract", False),
        (3, "kim", "no contract", True),
    ]
    assert [each.multiplier for each in history] == list(map(Decimal, ("1.1", "1.2", "1.2")))
    assert await rulebook.list(ACME) == (third,)


async def test_what_overlaps_is_refused_and_not_written(rulebook: Rulebook) -> None:
    first = await rulebook.add(rule(model="gpt-*"))
    with pytest.raises(RuleConflict, match=f"The rule {first.rule_id}") as refused:
        await rulebook.add(rule(model="*pt-4", kind=Kind.REPORTED))
    assert refused.value.field == "model"
    assert await rulebook.list(ACME) == (first,)


async def test_what_is_more_specific_or_for_others_is_taken(rulebook: Rulebook) -> None:
    for fields in (
        {},
        {"model": "gpt-*"},
        {"account_id": "a"},
        {"provider": "openai"},
        {"service_tier": "flex"},
        {"kind": Kind.ALIAS, "to_model": "gpt-4.1"},
        {"tenant": "theirs"},
    ):
        await rulebook.add(rule(**fields))
    assert len(await rulebook.list(ACME)) == 6


async def test_a_change_may_not_overlap_with_another_rule_and_may_with_itself(rulebook: Rulebook) -> None:
    first, second = await rulebook.add(rule()), await rulebook.add(rule(model="o3"))
    assert (await rulebook.change(ACME, first.rule_id, kind=Kind.REPORTED)).revision == 2
    with pytest.raises(RuleConflict):
        await rulebook.change(ACME, second.rule_id, model="gpt-4o")
    assert await rulebook.history(ACME, second.rule_id) == [second]


async def test_a_revoked_rule_makes_room_and_is_not_changed_any_more(rulebook: Rulebook) -> None:
    first = await rulebook.add(rule())
    revoked = await rulebook.revoke(ACME, first.rule_id, "", "wrong")
    assert await rulebook.revoke(ACME, first.rule_id, "", "again") == revoked
    with pytest.raises(RuleConflict, match="is revoked"):
        await rulebook.change(ACME, first.rule_id, model="o3")
    second = await rulebook.add(rule())
    assert Rules.of(await rulebook.list(ACME)).rules == (second,)


async def test_faults_are_told_all_at_once_and_nothing_is_written(rulebook: Rulebook) -> None:
    with pytest.raises(FaultyRule) as refused:
        await rulebook.add(rule(model="", reason=""))
    assert [fault.field for fault in refused.value.faults] == ["model", "reason"]
    assert await rulebook.list(ACME) == ()
    added = await rulebook.add(rule())
    with pytest.raises(FaultyRule, match="valid_to_ns"):
        await rulebook.change(ACME, added.rule_id, valid_to_ns=0)
    with pytest.raises(FaultyRule, match="reason: is required"):
        await rulebook.revoke(ACME, added.rule_id, "kim", "")
    assert await rulebook.list(ACME) == (added,)


async def test_a_rule_that_is_not_there_is_unknown_also_if_another_tenant_has_it(rulebook: Rulebook) -> None:
    theirs = await rulebook.add(rule(tenant="theirs"))
    asked: Sequence[Callable[[], Any]] = (
        lambda: rulebook.history(ACME, theirs.rule_id),
        lambda: rulebook.change(ACME, theirs.rule_id, model="o3"),
        lambda: rulebook.revoke(ACME, theirs.rule_id, "", "mine"),
        lambda: rulebook.history(ACME, "none"),
    )
    for ask in asked:
        with pytest.raises(UnknownRule):
            await ask()
    assert await rulebook.list(ACME) == ()
    assert await rulebook.history("theirs", theirs.rule_id) == [theirs]


async def test_an_id_is_of_one_rule_of_a_tenant(rulebook: Rulebook) -> None:
    await rulebook.add(rule(rule_id="mine"))
    await rulebook.add(rule(rule_id="mine", tenant="theirs"))
    with pytest.raises(RuleConflict, match="already"):
        await rulebook.add(rule(rule_id="mine", model="o3"))


# Writers that do not know of each other.


class Slow(Store):
    """A store in which others write before a rule is written: after it was found to overlap with none."""

    others: Sequence[Rule] = ()

    def append(self, table: str, rows: Any) -> None:  # noqa: ANN401 (a table)
        others, self.others = self.others, ()
        if others:
            insert_rules(self, others)
        super().append(table, rows)


@pytest.fixture
async def slow(dsn: str) -> AsyncIterator[Slow]:
    with Slow.open(Settings(dsn=dsn)) as store:
        yield store


async def _in_force(store: Store) -> Sequence[Rule]:
    return Rules.of(await store.query(list_rules(ACME))).rules


async def test_of_two_who_write_at_once_one_stays(dsn: str) -> None:
    refused = []

    async def write(store: Store, kind: Kind) -> None:
        try:
            await Rulebook(store).add(rule(kind=kind))
        except RuleConflict:
            refused.append(kind)

    with Store.open(Settings(dsn=dsn)) as one, Store.open(Settings(dsn=dsn)) as other:
        for round_ in range(1, 6):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(write, one, Kind.FREE)
                tasks.start_soon(write, other, Kind.REPORTED)
            assert len(refused) == round_
            (left,) = await _in_force(one)
            await Rulebook(one).revoke(ACME, left.rule_id, "", "again")


async def test_of_many_who_write_through_one_rulebook_at_once_one_stays(rulebook: Rulebook) -> None:
    refused = []

    async def write() -> None:
        try:
            await rulebook.add(rule())
        except RuleConflict:
            refused.append(1)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(write)
    assert (len(refused), len(await rulebook.list(ACME))) == (4, 1)


async def test_a_rule_gives_way_to_one_that_was_written_before_it(slow: Slow) -> None:
    before = rule(rule_id="before", created_at_ns=EARLIER)
    slow.others = [before]
    with pytest.raises(RuleConflict, match="The rule before"):
        await Rulebook(slow).add(rule(author="finn"))
    assert await _in_force(slow) == (before,)
    (ours,) = [each for each in await slow.query(list_rules(ACME)) if each.is_revoked]
    assert (ours.revision, ours.author) == (2, "finn")
    assert ours.reason.startswith("Taken back. The rule before")


async def test_a_rule_gives_way_to_a_later_one_that_stays(slow: Slow) -> None:
    later = rule(rule_id="later", created_at_ns=LATER)
    slow.others = [later]
    with pytest.raises(RuleConflict, match="The rule later"):
        await Rulebook(slow, patience=0.1).add(rule())
    assert await _in_force(slow) == (later,)


async def test_a_rule_stays_if_a_later_one_gives_way(slow: Slow) -> None:
    later = rule(rule_id="later", created_at_ns=LATER)
    slow.others = [later]

    async def give_way() -> None:
        await anyio.sleep(0.2)
        insert_rules(slow, [replace(later, revision=2, is_revoked=True)])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(give_way)
        added = await Rulebook(slow).add(rule())
    assert await _in_force(slow) == (added,)


async def test_a_change_that_is_taken_back_leaves_what_was_there(slow: Slow) -> None:
    rulebook = Rulebook(slow)
    first = await rulebook.add(rule(model="o3", author="finn"))
    slow.others = [rule(rule_id="other", created_at_ns=EARLIER)]
    with pytest.raises(RuleConflict):
        await rulebook.change(ACME, first.rule_id, model="gpt-4o", author="eva")
    history = await rulebook.history(ACME, first.rule_id)
    assert [(each.model, each.author) for each in history] == [
        ("o3", "finn"),
        ("gpt-4o", "eva"),
        ("o3", "eva"),
    ]
    assert len(await _in_force(slow)) == 2


async def test_a_change_that_is_taken_back_is_revoked_where_its_place_was_taken_too(slow: Slow) -> None:
    rulebook = Rulebook(slow)
    first = await rulebook.add(rule(model="o3"))
    slow.others = [
        rule(rule_id="other", created_at_ns=EARLIER),
        rule(rule_id="taken", model="o3", created_at_ns=EARLIER),
    ]
    with pytest.raises(RuleConflict):
        await rulebook.change(ACME, first.rule_id, model="gpt-4o")
    assert {each.rule_id for each in await _in_force(slow)} == {"other", "taken"}
