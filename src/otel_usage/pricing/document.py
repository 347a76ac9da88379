"""A price book's document, asked as it is: which of its models a name means, and what holds at a time."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from otel_usage.pricing.sources.form import Json, stated
from otel_usage.pricing.sources.names import provider_ids

_BEGIN: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the document, and where it stands."""

    source: str
    provider: str
    model: Json

    def __str__(self) -> str:
        """What it is called in messages."""
        return f"{self.source}: {self.provider}/{self.model['id']}"


def entries(document: Json) -> Iterator[Entry]:
    """Every model, in order of precedence."""
    for source in document["sources"]:
        for provider in source["providers"]:
            for model in provider["models"]:
                yield Entry(source["name"], provider["id"], model)


def find(document: Json, provider: str, model: str) -> Sequence[Entry]:
    """The model that a provider, by any of its names, calls so: in each source that has it, in order."""
    found = []
    for source in document["sources"]:
        for each in _providers(source, provider):
            entry = _find(source, each, model.strip().lower())
            if entry is not None:
                found.append(entry)
                break
    return found


def matches(clause: Json, text: str) -> bool:  # noqa: PLR0911 (a clause is one of seven)
    """Whether a clause holds for a text, which is in lower case."""
    ((kind, value),) = clause.items()
    match kind:
        case "or":
            return any(matches(part, text) for part in value)
        case "and":
            return all(matches(part, text) for part in value)
        case "regex":
            return bool(re.search(value, text))
        case "equals":
            return text == str(value).lower()
        case "starts_with":
            return text.startswith(value.lower())
        case "ends_with":
            return text.endswith(value.lower())
        case "contains":
            return value.lower() in text
    raise ValueError(f"{kind} is no kind of clause")


def in_force(model: Json, at: datetime) -> Mapping[str, str]:
    """The prices that hold at a time, by where they stand: as `form.stated` names them, without dates."""
    prices = model["prices"]
    if isinstance(prices, list):
        active = [entry for entry in prices if _active(entry, at)]
        prices = (active[-1] if active else prices[0])["prices"]
    variants = [
        {"when": each["when"], "prices": each["prices"]}
        for each in reversed(model.get("price_variants", ()))
        if _active(each, at)
    ]
    return stated({"prices": prices, "price_variants": variants})


def turns(today: date, *models: Json) -> Sequence[datetime]:
    """When prices of these models can begin to hold, up to today: each date, at each hour of the day."""
    constraints = [
        entry["constraint"]
        for model in models
        for entry in [*_entries(model), *model.get("price_variants", ())]
        if "constraint" in entry
    ]
    dates = {date.fromisoformat(each["start_date"]) for each in constraints if "start_date" in each}
    dates = {_BEGIN, today, *(each for each in dates if each <= today)}
    hours = {time(0)} | {
        time.fromisoformat(each[name]).replace(tzinfo=None)
        for each in constraints
        for name in ("start_time", "end_time")
        if name in each
    }
    return [datetime.combine(day, hour, UTC) for day in sorted(dates) for hour in sorted(hours)]


def _providers(source: Json, name: str) -> Iterator[Json]:
    wanted = [*provider_ids(name), name.strip().lower()]
    for provider in sorted(source["providers"], key=lambda each: _rank(each["id"], wanted)):
        clause = provider.get("provider_match")
        if provider["id"] in wanted or (clause and matches(clause, name.strip().lower())):
            yield provider


def _rank(provider: str, wanted: Sequence[str]) -> int:
    return wanted.index(provider) if provider in wanted else len(wanted)


def _find(source: Json, provider: Json, model: str) -> Entry | None:
    known = {each["id"]: each for each in source["providers"]}
    others = provider.get("fallback_model_providers", ())
    for each in [provider, *(known[other] for other in others if other in known)]:
        for candidate in each["models"]:
            if candidate["id"].lower() == model or matches(candidate["match"], model):
                return Entry(source["name"], each["id"], candidate)
    return None


def _entries(model: Json) -> Sequence[Json]:
    prices = model["prices"]
    return prices if isinstance(prices, list) else [{"prices": prices}]


def _active(entry: Json, at: datetime) -> bool:
    constraint: Mapping[str, Any] | None = entry.get("constraint")
    if constraint is None:
        return True
    if "start_date" in constraint:
        return at.date() >= date.fromisoformat(constraint["start_date"])
    start = time.fromisoformat(constraint["start_time"]).replace(tzinfo=None)
    end = time.fromisoformat(constraint["end_time"]).replace(tzinfo=None)
    now = at.time()
    return start <= now < end if start <= end else now >= start or now < end
