"""The lines of a receipt: what was used, at which unit price, and what that comes to."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from otel_usage.api.encoding import Value
from otel_usage.pricing import rate
from otel_usage.pricing.rate import HOUR_NS, Line

REPORTED: Final = "{}"
"""The unit prices of a call that costs what its emitter reports: none."""

_NS: Final = 1_000_000_000
_SECONDS: Final = {"input_audio_ns": "input_audio_seconds", "output_audio_ns": "output_audio_seconds"}


def line_items(
    quantities: Mapping[str, int | None], prices: str, cost: Decimal | None
) -> Sequence[Value] | None:
    """The lines that `cost` is the sum of. `prices`: the JSON of the row.

    None where the cost is unknown, and of rows that were priced before unit prices were kept.
    """
    if cost is None or not prices:
        return None
    if prices == REPORTED:
        return [_item("reported", Decimal(1), cost, 1, cost, cost)]
    known = {name: quantity for name, quantity in quantities.items() if quantity is not None}
    return [_line(line) for line in rate.lines(known, rate.from_text(prices))]


def _line(line: Line) -> Value:
    if line.per == HOUR_NS:
        seconds = Decimal(line.quantity) / _NS
        return _item(_SECONDS[line.unit], seconds, line.price, HOUR_NS // _NS, None, line.amount)
    return _item(line.unit, Decimal(line.quantity), line.price, line.per, line.unit_price, line.amount)


def _item(  # noqa: PLR0913, PLR0917 (the columns of a receipt)
    unit: str, quantity: Decimal, price: Decimal, per: int, unit_price: Decimal | None, amount: Decimal
) -> Value:
    return {
        "unit": unit,
        "quantity": quantity,
        "price": price,
        "per": per,
        # Of a second of audio it need not be finite.
        "unitPrice": unit_price,
        "amount": amount,
    }
