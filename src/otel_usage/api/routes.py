"""The REST API, the health of the server, and what became of all that it received."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from otel_usage.api import (
    answers,
    calculation,
    exposition,
    models,
    price_rules,
    problems,
    receipts,
    records,
    reprice,
    unpriced,
    usage,
)
from otel_usage.api.answering import answered, json_text
from otel_usage.api.encoding import Value
from otel_usage.api.recorder import Recorder
from otel_usage.auth import HEADER, Keys
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Retryable
from otel_usage.record import to_observation
from otel_usage.rulebook import Rulebook
from otel_usage.store import Store
from otel_usage.store.coverage import Coverage, cover

_NS: Final = 1_000_000_000
COVERAGE_SPAN: Final = 86_400
"""Seconds up to now that coverage is told of."""


def app(ingest: Ingest, store: Store, keys: Keys, settings: Settings) -> Starlette:
    """The API application."""
    recorder = Recorder(ingest, store, settings)

    async def record(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        text = await json_text(request, settings.max_record_body_bytes)
        now_ns = time.time_ns()
        latest_ns = now_ns + int(settings.max_clock_skew * _NS)
        told = records.parse(
            text,
            request.headers.get(records.KEY_HEADER),
            earliest_ns=ingest.horizon.accepted_from_ns,
            latest_ns=latest_ns,
        )
        observation = to_observation(told.record, tenant, now_ns)
        call = await recorder.record(observation, repeatable=told.repeatable)
        return answers.recorded(observation["call_id"][0].as_py(), call)

    async def ingested(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        to_ns = time.time_ns()
        from_ns = to_ns - COVERAGE_SPAN * _NS
        coverage: Sequence[Coverage] | None = None
        with contextlib.suppress(Retryable):  # the counts are here, also while ClickHouse is away
            coverage = await store.query(cover(tenant, from_ns, to_ns))
        return answers.ingested(ingest.ledger.balance(), coverage, from_ns, to_ns)

    async def metrics(request: Request) -> Response:
        keys.tenant(request.headers.get(HEADER))
        media = exposition.media_type(request.headers.get("accept"))
        return Response(exposition.to_text(ingest.ledger.balance(), media), media_type=media)

    async def alive(_request: Request) -> Value:
        return {"status": "alive"}

    async def ready(_request: Request) -> Value:
        if not ingest.accepting:
            raise Retryable("The server is not taking requests.", retry_after=settings.retry_after)
        return {"status": "ready", "schemaVersion": await store.ping()}

    routes = [
        Route("/v1/usage/record", answered(record), methods=["POST"]),
        *usage.routes(ingest, store, keys),
        *receipts.routes(store, keys),
        *unpriced.routes(ingest, store, keys),
        *models.routes(ingest, keys),
        *calculation.routes(ingest, keys, settings),
        *reprice.routes(ingest, store, keys, settings),
        *price_rules.routes(Rulebook(store), keys, settings),
        Route("/v1/ingest", answered(ingested), methods=["GET"]),
        Route("/metrics", answered(metrics), methods=["GET"]),
        Route("/healthz", answered(alive), methods=["GET"]),
        Route("/readyz", answered(ready), methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refusal(routes)})


def _refusal(routes: Sequence[Route]) -> ExceptionHandler:
    """The answer to another path or method, which Starlette refuses before we see it."""
    every = ", ".join(
        f"{method} {route.path}"
        for route in routes
        for method in sorted(route.methods or ())
        if method != "HEAD"
    )

    async def refuse(request: Request, error: Exception) -> Response:
        headers: Mapping[str, str] | None = getattr(error, "headers", None)
        status: int = getattr(error, "status_code", HTTPStatus.NOT_FOUND)
        detail = f"{request.method} {request.url.path}: this server takes {every}."
        return problems.response(HTTPException(status, detail, headers and dict(headers)))

    return refuse
