"""The table price_rules: its statements, and rules as its rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from string import Template
from typing import Any, Final

import pyarrow as pa

from otel_usage.model import TIMESTAMP, Permanent
from otel_usage.pricing import rate
from otel_usage.pricing.rules import Kind, Rule
from otel_usage.store.queries import Statement
from otel_usage.store.store import Store

TABLE: Final = "price_rules"

_NS_PER_MS: Final = 1_000_000
_SCHEMA: Final = pa.schema(
    [
        pa.field("rule_id", pa.string()),
        pa.field("revision", pa.uint32()),
        pa.field("is_revoked", pa.uint8()),
        pa.field("tenant", pa.string()),
        pa.field("account_id", pa.string()),
        pa.field("provider", pa.string()),
        pa.field("model", pa.string()),
        pa.field("service_tier", pa.string()),
        pa.field("valid_from", TIMESTAMP),
        pa.field("valid_to", TIMESTAMP),
        pa.field("kind", pa.string()),
        pa.field("effect", pa.string()),
        pa.field("author", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("created_at", pa.timestamp("ms", "UTC")),
    ]
)
_READ: Final = Template("""\
SELECT
    rule_id, revision, is_revoked, tenant, account_id, provider, model, service_tier,
    toUnixTimestamp64Nano(valid_from), toUnixTimestamp64Nano(valid_to), kind, effect, author, reason,
    toUnixTimestamp64Milli(created_at)
FROM price_rules FINAL
WHERE $conditions
ORDER BY tenant, rule_id, revision, created_at""")
_CHANGED: Final = """\
SELECT count(), max(toUnixTimestamp64Milli(created_at)), sum(cityHash64(account_id))
FROM price_rules"""


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """How many revisions there are, and when the last was written: it differs if any rule was changed."""

    revisions: int
    at_ms: int
    accounts: int
    """Depends on the accounts that they name: one may be erased."""


def read_rules() -> Statement[Rule]:
    """All revisions of all rules, of every tenant: what the pricer prices with."""
    return _read("read_rules", "{all:UInt8}", all=1)


def list_rules(tenant: str) -> Statement[Rule]:
    """All revisions of all rules of a tenant."""
    return _read("list_rules", "tenant = {tenant:String}", tenant=tenant)


def rule_history(tenant: str, rule_id: str) -> Statement[Rule]:
    """The revisions of a rule, the first one first; none if there is no such rule."""
    conditions = "tenant = {tenant:String} AND rule_id = {rule_id:String}"
    return _read("rule_history", conditions, tenant=tenant, rule_id=rule_id)


def rules_changed() -> Statement[RulesChanged]:
    """Whether anything changed since it was last asked. Cheap: it reads two narrow columns."""
    return Statement("rules_changed", _CHANGED, {}, RulesChanged)


def insert_rules(store: Store, rules: Sequence[Rule]) -> None:
    """Write revisions; return when they are durable. Raises Retryable. Called by one thread at a time."""
    store.append(TABLE, to_table(rules))


def to_table(rules: Sequence[Rule]) -> pa.Table:
    """The rows of these revisions."""
    return pa.Table.from_pylist([_to_row(rule) for rule in rules], schema=_SCHEMA)


def _read(name: str, conditions: str, **parameters: object) -> Statement[Rule]:
    return Statement(name, _READ.substitute(conditions=conditions), parameters, _from_row)


def _to_row(rule: Rule) -> dict[str, Any]:
    return {
        "rule_id": rule.rule_id,
        "revision": rule.revision,
        "is_revoked": int(rule.is_revoked),
        "tenant": rule.tenant,
        "account_id": rule.account_id,
        "provider": rule.provider,
        "model": rule.model,
        "service_tier": rule.service_tier,
        "valid_from": rule.valid_from_ns,
        "valid_to": rule.valid_to_ns,
        "kind": rule.kind.value,
        "effect": _to_effect(rule),
        "author": rule.author,
        "reason": rule.reason,
        "created_at": rule.created_at_ns // _NS_PER_MS,
    }


def _from_row(  # noqa: PLR0913, PLR0917 (the columns of the table)
    rule_id: str,
    revision: int,
    is_revoked: int,
    tenant: str,
    account_id: str,
    provider: str,
    model: str,
    service_tier: str,
    valid_from_ns: int,
    valid_to_ns: int,
    kind: str,
    effect: str,
    author: str,
    reason: str,
    created_at_ms: int,
) -> Rule:
    """Raises Permanent for a rule that this version cannot read: to leave it out would be a wrong price."""
    try:
        return Rule(
            rule_id=rule_id,
            revision=revision,
            is_revoked=bool(is_revoked),
            tenant=tenant,
            account_id=account_id,
            provider=provider,
            model=model,
            service_tier=service_tier,
            valid_from_ns=valid_from_ns,
            valid_to_ns=valid_to_ns,
            kind=Kind(kind),
            **_from_effect(Kind(kind), effect),
            author=author,
            reason=reason,
            created_at_ns=created_at_ms * _NS_PER_MS,
        )
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise Permanent(
            f"The stored price rule {rule_id}@{revision} of tenant {tenant} cannot be read: {error!r}."
        ) from error


def _to_effect(rule: Rule) -> str:
    effect: dict[str, Any] = {}
    match rule.kind:
        case Kind.ALIAS:
            effect = {"to_provider": rule.to_provider, "to_model": rule.to_model}
        case Kind.PRICES:
            effect = {"prices": {key: rate.plain(price) for key, price in sorted(rule.prices.items())}}
        case Kind.MULTIPLIER:
            effect = {"multiplier": rate.plain(rule.multiplier)}
        case Kind.FREE | Kind.REPORTED:
            pass
    return json.dumps(effect, separators=(",", ":"))


def _from_effect(kind: Kind, text: str) -> dict[str, Any]:
    effect = json.loads(text)
    match kind:
        case Kind.ALIAS:
            return {"to_provider": effect["to_provider"], "to_model": effect["to_model"]}
        case Kind.PRICES:
            return {"prices": {key: Decimal(price) for key, price in effect["prices"].items()}}
        case Kind.MULTIPLIER:
            return {"multiplier": Decimal(effect["multiplier"])}
        case Kind.FREE | Kind.REPORTED:
            return {}
