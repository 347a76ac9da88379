"""JSON out, with money exact: a Decimal is written as the number it is, digit by digit, never as a float."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

Value = None | bool | int | str | Decimal | Sequence["Value"] | Mapping[str, "Value"]


def to_json(value: Value) -> bytes:
    """`value` as JSON text in UTF-8."""
    return _text(value).encode()


def _text(value: Value) -> str:
    match value:
        case Decimal():
            return _number(value)
        case None | bool() | int() | str():
            return json.dumps(value, ensure_ascii=False)
        case Mapping():
            members = (
                f"{json.dumps(name, ensure_ascii=False)}:{_text(member)}" for name, member in value.items()
            )
            return f"{{{','.join(members)}}}"
        case Sequence():
            return f"[{','.join(map(_text, value))}]"
    raise TypeError(f"{type(value).__name__} has no JSON form.")


def _number(money: Decimal) -> str:
    """0.0085 for 0.008500000000000000, 0.0000001 for 1E-7."""
    plain = format(money, "f")  # not normalize(): that rounds to the context's precision
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
