"""`POST /v1/reprice` and `GET /v1/reprice/{runId}`: calls priced again, as a dry run unless that is said."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route

from otel_usage import rfc3339
from otel_usage.api import bodies
from otel_usage.api.answering import answered, json_text
from otel_usage.api.bodies import wrong
from otel_usage.api.call_fields import Id, Name
from otel_usage.api.encoding import Value
from otel_usage.api.problems import Conflict
from otel_usage.auth import HEADER, Keys
from otel_usage.config import Settings
from otel_usage.differences import Difference
from otel_usage.ingest import Ingest
from otel_usage.repricing import MAX_DAYS, MAX_RANGE_NS, Repriced, Repricing, RunConflict, UnknownRun
from otel_usage.store import Store
from otel_usage.store.repricing import Reprice

_MAX_REASON: Final = 1_000

RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=_MAX_REASON)]


class Body(BaseModel):
    """The fields of a repricing."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    from_: Annotated[str, Field(alias="from")]
    to: str
    account_id: Id | None = None
    model_id: Name | None = None
    unpriced_only: bool = False
    dry_run: bool = True
    run_id: RunId | None = None
    reason: Annotated[Text | None, Field(validate_default=True)] = None
    author: Text | None = None

    @field_validator("from_", "to")
    @classmethod
    def _is_a_time(cls, value: str, info: ValidationInfo) -> str:
        try:
            at_ns = rfc3339.parse(value)
        except ValueError as error:
            raise wrong(str(error)) from None
        if info.field_name == "to" and "from_" in info.data:
            past_ns = at_ns - rfc3339.parse(info.data["from_"])
            if not 0 < past_ns <= MAX_RANGE_NS:
                raise wrong(f"is not after from, at most {MAX_DAYS} days later")
        return value

    @field_validator("run_id")
    @classmethod
    def _is_of_a_run(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("dry_run"):
            raise wrong('is of what is written: with "dryRun": false')
        return value

    @field_validator("reason")
    @classmethod
    def _has_a_reason(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not info.data.get("dry_run", True) and not (value and value.strip()):
            raise wrong('is required with "dryRun": false')
        return value

    def reprice(self, tenant: str) -> Reprice:
        """Which calls are meant."""
        return Reprice(
            tenant=tenant,
            from_ns=rfc3339.parse(self.from_),
            to_ns=rfc3339.parse(self.to),
            account_id=self.account_id,
            model_id=self.model_id,
            unpriced_only=self.unpriced_only,
        )


def routes(ingest: Ingest, store: Store, keys: Keys, settings: Settings) -> list[Route]:
    """The addresses of repricing."""
    repricing = Repricing(ingest, store)

    async def reprice(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        text = await json_text(request, settings.max_record_body_bytes)
        body = bodies.parse(text, Body, "a repricing")
        asked = body.reprice(tenant)
        if body.dry_run:
            return _answer(await repricing.try_out(asked))
        try:
            return _answer(
                await repricing.apply(asked, body.reason or "", body.author or "", body.run_id or "")
            )
        except RunConflict as error:
            raise Conflict(str(error), field=error.field) from error

    async def run(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        try:
            return _answer(await repricing.state(tenant, request.path_params["run_id"]))
        except UnknownRun as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error

    return [
        Route("/v1/reprice", answered(reprice), methods=["POST"]),
        Route("/v1/reprice/{run_id}", answered(run), methods=["GET"]),
    ]


def _answer(repriced: Repriced) -> Value:
    total = repriced.total
    by: Sequence[Value] = [
        {
            "accountId": each.account_id or None,
            "modelId": each.model_id or None,
            "rows": each.rows,
            **_money(each),
        }
        for each in repriced.differences
    ]
    return {
        "success": True,
        "reprice": {
            "runId": repriced.run_id or None,
            "dryRun": not repriced.run_id,
            "state": repriced.state,
            "author": repriced.author or None,
            "reason": repriced.reason or None,
            "rows": repriced.rows,
            "changed": repriced.changed,
            **_money(total),
            "differences": by,
        },
    }


def _money(each: Difference) -> Mapping[str, Value]:
    return {
        "healed": each.healed,
        "lost": each.lost,
        "billedBefore": each.billed_before,
        "billedAfter": each.billed_after,
        "difference": each.difference,
    }
