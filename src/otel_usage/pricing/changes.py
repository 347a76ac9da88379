"""The difference of two price books: which models came, which went, and which prices moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from otel_usage.pricing.document import Entry, entries
from otel_usage.pricing.sources.form import Json, stated


class ChangeKind(StrEnum):
    """What became of a model."""

    ADDED = "added"
    REMOVED = "removed"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. A model that is added or removed is one change; else each price of it is."""

    kind: ChangeKind
    source: str
    provider: str
    model: str
    price_key: str = ""
    """The price, and where it stands: `input_mtok`, `input_mtok > 200000`, `input_mtok from 2025-06-10`."""
    old: str = ""
    """Decimal text; empty: there was none."""
    new: str = ""


class _Place(NamedTuple):
    source: str
    provider: str
    model: str


def changes(old: Json, new: Json) -> Sequence[Change]:
    """What is different in `new`. A source is compared with that of its name, whatever its version."""
    before, after = _models(old), _models(new)
    result = []
    for place in sorted(before.keys() | after.keys()):
        if place not in before:
            result.append(Change(ChangeKind.ADDED, *place))
        elif place not in after:
            result.append(Change(ChangeKind.REMOVED, *place))
        else:
            result += _moved(place, before[place].model, after[place].model)
    return result


def _moved(place: _Place, old: Json, new: Json) -> Sequence[Change]:
    before, after = stated(old), stated(new)
    return [
        Change(ChangeKind.PRICE, *place, key, before.get(key, ""), after.get(key, ""))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _models(document: Json) -> Mapping[_Place, Entry]:
    """The models by place. Where a source stands twice, a model of its first version counts."""
    result: dict[_Place, Entry] = {}
    for entry in entries(document):
        result.setdefault(_Place(entry.source, entry.provider, entry.model["id"]), entry)
    return result
