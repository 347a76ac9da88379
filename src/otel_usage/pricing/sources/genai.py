"""genai-prices' data, in canonical form: all of it that prices or matches, and nothing else.

Without extractors, descriptions and addresses; a model with a price that is none is left out.
"""

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
    _providers_from_raw,
)

from otel_usage.model import Permanent
from otel_usage.pricing.rate import MINIMUMS
from otel_usage.pricing.sources.form import Dropped, Json, Source, decimal, faults
from otel_usage.pricing.sources.limits import Limits

NAME: Final = "genai-prices"

_MINIMUM_SECONDS: Final = {
    ("groq", "whisper-large-v3"): "10",
    ("groq", "whisper-large-v3-turbo"): "10",
}
"""By provider and model the seconds that any shorter audio is billed as: which genai-prices has in its code
(`ModelInfo.calc_price`), not in its data."""
_UNUSED: Final = frozenset({"extractors", "pricing_urls", "description", "price_comments"})


def installed() -> tuple[str, Sequence[Provider]]:
    """Version and providers of the installed package. Nothing is downloaded."""
    # Half a second of import: paid by those who build a book.
    from genai_prices.data import providers  # noqa: PLC0415

    return version(NAME), providers


def read(body: bytes) -> Sequence[Provider]:
    """The providers of genai-prices' JSON, as its project publishes it. Raises Permanent if it is none."""
    try:
        raw = json.loads(body, parse_float=Decimal)
        lean = [{key: each[key] for key in each.keys() - _UNUSED} for each in raw]
        providers = _providers_from_raw(lean)
    except (ValueError, TypeError, AttributeError, AssertionError) as error:
        raise Permanent(f"The data of genai-prices cannot be read: {error}.") from error
    if not providers:
        raise Permanent("The data of genai-prices cannot be read: it has no providers.")
    return providers


def source(told: str, providers: Iterable[Provider], limits: Limits) -> Source:
    """The source of these providers. `told`: their version."""
    dropped: list[Dropped] = []
    documents = []
    for provider in providers:
        document = _provider(provider)
        kept = []
        for each in document["models"]:
            model = _with_minimum(provider.id, each)
            if wrong := faults(model, limits.of(model["id"])):
                dropped.append(
                    Dropped(f"{NAME}@{told}", provider.id, model["id"], "; ".join(wrong), is_fault=True)
                )
            else:
                kept.append(model)
        documents.append({**document, "models": kept})
    return Source({"name": NAME, "version": told, "providers": documents}, dropped)


def model(info: ModelInfo) -> Json:
    """A model in canonical form."""
    prices = (
        _prices(info.prices)
        if isinstance(info.prices, ModelPrice)
        else [{**_constraint(each.constraint), "prices": _prices(each.prices)} for each in info.prices]
    )
    variants = [
        {**_constraint(each.constraint), "when": dict(each.when), "prices": _prices(each.prices)}
        for each in info.price_variants or ()
    ]
    return {
        "id": info.id,
        "match": _clause(info.match),
        "prices": prices,
        **_only(name=info.name, context_window=info.context_window, price_variants=variants),
    }


def _provider(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "models": [model(each) for each in provider.models],
        **_only(
            name=provider.name,
            provider_match=_clause(provider.provider_match),
            model_match=_clause(provider.model_match),
            fallback_model_providers=provider.fallback_model_providers,
        ),
    }


def _with_minimum(provider: str, model: Json) -> Json:
    """The model with the term that its audio is priced at, if there is one."""
    seconds = _MINIMUM_SECONDS.get((provider, model["id"]))
    if seconds is None:
        return model
    term = {MINIMUMS["input_audio_ns"]: seconds}
    prices = model["prices"]
    if isinstance(prices, list):
        return {**model, "prices": [{**each, "prices": {**each["prices"], **term}} for each in prices]}
    return {**model, "prices": {**prices, **term}}


def _prices(price: ModelPrice) -> Json:
    return {key: _price(value) for key, value in price.__dict__.items() if value is not None}


def _price(value: Decimal | TieredPrices) -> str | Json:
    if isinstance(value, Decimal):
        return decimal(value)
    tiers = [{"start": tier.start, "price": decimal(tier.price)} for tier in value.tiers]
    return {"base": decimal(value.base), "tiers": tiers}


def _constraint(constraint: StartDateConstraint | TimeOfDateConstraint | None) -> Json:
    match constraint:
        case None:
            return {}
        case StartDateConstraint(start_date=start):
            return {"constraint": {"start_date": start.isoformat()}}
        case TimeOfDateConstraint(start_time=start, end_time=end):
            return {"constraint": {"start_time": start.isoformat(), "end_time": end.isoformat()}}


def _clause(clause: object) -> Any:  # noqa: ANN401 (a clause as JSON, or None)
    match clause:
        case None:
            return None
        case ClauseOr(or_=parts):
            return {"or": [_clause(part) for part in parts]}
        case ClauseAnd(and_=parts):
            return {"and": [_clause(part) for part in parts]}
        case ClauseEquals() | ClauseStartsWith() | ClauseEndsWith() | ClauseContains() | ClauseRegex():
            return dict(vars(clause))
    raise TypeError(f"genai-prices has a clause that is not known here: {clause!r}.")


def _only(**values: object) -> dict[str, object]:
    """What has a value."""
    return {key: value for key, value in values.items() if value}
