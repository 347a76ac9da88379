"""Seconds of audio, as emitters and callers write them, to whole nanoseconds."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from math import isfinite, isnan
from typing import Final

from otel_usage.attributes import MAX_AUDIO_SECONDS
from otel_usage.model import Scalar

_NANOSECOND: Final = Decimal("1e-9")
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,30})?")


def nanoseconds(seconds: Decimal) -> int:
    """Seconds in whole nanoseconds, rounded half to even. Between 0 and MAX_AUDIO_SECONDS."""
    return int(seconds.quantize(_NANOSECOND, ROUND_HALF_EVEN).scaleb(9))


def duration(value: Scalar) -> int | None:
    """Seconds as any emitter writes them, in nanoseconds.

    None: not reported (absent, empty or NaN); negative: no duration, or one above MAX_AUDIO_SECONDS.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool | bytes):
        return -1
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else -1
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return -1
    # The shortest text of a double is the number that its writer meant.
    seconds = Decimal(repr(value) if isinstance(value, float) else value)
    return nanoseconds(seconds) if 0 <= seconds <= MAX_AUDIO_SECONDS else -1
