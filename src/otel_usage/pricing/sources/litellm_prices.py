"""The prices of one entry of LiteLLM's data, in canonical form.

LiteLLM states dollars for one token, second, character, query or request. What it states as zero is left out:
it stands for "not priced", and a call that used it must not look free.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any, Final

from otel_usage.pricing.sources.form import Json, decimal

_MILLION: Final = Decimal(1_000_000)
_THOUSAND: Final = Decimal(1_000)
_HOUR: Final = Decimal(3_600)

_FIELDS: Final[Mapping[str, tuple[str, Decimal]]] = {
    "input_cost_per_token": ("input_mtok", _MILLION),
    "input_cost_per_token_cache_hit": ("cache_read_mtok", _MILLION),
    "cache_read_input_token_cost": ("cache_read_mtok", _MILLION),
    "cache_creation_input_token_cost": ("cache_write_mtok", _MILLION),
    "cache_creation_input_token_cost_above_1hr": ("cache_write_1h_mtok", _MILLION),
    "output_cost_per_token": ("output_mtok", _MILLION),
    "output_cost_per_reasoning_token": ("output_reasoning_mtok", _MILLION),
    "input_cost_per_audio_token": ("input_audio_mtok", _MILLION),
    "cache_read_input_audio_token_cost": ("cache_audio_read_mtok", _MILLION),
    "output_cost_per_audio_token": ("output_audio_mtok", _MILLION),
    "input_cost_per_image_token": ("input_image_mtok", _MILLION),
    "cache_read_input_image_token_cost": ("cache_image_read_mtok", _MILLION),
    "output_cost_per_image_token": ("output_image_mtok", _MILLION),
    "input_cost_per_character": ("input_mchars", _MILLION),
    "input_cost_per_request": ("requests_kcount", _THOUSAND),
}
"""LiteLLM's fields. Of two for one price key the later one is believed."""

_FIELD: Final = re.compile(
    rf"(?P<name>{'|'.join(sorted(_FIELDS, key=len, reverse=True))})"
    r"(?:_above_(?P<above>\d+)k_tokens)?"
    r"(?:_(?P<context>flex|priority|balanced|ultrafast|batches))?"
)
_STANDARD: Final = ""
_BATCHES: Final = "batches"
_INCLUSIVE: Final = frozenset({"xai"})
"""Providers whose dearer tier begins at the threshold, not above it."""
_JOINS: Final = {
    "cache_audio_read_mtok": "input_audio_mtok",
    "cache_image_read_mtok": "input_image_mtok",
}
"""Cached tokens of a modality, which LiteLLM charges as cached text where they have no price of their own."""

_BY_IMAGE: Final = "output_cost_per_image"

_DIGITS: Final = Context(prec=10)  # what is beyond was never a price: 1.0000000000000001E-7


@dataclass(frozen=True, slots=True)
class _Price:
    """The price of one key: up to the first threshold, and above each."""

    base: list[Decimal] = field(default_factory=list)
    above: dict[int, Decimal] = field(default_factory=dict)


_Contexts = dict[str, dict[str, _Price]]


def prices(entry: Json) -> Mapping[str, Any]:
    """What a model has beside its names: `prices`, and `price_variants` if there are any."""
    provider = str(entry.get("litellm_provider"))
    contexts: _Contexts = {}
    for context, key, above, value in _token_prices(entry):
        price = contexts.setdefault(context, {}).setdefault(key, _Price())
        if above:
            price.above[above - (provider in _INCLUSIVE)] = value
        else:
            price.base[:] = [value]
    _join(contexts)
    standard = contexts.pop(_STANDARD, {})
    result = {key: text for key, price in standard.items() if (text := _text(price)) is not None}
    result |= {key: decimal(value) for key, value in _other_prices(entry).items()}
    variants = [
        {"when": _when(context), "prices": held}
        for context, priced in sorted(contexts.items())
        if (held := _variant(priced, standard))
    ]
    return {"prices": result} | ({"price_variants": variants} if variants else {})


