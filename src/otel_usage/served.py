"""Who served a call, with which model, in which tier and where; or that nobody did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from otel_usage.dialects import emitters, providers
from otel_usage.model import Scope
from otel_usage.names import Mask, Names, Rows, choose, constant, groups, where

_ERROR_OTHER: Final = "_OTHER"  # semantic conventions: error.type of an error that has no type


@dataclass(frozen=True, slots=True)
class Service:
    """What rows tell of how they were served: columns as they are spelled, by canonical field.

    Row i was written by the emitter `scopes[scope[i]]`. `failed`: an error was reported, typed or not.
    `answered`: it has usage or a response id.
    """

    names: Mapping[str, Names]
    scope: Rows
    scopes: Sequence[Scope]
    failed: Mask
    answered: Mask


def read(told: Service) -> dict[str, pa.Array]:
    """The columns of OBSERVATIONS.

    The provider is the one whose host answered, else the one that the model gives away (of some emitters),
    else the one that the emitter names, else the only one that it calls.
    The model that a failed call tells was only asked for, unless the call was answered after all.
    """
    provider, region = _place(told)
    error = _error(told)
    request, response = told.names["request_model"], told.names["response_model"]
    unanswered = error.non_empty() & ~told.answered
    if unanswered.any():
        request = where(unanswered & ~request.non_empty(), response, request)
        response = where(unanswered, constant("", len(unanswered)), response)
    fields = {
        "provider": provider,
        "request_model": request,
        "response_model": response,
        "service_tier": _tier(told.names["service_tier"]),
        "region": region,
        "error_type": error,
    }
    return {name: column.array() for name, column in fields.items()}


def _place(told: Service) -> tuple[Names, Names]:
    """Provider and region, decided once for each of the answers that it depends on."""
    asked = [told.names[name] for name in ("provider", "host", "region", "request_model")]
    several = [each.index for each in asked if len(each.dictionary) > 1]
    first, group = groups([told.scope, *several])
    emitter = [told.scopes[index].name for index in told.scope[first].tolist()]
    decided = []
    for provider, host, region, model, scope in zip(
        *(each.take(first).texts() for each in asked), emitter, strict=True
    ):
        by_host = providers.by_host(host)
        named = by_host.provider or emitters.by_model(scope, model) or providers.by_name(provider)
        decided.append((named or emitters.provider(scope), by_host.region or region))
    return choose(group, [each for each, _ in decided]), choose(group, [each for _, each in decided])


def _tier(told: Names) -> Names:
    """Service tiers, by the names that bills have for them."""
    if not told.is_one_of(providers.SERVICE_TIERS).any():
        return told
    renamed = [providers.SERVICE_TIERS.get(name, name) for name in told.dictionary.to_pylist()]
    return choose(told.index, renamed)


def _error(told: Service) -> Names:
    """Whether the call failed: by its error type, or as _ERROR_OTHER."""
    error = told.names["error_type"]
    if not told.failed.any():
        return error
    return where(told.failed & ~error.non_empty(), constant(_ERROR_OTHER, len(told.failed)), error)
