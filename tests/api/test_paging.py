"""Pages: the same rows as one long list, found in spans of days that double."""

import itertools
import random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.api.paging import page, spans
from otel_usage.store import Store
from otel_usage.store.pieces import DAY_NS
from otel_usage.store.queries import Place, UsageFilter, list_usage
from tests.store.rows import NOON, usage

_MIDNIGHT: Final = NOON // DAY_NS * DAY_NS
_ANY: Final = UsageFilter("default")


def test_spans_begin_with_the_day_of_today_and_double() -> None:
    found = list(spans(_ANY, None, NOON))
    assert [(each.from_ns, each.to_ns) for each in found[:3]] == [
        (_MIDNIGHT, None),  # what starts tomorrow by the clock of its sender is in it
        (_MIDNIGHT - 2 * DAY_NS, _MIDNIGHT),
        (_MIDNIGHT - 6 * DAY_NS, _MIDNIGHT - 2 * DAY_NS),
    ]
    assert found[-1].from_ns is None
    assert len(found) < 15  # until 2020


def test_spans_go_on_where_a_page_ended() -> None:
    first, *_ = spans(_ANY, Place(_MIDNIGHT, b""), NOON)
    assert (first.from_ns, first.to_ns) == (_MIDNIGHT, _MIDNIGHT + 1)
    first, *_ = spans(_ANY, Place(_MIDNIGHT - 1, b""), NOON)
    assert (first.from_ns, first.to_ns) == (_MIDNIGHT - DAY_NS, _MIDNIGHT)


_times = st.none() | st.integers(NOON - 900 * DAY_NS, NOON + DAY_NS)


@given(begin=_times, end=_times, after=_times)
def test_spans_are_all_of_what_is_asked_for_and_each_moment_once(
    begin: int | None, end: int | None, after: int | None
) -> None:
    if begin is not None and end is not None and begin >= end:
        return
    asked = UsageFilter("default", from_ns=begin, to_ns=end)
    found = list(spans(asked, None if after is None else Place(after, b""), NOON))
    ends = [each for each in (end, None if after is None else after + 1) if each is not None]
    assert found[0].to_ns == min(ends, default=None)
    assert found[-1].from_ns == begin
    assert all(later.from_ns == earlier.to_ns for later, earlier in itertools.pairwise(found))


@pytest.mark.anyio
async def test_pages_put_together_are_the_list(store: Store) -> None:
    rng = random.Random(5)
    starts = [NOON - int(rng.paretovariate(0.4) * DAY_NS / 3) % (800 * DAY_NS) for _ in range(200)]
    store.insert(usage(*({"call": n, "started_at": start} for n, start in enumerate(starts))))
    whole = await store.query(list_usage(_ANY, 1_000))
    paged, after = [], None
    while part := await page(store, _ANY, 17, after, NOON):
        paged += part
        after = Place(part[-1].started_at_ns, part[-1].call_id)
    assert paged == whole
    assert len(whole) == 200
