"""From a handler to an answer: what it returns becomes JSON, what it raises becomes a problem."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from otel_usage.api import encoding, problems
from otel_usage.api.encoding import Value
from otel_usage.model import TooLarge
from otel_usage.otlp.body import JSON, UnsupportedMediaType

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
    async for chunk in request.stream():
        text += chunk
        if len(text) > limit:
            raise TooLarge(f"The body is over {limit} bytes (OTEL_USAGE_MAX_RECORD_BODY_BYTES).")
    return bytes(text)
