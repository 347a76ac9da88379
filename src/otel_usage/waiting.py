"""What waits to be resolved from the store: what the memory forgot, and roll-ups that are not due yet."""

import heapq
import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from otel_usage.identity import ROLLUP_RANK, ranks
from otel_usage.names import Mask, Names
from otel_usage.recent import Involved
from otel_usage.store.unsettled import Unsettled

MOST: Final = 65_536
"""What may wait at once. What is sent again after it was forgotten waits too, in vain: beyond this the new is
not taken, and counted."""
NEAR_NS: Final = 86_400 * 1_000_000_000
"""How far in time from an observation those of its call and trace are looked for."""

_Entry = tuple[float, int, Unsettled]


class Waiting:
    """What is unsettled, by when it is due. The writer's thread puts in, the event loop takes out."""

    def __init__(self) -> None:
        self.lost = 0
        """How often there was no room."""
        self._lock = threading.Lock()
        self._heap: list[_Entry] = []
        self._numbers = itertools.count()

    def forgotten(self, observations: pa.Table, involved: Involved) -> None:
        """Observations that came and that may have to do with forgotten ones."""
        for by, mask in (
            ("trace", involved.by_trace),
            ("call", involved.by_call),
            ("numbers", involved.by_numbers),
        ):
            if mask.any():
                self._put(0.0, _unsettled(observations, mask, by, due=False))

    def rollups(self, written: pa.Table, due: float) -> None:
        """Roll-ups as they were written; `due` in seconds since 1970."""
        rollup = (ranks(written["version"].to_numpy()) == ROLLUP_RANK) & _is(written, "role", "rollup")
        rollup &= _is(written, "usage_status", "reported")
        if rollup.any():
            self._put(due, _unsettled(written, rollup, "trace", due=True))

    def take(self, now: float, limit: int) -> Sequence[Unsettled]:
        """What is due at `now`, in seconds since 1970: at most `limit`, each once."""
        taken: dict[Unsettled, None] = {}
        with self._lock:
            while self._heap and self._heap[0][0] <= now and len(taken) < limit:
                taken[heapq.heappop(self._heap)[2]] = None
        return list(taken)

    def _put(self, due: float, entries: Iterator[Unsettled]) -> None:
        with self._lock:
            for entry in entries:
                if len(self._heap) >= MOST:
                    self.lost += 1
                else:
                    heapq.heappush(self._heap, (due, next(self._numbers), entry))


def _is(table: pa.Table, column: str, name: str) -> Mask:
    return Names.of(table[column].combine_chunks()).is_one_of((name,))


def _unsettled(table: pa.Table, rows: Mask, by: str, *, due: bool) -> Iterator[Unsettled]:
    """One for each trace, call or number: all observations of it are looked at together."""
    some = table.filter(pa.array(rows))
    started = some["started_at"].to_numpy().astype(np.int64)
    names = ("tenant", "trace_id", "call_id", "service_name", "input_tokens")
    columns = (some[name].to_pylist() for name in names)
    times: dict[tuple[str, str], tuple[int, int]] = {}
    for tenant, trace, call, service, tokens, at in zip(*columns, started.tolist(), strict=True):
        of = (tenant, {"trace": trace.hex(), "call": call.hex(), "numbers": f"{service}/{tokens}"}[by])
        first, last = times.get(of, (at, at))
        times[of] = min(first, at), max(last, at)
    for (tenant, key), (first, last) in times.items():
        yield Unsettled(by, tenant, key, first - NEAR_NS, last + NEAR_NS, int(due))
