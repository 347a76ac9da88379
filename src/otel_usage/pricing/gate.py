"""What must hold before a price book is put in force.

A book with a fault in it is refused. One that moves what is billed is held, until someone has looked at it.
What else is worth knowing is noted.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Final

from otel_usage.pricing.changes import ChangeKind, changes
from otel_usage.pricing.document import Entry, entries, find, in_force, turns
from otel_usage.pricing.document_faults import document_faults
from otel_usage.pricing.sources import corrections, genai, litellm
from otel_usage.pricing.sources.form import Json, differs, faults
from otel_usage.pricing.sources.limits import Limits

LARGEST_MOVE: Final = Decimal("0.25")
"""The part of its price by which a model in use may move without being looked at."""

LARGEST_LOSS: Final = Decimal("0.05")
"""The part of the models that may go: a file that was cut off loses more."""

_COMPARED: Final = ("input_mtok", "output_mtok")
_NOON: Final = time(12, tzinfo=UTC)


class Severity(StrEnum):
    """What a finding means for the book."""

    REFUSE = "refuse"
    """It cannot be put in force."""
    HOLD = "hold"
    """It is put in force when someone approves of it."""
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. Empty fields: it is of no one model."""

    severity: Severity
    message: str
    source: str = ""
    provider: str = ""
    model: str = ""


def gate(
    new: Json,
    old: Json | None,
    used: Collection[tuple[str, str]],
    *,
    today: date | None = None,
    limits: Limits | None = None,
) -> Sequence[Finding]:
    """What stands against putting `new` in force in place of `old`; the worst first.

    `used`: models in use, as provider and model by any of their names. `limits`: how dear a price may be.
    """
    if form := [Finding(Severity.REFUSE, fault) for fault in document_faults(new)]:
        return form
    day = today or datetime.now(UTC).date()
    allowed = limits or corrections.read(corrections.bundled()).limits
    found = [*_price_faults(new, allowed)]
    if old is not None:
        found += _shrunk(old, new)
        for provider, model in sorted(set(used)):
            found += _moves(find(old, provider, model), find(new, provider, model), day)
        found += _unused(old, new, used)
    for provider, model in sorted(set(used)):
        found += _disagreement(find(new, provider, model), day)
    order = list(Severity)
    return sorted(dict.fromkeys(found), key=lambda finding: order.index(finding.severity))


def _price_faults(document: Json, limits: Limits) -> Iterator[Finding]:
    for entry in entries(document):
        for fault in faults(entry.model, limits.of(entry.model["id"])):
            yield _finding(Severity.REFUSE, entry, fault)


def _moves(before: Sequence[Entry], after: Sequence[Entry], today: date) -> Iterator[Finding]:
    """Whether a model in use would be billed otherwise: by its first source that has a price."""
    was, now = _first(before), _first(after)
    if was is None:
        return
    if now is None:
        yield _finding(Severity.HOLD, was, "is in use and has no price any more")
        return
    noon = datetime.combine(today, _NOON)
    old, new = in_force(was.model, noon), in_force(now.model, noon)
    moved = [f"{key} {old[key]} to {new[key]}" for key in old if key in new and _is_large(old[key], new[key])]
    if moved:
        yield _finding(Severity.HOLD, now, f"is in use and moves by more than 25 %: {', '.join(moved)}")
    if restated := _restated(was.model, now.model, today):
        yield _finding(Severity.HOLD, now, f"is in use and has another price for the past: {restated}")


def _restated(old: Json, new: Json, today: date) -> str:
    """Since when, in the past, the prices are not what they were, and these; empty if there is none."""
    for at in turns(today, old, new):
        before, after = in_force(old, at), in_force(new, at)
        other = [
            f"{key} {before.get(key, 'none')} to {after.get(key, 'none')}"
            for key in sorted(before.keys() | after.keys())
            if before.get(key) != after.get(key)
        ]
        if other:
            since = "always" if at.year == 1970 else f"since {at:%Y-%m-%d %H:%M}"  # noqa: PLR2004 (before any)
            return f"{since}, {', '.join(other)}"
    return ""


def _shrunk(old: Json, new: Json) -> Iterator[Finding]:
    """Whether the newest of several files has far fewer models than it had: an older one hides that."""
    before, after = _sizes(old), _sizes(new)
    for name, models in before.items():
        left = after.get(name, models)
        if models - left > LARGEST_LOSS * models:
            yield Finding(Severity.HOLD, f"it has {left} models, and had {models}", name)


def _sizes(document: Json) -> Mapping[str, int]:
    """How many models the first file has of each source that has several."""
    files = [source["name"] for source in document["sources"]]
    result: dict[str, int] = {}
    for source in document["sources"]:
        if files.count(source["name"]) > 1:
            models = sum(len(provider["models"]) for provider in source["providers"])
            result.setdefault(source["name"], models)
    return result


def _unused(old: Json, new: Json, used: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """How much else changed: no row was priced with it."""
    held = {
        (entry.source, entry.provider, entry.model["id"])
        for provider, model in used
        for document in (old, new)
        for entry in find(document, provider, model)
    }
    other = [each for each in changes(old, new) if (each.source, each.provider, each.model) not in held]
    for kind in ChangeKind:
        if models := {(each.source, each.provider, each.model) for each in other if each.kind is kind}:
            what = "have other prices" if kind is ChangeKind.PRICE else f"were {kind}"
            lost = kind is ChangeKind.REMOVED and len(models) > LARGEST_LOSS * sum(1 for _ in entries(old))
            severity = Severity.HOLD if lost else Severity.NOTE
            yield Finding(severity, f"{len(models)} models that are not in use {what}")


def _disagreement(found: Iterable[Entry], today: date) -> Iterator[Finding]:
    """Whether the two large sources have different prices for a model in use."""
    by_source = {
        entry.source: entry for entry in reversed([*found]) if entry.source in {genai.NAME, litellm.NAME}
    }
    if len(by_source) != 2:  # noqa: PLR2004 (both)
        return
    one, other = by_source[genai.NAME], by_source[litellm.NAME]
    noon = datetime.combine(today, _NOON)
    here, there = in_force(one.model, noon), in_force(other.model, noon)
    unequal = [
        f"{key} {here[key]} and {there[key]}"
        for key in _COMPARED
        if key in here and key in there and differs(here[key], there[key])
    ]
    if unequal:
        yield _finding(Severity.NOTE, one, f"{other} disagrees: {', '.join(unequal)}")


def _first(found: Iterable[Entry]) -> Entry | None:
    return next((entry for entry in found if entry.model["prices"] or entry.model.get("free")), None)


def _is_large(old: str, new: str) -> bool:
    before, after = Decimal(old), Decimal(new)
    return abs(after - before) > LARGEST_MOVE * before


def _finding(severity: Severity, entry: Entry, message: str) -> Finding:
    return Finding(severity, message, entry.source, entry.provider, entry.model["id"])
