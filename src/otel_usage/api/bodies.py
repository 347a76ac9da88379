"""JSON bodies: from text to a checked model, or to what is wrong with which field."""

import difflib
import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn, TypeVar

import pydantic_core
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from otel_usage.api.problems import Fault, Invalid
from otel_usage.model import Permanent

_SHOWN: Final = 40  # characters of a number that is none

Body = TypeVar("Body", bound=BaseModel)


def parse(text: bytes, model: type[Body], what: str, **context: object) -> Body:
    """The body as `model`. Numbers with a fraction are Decimal. `what` it is, for a field that is not known.

    Raises Permanent for what is no JSON object, Invalid with every fault.
    """
    try:
        pydantic_core.from_json(text, allow_inf_nan=False)  # it refuses what is no Unicode too
        fields = json.loads(text, parse_float=_fraction, parse_constant=_refuse, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:
        raise Permanent(f"The body is not JSON: {error}.") from None
    if not isinstance(fields, dict):
        raise Permanent("The body is JSON, but not an object.")
    try:
        return model.model_validate(fields, context=context)
    except ValidationError as error:
        told = error.errors(include_url=False)
        raise Invalid([_fault(details, model, what) for details in told]) from None


def wrong(message: str) -> PydanticCustomError:
    """What a validator raises: what is wrong with a field, in our words."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Of a field that is there twice no one could say which is meant."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        raise Invalid([Fault(name, "is there more than once") for name in fields if counts[name] > 1])
    return fields


def _fraction(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:_SHOWN]} is out of range") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _fault(details: ErrorDetails, model: type[BaseModel], what: str) -> Fault:
    field = ".".join(map(str, details["loc"]))
    if details["type"] != "extra_forbidden":
        # A field that is left out is told by its name in our code.
        named = model.model_fields.get(field)
        return Fault((named.alias if named else None) or field, details["msg"])
    known = [info.alias or name for name, info in model.model_fields.items()]
    meant: list[Any] = difflib.get_close_matches(field, known, n=1)
    return Fault(field, f"is not a field of {what}{f'; is {meant[0]} meant?' if meant else ''}")
