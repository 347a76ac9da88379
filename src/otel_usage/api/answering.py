"""From a handler to an answer: what it returns becomes JSON, what it raises becomes a problem."""

from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from otel_usage.api import encoding, problems
from otel_usage.api.encoding import Value
from otel_usage.model import TooLarge
from otel_usage.otlp.body import JSON, UnsupportedMediaType

DRAINED: Final = 32 * 1024 * 1024
"""Bytes of a body that is too large which are read, so that its sender sees why it is refused."""

Handler = Callable[[Request], Awaitable[Value | Response]]
"""Answers with what is to be said in JSON, or with a response of its own."""


def answered(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler as Starlette calls it."""

    async def answer(request: Request) -> Response:
        try:
            told = await handler(request)
            if isinstance(told, Response):
                return told
            return Response(encoding.to_json(told), media_type=JSON)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except Exception as error:  # noqa: BLE001 (the edge: every error becomes an answer)
            return problems.response(error)

    return answer


async def json_text(request: Request, limit: int) -> bytes:
    """The body of a request that says it is JSON. One over `limit` is refused when that is known."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON:
        raise UnsupportedMediaType(f"Content-Type must be {JSON}, and is {media or 'missing'}.")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {coding} is not taken here.")
    text = bytearray()
    async for chunk in _received(request, limit):
        text += chunk
    return bytes(text)


async def _received(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The parts of the body. Of one over `limit` what is sent on is thrown away, up to DRAINED bytes.

    A sender that is hung up on while it sends need not see the answer. One that asks first is told at once.
    """
    told = request.headers.get("content-length", "")
    received = int(told) if told.isdigit() and "expect" in request.headers else 0
    if received <= limit:
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received <= limit:
                yield chunk
            elif received > DRAINED:
                break
    if received > limit:
        raise TooLarge(f"The body is over {limit} bytes (OTEL_USAGE_MAX_RECORD_BODY_BYTES).")
