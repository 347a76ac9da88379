"""What costs nothing, and is meant to. It has to be said: a model without a price is not free but unknown."""

from typing import Any, Final

from otel_usage.pricing.sources import names
from otel_usage.pricing.sources.form import Json, Source, one_of

NAME: Final = "policy"
VERSION: Final = "1"

_ANY: Final = {"starts_with": ""}
_FREE: Final[tuple[tuple[str, str, Json], ...]] = (
    ("ollama", "ollama/*", _ANY),  # runs on a machine of one's own
    (
        "openai",
        "openai/moderation",
        {"or": [{"starts_with": "omni-moderation-"}, {"starts_with": "text-moderation-"}]},
    ),
    ("openrouter", "openrouter/*:free", {"ends_with": ":free"}),
)
"""Provider, model id and clause. An id has a slash: so a row shows the model's own name."""


def source() -> Source:
    """The source of what is free."""
    return Source({"name": NAME, "version": VERSION, "providers": [_provider(*each) for each in _FREE]})


def _provider(provider: str, model: str, match: Json) -> dict[str, Any]:
    return {
        "id": provider,
        "provider_match": one_of(names.spoken(provider)),
        "models": [{"id": model, "match": match, "prices": {}, "free": True}],
    }
