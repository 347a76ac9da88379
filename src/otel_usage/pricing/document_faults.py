"""Whether a document is a price book: its form, not its prices."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from functools import cache
from typing import Any, Final

from otel_usage.pricing import rate
from otel_usage.pricing.sources.form import SCHEMA, schedules

_SOURCE: Final = {"name": str, "version": str, "providers": list}
_PROVIDER: Final = {"id": str, "models": list}
_MODEL: Final = {"id": str, "match": dict, "prices": dict | list}
_TEXTS: Final = ("equals", "starts_with", "ends_with", "contains", "regex")


def document_faults(document: object) -> Sequence[str]:
    """What is wrong with the form of a document; nothing if it is a price book."""
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        return [f"schema is not {SCHEMA}"]
    sources = document.get("sources")
    if not isinstance(sources, list) or not sources:
        return ["sources is no list of some"]
    return [fault for number, source in enumerate(sources) for fault in _source(f"sources[{number}]", source)]


def _source(place: str, source: object) -> Iterator[str]:
    if missing := _lacking(source, _SOURCE):
        yield f"{place}: {missing}"
        return
    assert isinstance(source, Mapping)  # noqa: S101 (for the type checker: _lacking says so)
    for provider in source["providers"]:
        if missing := _lacking(provider, _PROVIDER):
            yield f"{place}: a provider: {missing}"
            continue
        where = f"{source['name']}: {provider['id']}"
        for name in ("provider_match", "model_match"):
            if name in provider:
                yield from (f"{where}: {name}: {fault}" for fault in _clause(provider[name]))
        for model in provider["models"]:
            yield from _model(where, model)


def _model(where: str, model: object) -> Iterator[str]:
    if missing := _lacking(model, _MODEL):
        yield f"{where}: a model: {missing}"
        return
    assert isinstance(model, Mapping)  # noqa: S101
    place = f"{where}/{model['id']}"
    yield from (f"{place}: match: {fault}" for fault in _clause(model["match"]))
    try:
        for when, prices in schedules(model):
            yield from (f"{place}{when}: {fault}" for fault in _prices(prices))
        for entry in [
            *(model["prices"] if isinstance(model["prices"], list) else ()),
            *model.get("price_variants", ()),
        ]:
            _constraint(entry.get("constraint"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"{place}: prices are in no known form: {error!r}"


def _prices(prices: Mapping[str, Any]) -> Iterator[str]:
    for key, price in prices.items():
        if key not in _price_keys():
            yield f"{key} is no price key"
        elif isinstance(price, Mapping):
            starts = [tier["start"] for tier in price["tiers"]]
            if not starts or starts != sorted(set(starts)) or min(starts) <= 0:
                yield f"{key}: tiers do not ascend from above 0"
            if not all(
                isinstance(each, str) for each in (price["base"], *(tier["price"] for tier in price["tiers"]))
            ):
                yield f"{key}: a price is no text"
        elif not isinstance(price, str):
            yield f"{key}: a price is no text"


def _constraint(constraint: Mapping[str, str] | None) -> None:
    """Raises ValueError or KeyError if it is none."""
    if constraint is None:
        return
    if "start_date" in constraint:
        date.fromisoformat(constraint["start_date"])
        return
    time.fromisoformat(constraint["start_time"])
    time.fromisoformat(constraint["end_time"])


def _clause(clause: object) -> Iterator[str]:
    if not isinstance(clause, Mapping) or len(clause) != 1:
        yield "is no clause"
        return
    ((kind, value),) = clause.items()
    if kind in {"or", "and"} and isinstance(value, list) and value:
        for part in value:
            yield from _clause(part)
    elif kind not in _TEXTS or not isinstance(value, str):
        yield f"{kind} is no clause"
    elif kind == "regex":
        try:
            re.compile(value)
        except re.error as error:
            yield f"{value!r} is no regular expression: {error}"


def _lacking(value: object, fields: Mapping[str, Any]) -> str:
    if not isinstance(value, Mapping):
        return "is no object"
    wrong = [name for name, kind in fields.items() if not isinstance(value.get(name), kind)]
    return f"{', '.join(wrong)} is missing or of the wrong type" if wrong else ""


@cache
def _price_keys() -> frozenset[str]:
    return rate.book_keys()
