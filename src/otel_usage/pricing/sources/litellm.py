"""LiteLLM's price data, vendored, in canonical form.

It has models that genai-prices has not, and prices by second, character, query and image. It has no dates:
its prices are what they are now, and a model that was retired is gone. So an older version stands behind the
newer one, with the models that were deleted since.
"""

import gzip
import hashlib
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import Any, Final

from otel_usage.model import Permanent
from otel_usage.pricing.sources import names
from otel_usage.pricing.sources.form import Dropped, Json, Source, faults, one_of
from otel_usage.pricing.sources.limits import Limits
from otel_usage.pricing.sources.litellm_prices import prices

NAME: Final = "litellm"
MANIFEST: Final = "litellm.toml"
"""What is vendored, of which version and hash."""

_IMAGES: Final = "image_generation"
_MODES: Final = frozenset(
    {
        "chat",
        "responses",
        "completion",
        "embedding",
        "rerank",
        "audio_transcription",
        "audio_speech",
        "realtime",
        "moderation",
        _IMAGES,
    }
)
"""Kinds of models whose usage is counted in what we have columns for."""
_SIZED: Final = re.compile(r"(?:^|/)(?:\d+|max)-x-(?:\d+|max)/(?:[^/]+-steps/)?(?P<model>.+)$")
"""Keys of images of a size: of a model that has any, an image has no one price."""
_SAMPLE: Final = "sample_spec"


@dataclass(frozen=True, slots=True)
class Vendored:
    """One version of LiteLLM's file."""

    version: str
    body: bytes
    """The JSON."""

    @property
    def sha256(self) -> str:
        """Its hash, in hex."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class _Model:
    """A model of the file, and the names it would like to be found by."""

    key: str
    litellm_provider: str
    priced: Mapping[str, Any]
    context_window: int | None
    names: Sequence[str]


def vendored() -> Sequence[Vendored]:
    """The versions that come with otel-usage, the newest first. Raises Permanent if one was changed."""
    data = resources.files("otel_usage.pricing").joinpath("data")
    manifest = tomllib.loads(data.joinpath(MANIFEST).read_text("utf-8"))
    result = []
    for each in manifest["file"]:
        file = Vendored(each["version"], gzip.decompress(data.joinpath(each["name"]).read_bytes()))
        if file.sha256 != each["sha256"]:
            raise Permanent(f"{each['name']} has hash {file.sha256}, and {MANIFEST} says {each['sha256']}.")
        result.append(file)
    return result


def entries(file: Vendored) -> Json:
    """The entries of a file by key, numbers as they are written. Raises Permanent if it is none."""
    try:
        read = json.loads(file.body, parse_float=Decimal, parse_constant=Decimal)
    except ValueError as error:
        raise Permanent(f"The price data of LiteLLM {file.version} is no JSON: {error}.") from error
    if not isinstance(read, dict) or not all(isinstance(entry, dict) for entry in read.values()):
        raise Permanent(f"The price data of LiteLLM {file.version} is no object of objects.")
    if not read.keys() - {_SAMPLE}:
        raise Permanent(f"The price data of LiteLLM {file.version} has no models.")
    return {key: entry for key, entry in read.items() if key != _SAMPLE}


def source(file: Vendored, limits: Limits, without: Collection[str] = ()) -> Source:
    """The source of a file. `without`: keys, in lower case, that are left to another source."""
    models: dict[str, list[_Model]] = defaultdict(list)
    dropped = []
    read = entries(file)
    sized = {match["model"].removeprefix("bedrock/") for key in read if (match := _SIZED.search(key))}
    for key, entry in sorted(read.items()):
        if key.lower() in without:
            continue
        provider = names.provider_id(str(entry.get("litellm_provider")))
        priced = prices(entry)
        wrong = faults(priced, limits.of(key))
        reason = "; ".join(wrong) or _image_reason(key, entry, priced, sized) or _reason(entry, priced)
        if reason:
            dropped.append(Dropped(f"{NAME}@{file.version}", provider, key, reason, is_fault=bool(wrong)))
            continue
        models[provider].append(_model(key, entry, priced))
    providers = [_provider(provider, found) for provider, found in sorted(models.items())]
    if {"gemini", "vertex"} <= models.keys() and names.GOOGLE not in models:
        providers.append(_google())
    document = {"name": NAME, "version": file.version, "sha256": file.sha256, "providers": providers}
    return Source(document, dropped)


def _reason(entry: Json, priced: Mapping[str, Any]) -> str:
    """Why an entry cannot be priced by; empty if it can."""
    mode = entry.get("mode")
    if mode not in _MODES:
        return f"mode {mode or 'not told'}"
    if "off_peak_pricing" in entry:
        # The book cannot say that: the price at the peak, always, would be too high.
        return "priced by the day of the week"
    if not priced["prices"]:
        stated = any("cost" in name for name in entry)
        return "priced at zero, or in units that are not counted" if stated else "no price"
    return ""


def _image_reason(key: str, entry: Json, priced: Mapping[str, Any], sized: Collection[str]) -> str:
    """Why images cannot be priced by an entry: what is known of them is how many they are."""
    if entry.get("mode") != _IMAGES:
        return ""
    one_price = "output_images_kcount" in priced["prices"] and not _SIZED.search(key)
    if one_price and not any(f"/{key}".endswith((f"/{name}", f".{name}")) for name in sized):
        return ""
    return "images that do not all cost the same, or not only by their number"


def _model(key: str, entry: Json, priced: Mapping[str, Any]) -> _Model:
    provider = str(entry.get("litellm_provider"))
    window = entry.get("max_input_tokens")
    return _Model(
        key, provider, priced, window if isinstance(window, int) else None, names.model_names(provider, key)
    )


def _provider(provider: str, models: Sequence[_Model]) -> Json:
    owners = _owners(models)
    return {
        "id": provider,
        "provider_match": one_of(
            dict.fromkeys([*names.spoken(provider), *sorted({each.litellm_provider for each in models})])
        ),
        "models": [
            {
                "id": model.key,
                "match": one_of(name for name in model.names if owners.get(name.lower()) == model.key),
                **model.priced,
            }
            | ({"context_window": model.context_window} if model.context_window else {})
            for model in models
        ],
    }


def _owners(models: Iterable[_Model]) -> Mapping[str, str]:
    """Which model each name is of: the one that it is the surest name of.

    Where two are equally sure, and have not the same prices, it is a name of neither.
    """
    claims: dict[str, list[tuple[int, _Model]]] = defaultdict(list)
    for model in models:
        for rank, name in enumerate(model.names):
            claims[name.lower()].append((rank, model))
    result = {}
    for name, claimed in claims.items():
        surest = min(rank for rank, _ in claimed)
        owners = [model for rank, model in claimed if rank == surest]
        if all(model.priced["prices"] == owners[0].priced["prices"] for model in owners):
            result[name] = owners[0].key
    return result


def _google() -> Json:
    """Google by a name that does not say which of its two: the Gemini API, and what only Vertex AI has."""
    return {
        "id": names.GOOGLE,
        "provider_match": one_of(names.spoken(names.GOOGLE)),
        "fallback_model_providers": ["gemini", "vertex"],
        "models": [],
    }
