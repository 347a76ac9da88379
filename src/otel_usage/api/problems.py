"""What a caller is told when there is no answer: problem details (RFC 9457), with `success: false`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from otel_usage.api import encoding
from otel_usage.api.encoding import Value
from otel_usage.model import Permanent, Retryable
from otel_usage.otlp import responses

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request: in which field, parameter or header, and what."""

    field: str
    detail: str

    def __str__(self) -> str:
        return f"{self.field}: {self.detail}"


class Invalid(Permanent):
    """A request with faults, all of which are told."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)), field=faults[0].field)
        self.faults = faults


class Conflict(Permanent):
    """The request contradicts what is stored."""


def response(error: Exception) -> Response:
    """The answer to a request that failed with `error`. One that is a fault of ours is logged here."""
    if isinstance(error, HTTPException):
        return _response(error.status_code, error.detail, headers=error.headers)
    if not isinstance(error, Permanent | Retryable):
        structlog.get_logger().error("request failed", wire="api", exc_info=error)
    status = HTTPStatus.CONFLICT if isinstance(error, Conflict) else responses.codes(error).http
    faults = error.faults if isinstance(error, Invalid) else _faults(error)
    return _response(status, responses.message(error), faults, responses.headers(error))


def _faults(error: Exception) -> Sequence[Fault]:
    if isinstance(error, Permanent) and error.field:
        return [Fault(error.field, str(error))]
    return []


def _response(
    status: int, detail: str, faults: Sequence[Fault] = (), headers: Mapping[str, str] | None = None
) -> Response:
    problem: dict[str, Value] = {
        "success": False,
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if faults:
        problem["errors"] = [{"field": fault.field, "detail": fault.detail} for fault in faults]
    return Response(encoding.to_json(problem), status_code=status, headers=headers, media_type=MEDIA_TYPE)
