"""A page of the list of calls: the newest days first, in spans that double until there is enough of them.

A page is sorted from all calls of a span, so the first is of one day. What it costs does not depend on how
far back it is, nor on how many calls there are beyond it.
"""

from collections.abc import Iterator
from dataclasses import replace

from otel_usage.model import EARLIEST_NS
from otel_usage.store import Store
from otel_usage.store.pieces import DAY_NS
from otel_usage.store.queries import Place, UsageFilter, UsageRow, list_usage


async def page(
    store: Store, usage: UsageFilter, limit: int, after: Place | None, now_ns: int
) -> list[UsageRow]:
    """The newest rows, or the newest that come after a place: `limit` of them, or all there are."""
    rows: list[UsageRow] = []
    for span in spans(usage, after, now_ns):
        rows += await store.query(list_usage(span, limit - len(rows), after))
        if len(rows) >= limit:
            break
    return rows


def spans(usage: UsageFilter, after: Place | None, now_ns: int) -> Iterator[UsageFilter]:
    """The calls that `usage` means, by spans of whole UTC days, the latest first: of 1, 2, 4, 8, ... days."""
    after_ns = None if after is None else after.started_at_ns + 1
    end_ns = min((end for end in (usage.to_ns, after_ns) if end is not None), default=None)
    first_ns = EARLIEST_NS if usage.from_ns is None else usage.from_ns
    begin_ns = (now_ns if end_ns is None else end_ns - 1) // DAY_NS * DAY_NS
    days = 1
    while begin_ns > first_ns:
        yield replace(usage, from_ns=begin_ns, to_ns=end_ns)
        days *= 2
        begin_ns, end_ns = begin_ns - days * DAY_NS, begin_ns
    yield replace(usage, to_ns=end_ns)
