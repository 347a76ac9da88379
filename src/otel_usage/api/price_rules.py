"""`/v1/price-rules`: aliases, overrides and markups of a tenant, with their history."""

from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otel_usage import rfc3339
from otel_usage.api import bodies, encoding
from otel_usage.api.answering import answered, json_text
from otel_usage.api.bodies import wrong
from otel_usage.api.encoding import Value
from otel_usage.api.parameters import faults_of, is_text, one_of
from otel_usage.api.problems import Conflict, Fault, Invalid
from otel_usage.auth import HEADER, Keys
from otel_usage.config import Settings
from otel_usage.otlp.body import JSON
from otel_usage.pricing.rules import OPEN_END_NS, Kind, Rule
from otel_usage.rulebook import FaultyRule, Rulebook, RuleConflict, UnknownRule

_WHAT: Final = "a price rule"
_LISTED: Final = {"accountId": is_text, "kind": one_of(*Kind), "includeRevoked": one_of("true", "false")}
_REVOKED: Final = {"reason": lambda _: "", "author": lambda _: ""}  # what is in them is said by `rule_faults`


def _exact(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise wrong("is not a number")
    return Decimal(value)


Money = Annotated[Decimal, BeforeValidator(_exact)]


class Body(BaseModel):
    """The fields of a price rule. What of them must be together is said by `rule_faults`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    account_id: str | None = None
    provider: str | None = None
    model: str
    service_tier: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    kind: str
    to_provider: str | None = None
    to_model: str | None = None
    prices: Mapping[str, Money] = Field(default_factory=dict)
    multiplier: Annotated[Money | None, Field(validate_default=True)] = None
    author: str | None = None
    reason: str

    @field_validator("valid_from", "valid_to")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                rfc3339.parse(value)
            except ValueError as error:
                raise wrong(str(error)) from None
        return value

    @field_validator("kind")
    @classmethod
    def _is_a_kind(cls, value: str) -> str:
        if detail := one_of(*Kind)(value):
            raise wrong(detail)
        return value

    @field_validator("multiplier")
    @classmethod
    def _is_there(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if value is None and info.data.get("kind") == Kind.MULTIPLIER:
            raise wrong("is required: the list price times what")
        return value

    def fields(self) -> dict[str, Any]:
        """The fields of a Rule."""
        return {
            "account_id": self.account_id or "",
            "provider": self.provider or "",
            "model": self.model,
            "service_tier": self.service_tier or "",
            "valid_from_ns": rfc3339.parse(self.valid_from) if self.valid_from else 0,
            "valid_to_ns": rfc3339.parse(self.valid_to) if self.valid_to else OPEN_END_NS,
            "kind": Kind(self.kind),
            "to_provider": self.to_provider or "",
            "to_model": self.to_model or "",
            "prices": dict(self.prices),
            "multiplier": Decimal(1) if self.multiplier is None else self.multiplier,
            "author": self.author or "",
            "reason": self.reason,
        }


def routes(rulebook: Rulebook, keys: Keys, settings: Settings) -> list[Route]:
    """The addresses of price rules."""

    def tenant_of(request: Request) -> str:
        return keys.tenant(request.headers.get(HEADER))

    async def listed(request: Request) -> Value:
        tenant, query = tenant_of(request), request.query_params
        if faults := list(faults_of(query, _LISTED)):
            raise Invalid(faults)
        rules = [rule for rule in await rulebook.list(tenant) if _is_meant(rule, query)]
        return {"success": True, "priceRules": [_rule(rule) for rule in rules]}

    async def added(request: Request) -> Response:
        tenant = tenant_of(request)
        body = bodies.parse(await json_text(request, settings.max_record_body_bytes), Body, _WHAT)
        with _Refusals():
            rule = await rulebook.add(Rule(rule_id="", tenant=tenant, **body.fields()))
        told = encoding.to_json({"success": True, "priceRule": _rule(rule)})
        return Response(told, HTTPStatus.CREATED, media_type=JSON)

    async def shown(request: Request) -> Value:
        with _Refusals():
            history = await rulebook.history(tenant_of(request), request.path_params["id"])
        return {
            "success": True,
            "priceRule": _rule(history[-1]),
            "history": [_rule(revision) for revision in history],
        }

    async def changed(request: Request) -> Value:
        tenant = tenant_of(request)
        body = bodies.parse(await json_text(request, settings.max_record_body_bytes), Body, _WHAT)
        with _Refusals():
            rule = await rulebook.change(tenant, request.path_params["id"], **body.fields())
        return {"success": True, "priceRule": _rule(rule)}

    async def revoked(request: Request) -> Value:
        tenant, query = tenant_of(request), request.query_params
        if faults := list(faults_of(query, _REVOKED)):
            raise Invalid(faults)
        with _Refusals():
            rule = await rulebook.revoke(
                tenant, request.path_params["id"], query.get("author", ""), query.get("reason", "")
            )
        return {"success": True, "priceRule": _rule(rule)}

    return [
        Route("/v1/price-rules", answered(listed), methods=["GET"]),
        Route("/v1/price-rules", answered(added), methods=["POST"]),
        Route("/v1/price-rules/{id}", answered(shown), methods=["GET"]),
        Route("/v1/price-rules/{id}", answered(changed), methods=["PUT"]),
        Route("/v1/price-rules/{id}", answered(revoked), methods=["DELETE"]),
    ]


class _Refusals:
    """What a rulebook refuses, in the words of the API."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        match error:
            case FaultyRule():
                raise Invalid([Fault(_camel(each.field), each.detail) for each in error.faults]) from error
            case RuleConflict():
                raise Conflict(str(error), field=error.field and _camel(error.field)) from error
            case UnknownRule():
                raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error


def _camel(field: str) -> str:
    name, dot, rest = field.removesuffix("_ns").partition(".")
    return to_camel(name.removesuffix("_ns")) + dot + rest


def _is_meant(rule: Rule, query: QueryParams) -> bool:
    return (
        (not rule.is_revoked or query.get("includeRevoked") == "true")
        and query.get("accountId", rule.account_id) == rule.account_id
        and query.get("kind", rule.kind) == rule.kind
    )


def _rule(rule: Rule) -> Value:
    effect: dict[str, Value] = {}
    match rule.kind:
        case Kind.ALIAS:
            effect = {"toProvider": rule.to_provider or None, "toModel": rule.to_model}
        case Kind.PRICES:
            effect = {"prices": {key: rule.prices[key] for key in sorted(rule.prices)}}
        case Kind.MULTIPLIER:
            effect = {"multiplier": rule.multiplier}
    return {
        "id": rule.rule_id,
        "revision": rule.revision,
        "revoked": rule.is_revoked,
        "accountId": rule.account_id or None,
        "provider": rule.provider or None,
        "model": rule.model,
        "serviceTier": rule.service_tier or None,
        "validFrom": rfc3339.render(rule.valid_from_ns) if rule.valid_from_ns else None,
        "validTo": rfc3339.render(rule.valid_to_ns) if rule.valid_to_ns < OPEN_END_NS else None,
        "kind": str(rule.kind),
        **effect,
        "author": rule.author or None,
        "reason": rule.reason,
        "createdAt": rfc3339.render(rule.created_at_ns),
    }
