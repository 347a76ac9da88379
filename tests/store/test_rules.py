"""Price rules in the store: what was written is what is read, of whoever asks."""

from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_usage.model import Permanent
from otel_usage.pricing import rate
from otel_usage.pricing.rule_faults import faults
from otel_usage.pricing.rules import OPEN_END_NS, Kind, Rule
from otel_usage.store import Store
from otel_usage.store.rules import insert_rules, list_rules, read_rules, rule_history, rules_changed

pytestmark = pytest.mark.anyio

_MS: Final = 10**6

ALIAS: Final = Rule(
    rule_id="a",
    tenant="acme",
    model="arn:aws:bedrock:*:profile/x",
    provider="aws.bedrock",
    kind=Kind.ALIAS,
    to_provider="aws",
    to_model="anthropic.claude-sonnet-4-5",
    author="finn",
    reason='it\'s the profile of "März" \\ 100 %',
    created_at_ns=1_795_500_000_123 * _MS,
)
PRICES: Final = Rule(
    rule_id="b",
    revision=7,
    tenant="acme",
    account_id="acc 1",
    model="gpt-4o",
    service_tier="flex",
    valid_from_ns=1,
    valid_to_ns=OPEN_END_NS - 1,
    kind=Kind.PRICES,
    prices={"input_mtok": Decimal("2.500000000001"), "output_mtok": Decimal("1E+1")},
    reason="r",
)
TIMES: Final = Rule(
    rule_id="c", tenant="acme", model="*", kind=Kind.MULTIPLIER, multiplier=Decimal("1.20"), reason="r"
)
FREE: Final = Rule(rule_id="d", tenant="acme", model="llama*", kind=Kind.FREE, is_revoked=True, reason="r")
REPORTED: Final = Rule(rule_id="e", tenant="acme", model="x", kind=Kind.REPORTED, reason="r")


async def test_every_kind_of_rule_is_read_as_it_was_written(any_store: Store) -> None:
    written = [ALIAS, PRICES, TIMES, FREE, REPORTED]
    insert_rules(any_store, written)
    assert await any_store.query(list_rules("acme")) == written


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prices=st.dictionaries(
        st.sampled_from(sorted(rate.price_keys())), st.decimals(0, 1, places=12), min_size=1, max_size=4
    ),
    begin=st.integers(0, OPEN_END_NS - 1),
    reason=st.text(st.characters(categories=["L", "P", "N", "S"]), min_size=1, max_size=20),
)
async def test_whatever_may_be_written_is_read_to_the_digit(
    store: Store, prices: dict[str, Decimal], begin: int, reason: str
) -> None:
    rule = replace(PRICES, prices=prices, valid_from_ns=begin, valid_to_ns=OPEN_END_NS, reason=reason)
    if faults(rule):
        return
    insert_rules(store, [rule])
    assert await store.query(rule_history("acme", "b")) == [rule]


async def test_a_tenant_reads_its_own_rules_only_and_the_pricer_reads_all(any_store: Store) -> None:
    theirs = replace(TIMES, tenant="theirs")
    insert_rules(any_store, [TIMES, theirs])
    assert await any_store.query(list_rules("acme")) == [TIMES]
    assert await any_store.query(list_rules("theirs")) == [theirs]
    assert await any_store.query(list_rules("' OR 1")) == []
    assert await any_store.query(rule_history("theirs", "c")) == [theirs]
    assert await any_store.query(read_rules()) == [TIMES, theirs]


async def test_the_history_of_a_rule_has_each_revision_in_order(any_store: Store) -> None:
    second = replace(TIMES, revision=2, multiplier=Decimal(3), author="eva", reason="later")
    insert_rules(any_store, [second])
    insert_rules(any_store, [TIMES, FREE])
    assert await any_store.query(rule_history("acme", "c")) == [TIMES, second]
    assert await any_store.query(rule_history("acme", "none")) == []


async def test_a_revision_that_is_written_twice_is_one(any_store: Store) -> None:
    insert_rules(any_store, [TIMES])
    insert_rules(any_store, [TIMES])
    assert await any_store.query(list_rules("acme")) == [TIMES]


async def test_of_two_processes_that_change_a_rule_at_once_neither_is_lost(any_store: Store) -> None:
    one, other = TIMES, replace(TIMES, created_at_ns=TIMES.created_at_ns + 10**6, reason="other")
    for each in (one, other):
        insert_rules(any_store, [each])
    assert list(await any_store.query(rule_history(one.tenant, one.rule_id))) == [one, other]


async def test_that_something_changed_is_seen(any_store: Store) -> None:
    (before,) = await any_store.query(rules_changed())
    assert (before.revisions, before.at_ms) == (0, 0)
    insert_rules(any_store, [ALIAS])
    (after,) = await any_store.query(rules_changed())
    assert (after.revisions, after.at_ms) == (1, 1_795_500_000_123)
    insert_rules(any_store, [replace(ALIAS, revision=2)])
    (later,) = await any_store.query(rules_changed())
    assert later != after


@pytest.mark.parametrize(
    ("kind", "effect"), [("discount", "{}"), ("multiplier", "{}"), ("multiplier", "2"), ("prices", "[")]
)
async def test_a_rule_that_cannot_be_read_is_not_passed_over(
    store: Store, chdb_client: Client, database: str, kind: str, effect: str
) -> None:
    columns = "rule_id, revision, tenant, model, kind, effect"
    row = f"'z', 3, 'acme', '*', '{kind}', '{effect}'"
    chdb_client.command(f"INSERT INTO {database}.price_rules ({columns}) VALUES ({row})")  # noqa: S608 (ours)
    with pytest.raises(Permanent, match="price rule z@3 of tenant acme"):
        await store.query(read_rules())
