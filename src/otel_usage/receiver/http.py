"""OTLP/HTTP: `POST /v1/traces`, `/v1/logs` and `/v1/metrics` in protobuf or JSON, plain or gzip.

Source: OTLP 1.x, section "OTLP/HTTP".
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, cast

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from otel_usage.auth import HEADER, Keys
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Retryable, Signal
from otel_usage.otlp import body, responses
from otel_usage.receiver import door

CONVERSIONS: Final = 2
"""Bodies inflated or converted from JSON at once: each may hold many times its size in memory."""

_PATHS: Final[Mapping[Signal, str]] = {signal: f"/v1/{signal}" for signal in Signal}


def http_app(ingest: Ingest, keys: Keys, settings: Settings) -> Starlette:
    """The OTLP/HTTP application."""
    conversions = anyio.CapacityLimiter(CONVERSIONS)

    def route(signal: Signal) -> Route:
        async def export(request: Request) -> Response:
            try:
                tenant = keys.tenant(request.headers.get(HEADER))
                media = body.media_type(request.headers.get("content-type"))
                request_bytes = await _protobuf(request, signal, media, settings, conversions)
                outcome = await door.export(
                    ingest,
                    request_bytes,
                    tenant=tenant,
                    signal=signal,
                    within=settings.insert_timeout,
                    retry_after=settings.retry_after,
                )
            except ClientDisconnect:
                return Response(status_code=HTTPStatus.BAD_REQUEST)
            except Exception as error:  # noqa: BLE001 (the edge: every error becomes an answer)
                door.log_bug(error, "http")
                return _refusal(request, error)
            return Response(responses.success(outcome, signal, media), media_type=media)

        return Route(_PATHS[signal], export, methods=["POST"])

    return Starlette(routes=list(map(route, Signal)), exception_handlers={HTTPException: _not_served})


async def _protobuf(
    request: Request, signal: Signal, media: str, settings: Settings, conversions: anyio.CapacityLimiter
) -> bytes:
    limit = settings.max_http_body_bytes
    try:
        async with asyncio.timeout(settings.http_read_timeout):
            raw = await _read(request, limit)
    except TimeoutError:
        reason = (
            f"The body did not come within {settings.http_read_timeout} s (OTEL_USAGE_HTTP_READ_TIMEOUT)."
        )
        raise Retryable(reason, retry_after=settings.retry_after) from None
    encoding = request.headers.get("content-encoding")
    if body.is_plain(media, encoding):
        return raw
    return await anyio.to_thread.run_sync(
        body.protobuf, raw, signal, media, encoding, limit, limiter=conversions
    )


async def _read(request: Request, limit: int) -> bytes:
    """The body as it came. One over `limit` is refused when that is known, not when it has all come."""
    if int(request.headers.get("content-length", 0)) > limit:
        raise body.too_large(limit)
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > limit:
            raise body.too_large(limit)
    return bytes(chunks)


async def _not_served(request: Request, error: Exception) -> Response:
    """The answer to another path or method, which Starlette refuses before we see it."""
    refused = cast("HTTPException", error)
    paths = ", ".join(_PATHS.values())
    told = responses.NotServed(f"{request.method} {request.url.path}: this server takes POST {paths}.")
    return _refusal(request, told, status=refused.status_code, headers=refused.headers)


def _refusal(
    request: Request, error: Exception, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    media = _encoding(request)
    return Response(
        responses.failure(error, media),
        status_code=status or responses.codes(error).http,
        headers=headers or responses.headers(error),
        media_type=media,
    )


def _encoding(request: Request) -> str:
    """The encoding of an error's body: the request's, or JSON if we cannot speak that."""
    try:
        return body.media_type(request.headers.get("content-type"))
    except body.UnsupportedMediaType:
        return body.JSON
