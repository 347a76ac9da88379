"""The rulebook: the price rules of the tenants, read, checked and written, for whoever edits them."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import anyio

from otel_usage.model import Permanent
from otel_usage.pricing.rule_faults import MAX_REASON, RuleFault, faults
from otel_usage.pricing.rules import Rule, current, overlapping
from otel_usage.store import Store
from otel_usage.store.rules import insert_rules, list_rules, rule_history

_ID_BYTES: Final = 6
_PATIENCE: Final = 2.0
"""Seconds to wait for another writer to take its rule back, after which ours is taken back."""
_PAUSE: Final = 0.05


class FaultyRule(Permanent):
    """A rule with faults, all of which are told."""

    def __init__(self, found: Sequence[RuleFault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.detail}" for fault in found), field=found[0].field)
        self.faults = found


class RuleConflict(Permanent):
    """The rule contradicts what is stored."""


class UnknownRule(Permanent):
    """There is no such rule."""


class Rulebook:
    """The rules in a store. Writes of one rulebook are one after the other.

    Rules that overlap are never in force together for longer than a write takes: each writer looks again
    after it wrote. If another process came between, the rule that was written first stays.
    """

    def __init__(self, store: Store, patience: float = _PATIENCE) -> None:
        self._store = store
        self._patience = patience
        self._writing = anyio.Lock()

    async def list(self, tenant: str) -> Sequence[Rule]:
        """The last revision of each rule of a tenant, also of those that are revoked."""
        return current(await self._store.query(list_rules(tenant)))

    async def history(self, tenant: str, rule_id: str) -> Sequence[Rule]:
        """The revisions of a rule, the first one first. Raises UnknownRule."""
        revisions = await self._store.query(rule_history(tenant, rule_id))
        if not revisions:
            raise UnknownRule(f"There is no price rule {rule_id}.", field="rule_id")
        return revisions

    async def check(self, rule: Rule) -> None:
        """Raise FaultyRule or RuleConflict if `rule` cannot be written."""
        if found := faults(rule):
            raise FaultyRule(found)
        others = await self.list(rule.tenant)
        if clashes := overlapping(rule, others):
            raise RuleConflict(_told(clashes[0]), field="model")

    async def add(self, rule: Rule) -> Rule:
        """Write a new rule, as revision 1; it is given an id if it has none. Returns it as written.

        Raises FaultyRule, RuleConflict, Retryable.
        """
        rule_id = rule.rule_id or f"rule_{secrets.token_hex(_ID_BYTES)}"
        rule = replace(rule, rule_id=rule_id, revision=1, is_revoked=False)
        async with self._writing:
            if await self._store.query(rule_history(rule.tenant, rule_id)):
                raise RuleConflict(f"There is a price rule {rule_id} already: change it.", field="rule_id")
            return await self._write(rule, before=None)

    async def change(self, tenant: str, rule_id: str, **changed: Any) -> Rule:  # noqa: ANN401 (fields of Rule)
        """Write a rule anew, as its next revision, with these fields changed. Returns it as written.

        Raises UnknownRule, FaultyRule, RuleConflict (also for a rule that is revoked), Retryable.
        """
        async with self._writing:
            before = (await self.history(tenant, rule_id))[-1]
            if before.is_revoked:
                raise RuleConflict(f"The price rule {rule_id} is revoked: add a new one.", field="rule_id")
            return await self._write(
                replace(before, **changed, tenant=tenant, rule_id=rule_id, revision=before.revision + 1),
                before=before,
            )

    async def revoke(self, tenant: str, rule_id: str, author: str, reason: str) -> Rule:
        """Take a rule out of force, from its begin on; its history stays. Revoked twice, it is revoked.

        Raises UnknownRule, FaultyRule, Retryable.
        """
        async with self._writing:
            before = (await self.history(tenant, rule_id))[-1]
            if before.is_revoked:
                return before
            revoked = replace(
                before, is_revoked=True, revision=before.revision + 1, author=author, reason=reason
            )
            if found := [fault for fault in faults(revoked) if fault.field in {"author", "reason"}]:
                raise FaultyRule(found)
            return await self._insert(revoked)

    async def _write(self, rule: Rule, before: Rule | None) -> Rule:
        """Write a checked revision, and take it back if another process wrote one that overlaps meanwhile."""
        await self.check(rule)
        written = await self._insert(rule)
        if not (clashes := await self._clashes(written)):
            return written
        told = _told(clashes[0])
        undone = replace(written, is_revoked=True)
        if before and not overlapping(before, await self.list(rule.tenant)):
            undone = before
        reason = f"Taken back. {told}"[:MAX_REASON]
        await self._insert(
            replace(undone, revision=written.revision + 1, author=written.author, reason=reason)
        )
        raise RuleConflict(told, field="model")

    async def _clashes(self, written: Rule) -> Sequence[Rule]:
        """The rules that overlap with one that was just written, and that it must give way to.

        Of two writers each may see the other's rule. The later one gives way, and the earlier one waits for
        that: if it stays, it was there before ours could be seen, and ours must go.
        """
        until = anyio.current_time() + self._patience
        while True:
            clashes = overlapping(written, await self.list(written.tenant))
            if not clashes or any(_came_before(other, written) for other in clashes):
                return clashes
            if anyio.current_time() > until:
                return clashes
            await anyio.sleep(_PAUSE)

    async def _insert(self, rule: Rule) -> Rule:
        written = replace(rule, created_at_ns=time.time_ns() // 10**6 * 10**6)
        await anyio.to_thread.run_sync(insert_rules, self._store, [written])
        return written


def _came_before(other: Rule, rule: Rule) -> bool:
    return (other.created_at_ns, other.rule_id) < (rule.created_at_ns, rule.rule_id)


def _told(other: Rule) -> str:
    where = f"model {other.model}" + (f", account {other.account_id}" if other.account_id else "")
    return (
        f"The rule {other.rule_id} ({other.kind}, {where}) holds for the same calls, and neither is more "
        f"specific than the other: change or revoke it, or give the new one another validity."
    )
