"""Where a page of a list begins: opaque to callers, and good for ever, whatever comes in between."""

import re
from typing import Final

from otel_usage.store.queries import Place, UsageRow

_FORM: Final = re.compile(r"(\d{1,19})-([0-9a-f]{32})", re.ASCII)
_LATEST_NS: Final = 2**63 - 2


def of(row: UsageRow) -> str:
    """The cursor of the page after a row."""
    return f"{row.started_at_ns}-{row.call_id.hex()}"


def parse(cursor: str) -> Place | None:
    """The place that a cursor names; None if it is none."""
    found = _FORM.fullmatch(cursor)
    if found is None or int(found[1]) > _LATEST_NS:
        return None
    return Place(int(found[1]), bytes.fromhex(found[2]))
