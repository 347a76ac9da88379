"""`GET /v1/unpriced`: the calls that have no cost, by what it would take to give them one."""

import shlex
from collections.abc import Sequence
from functools import cache
from typing import Final

import anyio
from starlette.requests import Request
from starlette.routing import Route

from otel_usage import rfc3339
from otel_usage.api import parameters
from otel_usage.api.answering import answered
from otel_usage.api.encoding import Value
from otel_usage.auth import DEFAULT_TENANT, HEADER, Keys
from otel_usage.ingest import Ingest
from otel_usage.pricing.book import PriceBook
from otel_usage.pricing.match import find
from otel_usage.pricing.patterns import Pattern
from otel_usage.pricing.rule_faults import faults
from otel_usage.pricing.rules import Kind, Rule
from otel_usage.pricing.suggestions import Suggestions
from otel_usage.store import Store
from otel_usage.store.unpriced import UnpricedGroup, unpriced_groups

MAX_GROUPS: Final = 100
MAX_SUGGESTIONS: Final = 3
_LOOKED_AT: Final = 10  # not all that are alike can be had by their name

_ALIASES_HELP: Final = ("unknown_model", "no_price")


def routes(ingest: Ingest, store: Store, keys: Keys) -> list[Route]:
    """The address of the work list."""

    async def unpriced(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        usage, limit = parameters.parse_unpriced(request.query_params, tenant, MAX_GROUPS)
        groups = await store.query(unpriced_groups(usage, limit))
        # In a thread: names of any kind are compared with all that the book has.
        return await anyio.to_thread.run_sync(answer, tenant, groups, ingest.pricer.book)

    return [Route("/v1/unpriced", answered(unpriced), methods=["GET"])]


def answer(tenant: str, groups: Sequence[UnpricedGroup], book: PriceBook) -> Value:
    """The answer: the groups, each with models of the book that its name resembles. Nothing is applied."""
    aliases = _Aliases(tenant, book) if any(group.reason in _ALIASES_HELP for group in groups) else None
    return {"success": True, "unpriced": [_group(group, aliases) for group in groups]}


class _Aliases:
    """The rules that would make the calls of a group those of a model of the book."""

    def __init__(self, tenant: str, book: PriceBook) -> None:
        self._tenant = tenant
        self._book = book
        self._suggestions = Suggestions(book)
        self._is_priced = cache(self._is_priced_uncached)

    def of(self, group: UnpricedGroup) -> Sequence[Rule]:
        """The likest ones first."""
        name = group.response_model or group.request_model
        alike = self._suggestions.of(group.provider, name, _LOOKED_AT)
        possible = (_alias(self._tenant, group, key) for key in alike if self._is_priced(key))
        return [alias for alias in possible if _can_be_written(alias)][:MAX_SUGGESTIONS]

    def _is_priced_uncached(self, key: str) -> bool:
        """Whether an alias to it is priced by it, and not by what an earlier source has for that name."""
        provider, _, model = key.partition("/")
        return [match.key for match in find(self._book, provider, model, "")][:1] == [key]


def _group(group: UnpricedGroup, aliases: _Aliases | None) -> Value:
    return {
        "provider": group.provider or None,
        "requestModel": group.request_model or None,
        "responseModel": group.response_model or None,
        "modelId": group.model_id,
        "serviceTier": group.service_tier or None,
        "unpricedReason": group.reason,
        "unpricedUnits": [unit for unit in group.units.split(",") if unit],
        "count": group.calls,
        "tokens": group.tokens,
        "accounts": group.accounts,
        "firstSeen": rfc3339.render(group.first_ns),
        "lastSeen": rfc3339.render(group.last_ns),
        "suggestions": [
            {"kind": "alias", "priceKey": _key(alias), "command": _command(alias)}
            for alias in (aliases.of(group) if aliases and group.reason in _ALIASES_HELP else ())
        ],
    }


def _alias(tenant: str, group: UnpricedGroup, key: str) -> Rule:
    to_provider, _, to_model = key.partition("/")
    return Rule(
        rule_id="new",
        tenant=tenant,
        provider=group.provider,
        model=(group.response_model or group.request_model).strip(),
        kind=Kind.ALIAS,
        to_provider=to_provider,
        to_model=to_model,
        reason=f"it is {key}",
    )


def _can_be_written(alias: Rule) -> bool:
    """Whether it is of this name only: names come from outside, also with a `*`."""
    return not faults(alias) and Pattern.of(alias.model).exact


def _key(alias: Rule) -> str:
    return f"{alias.to_provider}/{alias.to_model}"


def _command(alias: Rule) -> str:
    """The command that makes the alias, to be read before it is run."""
    told = ["--model", alias.model, "--alias", _key(alias)]
    told += ["--provider", alias.provider] if alias.provider else []
    told += ["--tenant", alias.tenant] if alias.tenant != DEFAULT_TENANT else []
    return f"otel-usage prices rules add {shlex.join([*told, '--reason', alias.reason])}"
