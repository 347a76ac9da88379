"""Times in JSON: RFC 3339 to and from whole nanoseconds, in UTC."""

import re
from datetime import UTC, datetime
from typing import Final

_NS: Final = 1_000_000_000
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse(text: str) -> int:
    """Nanoseconds since 1970. Raises ValueError for anything but an RFC 3339 time of at most nanoseconds."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("is not an RFC 3339 time, such as 2026-11-23T09:30:00Z")
    date, time, fraction, offset = found.groups()
    try:
        second = datetime.fromisoformat(f"{date}T{time}{offset.upper()}")
    except ValueError:
        raise ValueError("is a time that does not exist") from None
    past = second - _EPOCH
    return (past.days * 86_400 + past.seconds) * _NS + int((fraction or "").ljust(9, "0"))


def render(ns: int) -> str:
    """`2026-11-23T09:30:00.125Z`: as many digits as it has, in threes."""
    seconds, fraction = divmod(ns, _NS)
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    second = datetime.fromtimestamp(seconds, UTC)
    return f"{second:%Y-%m-%dT%H:%M:%S}{'.' if digits else ''}{digits}Z"