def _token_prices(entry: Json) -> Iterator[tuple[str, str, int, Decimal]]:
    """Context, price key, threshold (0: none) and price of each field that is one of _FIELDS."""
    found = {name: match for name in entry if (match := _FIELD.fullmatch(name))}
    order = list(_FIELDS)
    for name, match in sorted(found.items(), key=lambda each: (order.index(each[1]["name"]), each[0])):
        key, per = _FIELDS[match["name"]]
        value = _scaled(entry[name], per)
        if value:
            yield match["context"] or _STANDARD, key, int(match["above"] or 0) * 1_000, value
    for tier in entry.get("tiered_pricing", ()):
        if "range" in tier:
            for name in tier.keys() & _FIELDS.keys():
                key, per = _FIELDS[name]
                if value := _scaled(tier[name], per):
                    yield _STANDARD, key, int(tier["range"][0]), value


def _other_prices(entry: Json) -> Mapping[str, Decimal]:
    """Prices by time, by query, by search and by image."""
    result = {}
    seconds = [_scaled(entry.get(f"{way}_cost_per_second"), _HOUR) for way in ("input", "output")]
    match entry.get("mode"):
        case "audio_transcription":
            # Some models state the one price as that of the input and of the output too: it is paid once.
            result["input_audio_hours"] = seconds[0] or seconds[1]
        case "audio_speech":
            result["output_audio_hours"] = seconds[1]
        case "realtime":
            result |= {"input_audio_hours": seconds[0], "output_audio_hours": seconds[1]}
        case "rerank":
            result["rerank_searches_kcount"] = _scaled(entry.get("input_cost_per_query"), _THOUSAND)
        case "image_generation":
            result["output_images_kcount"] = _image(entry)
        case _:  # seconds of a chat model are those of a reserved machine
            pass
    searches = {str(each) for each in entry.get("search_context_cost_per_query", {}).values()}
    if len(searches) == 1:  # by the size of what is found: which size it was is not told
        result["web_searches_kcount"] = _scaled(Decimal(searches.pop()), _THOUSAND)
    return {key: value for key, value in result.items() if value}


def _image(entry: Json) -> Decimal:
    """The price of a thousand images; 0 where they have not one price, or something else is paid beside."""
    stated = {name for name, value in entry.items() if "cost" in name and _scaled(value, _THOUSAND)}
    return _scaled(entry[_BY_IMAGE], _THOUSAND) if stated == {_BY_IMAGE} else Decimal(0)


def _scaled(value: object, per: Decimal) -> Decimal:
    """The price of `per` units; 0 for none."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return Decimal(0)
    return _DIGITS.multiply(Decimal(value), per)


def _join(contexts: _Contexts) -> None:
    for priced in contexts.values():
        for key, modality in _JOINS.items():
            if modality in priced and "cache_read_mtok" in priced:
                priced.setdefault(key, priced["cache_read_mtok"])


def _text(price: _Price) -> Any:  # noqa: ANN401 (a decimal or tiers, as JSON)
    """The price as JSON; None if it is only known above a threshold."""
    if not price.base:
        return None
    if not price.above:
        return decimal(price.base[0])
    tiers = [{"start": start, "price": decimal(value)} for start, value in sorted(price.above.items())]
    return {"base": decimal(price.base[0]), "tiers": tiers}


def _variant(priced: Mapping[str, _Price], standard: Mapping[str, _Price]) -> Mapping[str, Any]:
    """The prices in a context.

    Above a threshold where it has no price of its own the standard one holds: so LiteLLM charges it.
    """
    result = {}
    for key, price in priced.items():
        above = standard[key].above if key in standard else {}
        text = _text(_Price(price.base, above | price.above))
        if text is not None:
            result[key] = text
    return result


def _when(context: str) -> Mapping[str, str]:
    return {"processing": "batch"} if context == _BATCHES else {"service_tier": context}
