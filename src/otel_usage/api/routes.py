"""The REST API, the health of the server, and what became of all that it received."""

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from otel_usage.api import answers, encoding, exposition, parameters, problems, records
from otel_usage.api.encoding import Value
from otel_usage.api.recorder import Recorder
from otel_usage.auth import HEADER, Keys
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Retryable, TooLarge
from otel_usage.otlp.body import JSON, UnsupportedMediaType
from otel_usage.record import to_observation
from otel_usage.store import Store
from otel_usage.store.coverage import Coverage, cover
from otel_usage.store.queries import list_usage, summarize

Handler = Callable[[Request], Awaitable[Value | Response]]
"""Answers with what is to be said in JSON, or with a response of its own."""

_NS: Final = 1_000_000_000
COVERAGE_SPAN: Final = 86_400
"""Seconds up to now that coverage is told of."""

_ROUTES: Final = (
    "POST /v1/usage/record, GET /v1/usage, GET /v1/ingest, GET /metrics, GET /healthz, GET /readyz"
)


def app(ingest: Ingest, store: Store, keys: Keys, settings: Settings) -> Starlette:
    """The API application."""
    recorder = Recorder(ingest, store, settings)

    async def record(request: Request) -> Value:
        tenant = keys.tenant(request.headers.get(HEADER))
        text = await _json_text(request, settings.max_record_body_bytes)
        now_ns = time.time_ns()
        latest_ns = now_ns + int(settings.max_clock_skew * _NS)
        told = records.parse(text, request.headers.get(records.KEY_HEADER), latest_ns=latest_ns)
        observation = to_observation(told.record, tenant, now_ns)
        call = await recorder.record(observation, repeatable=told.repeatable)
        return answers.recorded(observation["call_id"][0].as_py(), call)

    async def usage(request: Request) -> Value:
        asked = parameters.parse(request.query_params, keys.tenant(request.headers.get(HEADER)))
        if asked.summary:
            return answers.summarized(await store.query(summarize(asked.filter)))
        return answers.listed(await store.query(list_usage(asked.filter, asked.limit)))

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

    return Starlette(
        routes=[
            Route("/v1/usage/record", _answered(record), methods=["POST"]),
            Route("/v1/usage", _answered(usage), methods=["GET"]),
            Route("/v1/ingest", _answered(ingested), methods=["GET"]),
            Route("/metrics", _answered(metrics), methods=["GET"]),
            Route("/healthz", _answered(alive), methods=["GET"]),
            Route("/readyz", _answered(ready), methods=["GET"]),
        ],
        exception_handlers={HTTPException: _no_such_route},
    )


def _answered(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            answered = await handler(request)
            if isinstance(answered, Response):
                return answered
            return Response(encoding.to_json(answered), media_type=JSON)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except Exception as error:  # noqa: BLE001 (the edge: every error becomes an answer)
            return problems.response(error)

    return answer


async def _no_such_route(request: Request, error: Exception) -> Response:
    """The answer to another path or method, which Starlette refuses before we see it."""
    headers: Mapping[str, str] | None = getattr(error, "headers", None)
    status: int = getattr(error, "status_code", HTTPStatus.NOT_FOUND)
    detail = f"{request.method} {request.url.path}: this server takes {_ROUTES}."
    return problems.response(HTTPException(status, detail, headers and dict(headers)))


async def _json_text(request: Request, limit: int) -> bytes:
    """The body of a request that says it is JSON. One over `limit` is refused when that is known."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON:
        raise UnsupportedMediaType(f"Content-Type must be {JSON}, and is {media or 'missing'}.")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {coding} is not taken here.")
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > limit:
            raise TooLarge(f"The body is over {limit} bytes (OTEL_USAGE_MAX_RECORD_BODY_BYTES).")
    return bytes(text)
