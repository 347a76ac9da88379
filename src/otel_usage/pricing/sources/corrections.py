"""Our own corrections: what genai-prices has wrong, with the evidence. They come before all other sources.

Each names the upstream model that it corrects, and the hash of its prices, or none if upstream lacks the
model. When upstream changes that the correction has expired: it is dropped and listed, to be looked at again.
"""

import hashlib
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from otel_usage.model import Permanent
from otel_usage.pricing.sources import names
from otel_usage.pricing.sources.form import DEAREST, Dropped, Json, Source, canonical, decimal, faults, one_of
from otel_usage.pricing.sources.limits import Limits

NAME: Final = "corrections"
FILE: Final = "corrections.toml"

_CONDITIONS: Final = ("from", "at", "when")


@dataclass(frozen=True, slots=True)
class Upstream:
    """The model that a correction corrects, and the hash of the prices that it had then.

    None: it had no such model, which is what is corrected.
    """

    source: str
    provider: str
    model: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """The prices of a model, instead of upstream's."""

    provider: str
    model: Json
    """In canonical form."""
    upstream: Upstream
    why: str
    evidence: Sequence[str]
    dated: date


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrections file."""

    version: str
    corrections: Sequence[Correction]
    limits: Limits


def bundled() -> bytes:
    """The corrections that come with this version."""
    return resources.files("otel_usage.pricing").joinpath("data", FILE).read_bytes()


def read(body: bytes) -> Corrections:
    """The corrections of a file. Raises Permanent, with the place, if it is none."""
    try:
        document = tomllib.loads(body.decode(), parse_float=Decimal)
        version = str(document["version"])
    except (ValueError, KeyError) as error:
        raise Permanent(f"The corrections cannot be read: {error}.") from error
    limits = _limits(document.get("dear", ()))
    read = []
    for number, each in enumerate(document.get("correction", ()), start=1):
        try:
            read.append(_correction(each))
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise Permanent(f"Correction {number} cannot be read: {error!r}.") from error
        if wrong := faults(read[-1].model, limits.of(read[-1].model["id"])):
            raise Permanent(f"Correction {number}, of {read[-1].model['id']}: {wrong[0]}.")
    return Corrections(version, read, limits)


def source(corrections: Corrections, upstream: Iterable[Source]) -> Source:
    """The source of the corrections that have not expired. `upstream`: the sources that they correct."""
    known = {
        (each.document["name"], provider["id"], model["id"]): fingerprint(model)
        for each in reversed([*upstream])
        for provider in each.document["providers"]
        for model in provider["models"]
    }
    models: dict[str, list[Json]] = defaultdict(list)
    dropped = []
    for each in corrections.corrections:
        there = each.upstream
        found = known.get((there.source, there.provider, there.model))
        if found == there.sha256:
            models[each.provider].append(each.model)
            continue
        reason = "expired: upstream has no such model"
        if found:
            reason = f"expired: upstream has {'other prices' if there.sha256 else 'it by now'}"
        place = f"{there.source}: {there.provider}/{there.model} is {found or 'gone'}"
        told = f"{NAME}@{corrections.version}"
        dropped.append(Dropped(told, each.provider, each.model["id"], f"{reason} ({place})"))
    providers = [
        {"id": provider, "provider_match": one_of(names.every_name(provider)), "models": models[provider]}
        for provider in sorted(models)
    ]
    return Source({"name": NAME, "version": corrections.version, "providers": providers}, dropped)


def fingerprint(model: Json) -> str:
    """The hash of all prices of a model, in hex."""
    priced = {key: model[key] for key in ("prices", "price_variants") if key in model}
    return hashlib.sha256(canonical(priced)).hexdigest()


def _limits(dear: Iterable[Json]) -> Limits:
    try:
        return Limits(
            {name.lower(): max(DEAREST, Decimal(each["at_most"])) for each in dear for name in each["models"]}
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise Permanent(f"What is allowed to be dear cannot be read: {error!r}.") from error


def _correction(each: Json) -> Correction:
    if not each["why"] or not each["evidence"]:
        raise ValueError("it says not why, or has no evidence")
    standard = [_entry(entry) for entry in each["prices"] if "when" not in entry]
    variants = [_entry(entry) for entry in each["prices"] if "when" in entry]
    plain = len(standard) == 1 and "constraint" not in standard[0]
    model = {
        "id": each["model"],
        "match": one_of(each["names"]),
        "prices": standard[0]["prices"] if plain else standard,
    }
    return Correction(
        provider=each["provider"],
        model=model | ({"price_variants": variants} if variants else {}),
        upstream=Upstream(**each["upstream"]),
        why=each["why"],
        evidence=tuple(each["evidence"]),
        dated=each["dated"],
    )


def _entry(entry: Json) -> dict[str, Any]:
    """Prices and when they hold: `from` a date, `at` hours of the day (UTC), `when` in a context."""
    result: dict[str, Any] = {
        "prices": {key: _price(value) for key, value in entry.items() if key not in _CONDITIONS}
    }
    if "from" in entry:
        result["constraint"] = {"start_date": entry["from"].isoformat()}
    if "at" in entry:
        start, end = entry["at"]
        result["constraint"] = {"start_time": f"{start}:00+00:00", "end_time": f"{end}:00+00:00"}
    if "when" in entry:
        result["when"] = entry["when"]
    return result


def _price(value: Any) -> str | Json:  # noqa: ANN401 (a number, or an object of tiers, of TOML)
    if not isinstance(value, Mapping):
        return decimal(Decimal(value))
    tiers = [{"start": tier["above"], "price": _price(tier["price"])} for tier in value["tiers"]]
    return {"base": _price(value["base"]), "tiers": tiers}
