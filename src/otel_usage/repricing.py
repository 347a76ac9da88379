"""Repricing: calls that are stored are priced again, with the book and the rules in force now.

A call costs what was in force when it started; a later book may know better what that was. Rows are read by
day and page in the order of their key, priced as when they came, and compared. Applied, each row whose cost
changes is written as the next version of itself, after the version it replaces was kept in `usage_history`.

A run is a list of steps, each written after its page. One that was cut off goes on after its last step. The
page in which it was cut off is done again: rows that it has written are compared with what they were before
the run, so the sums are those of a run that was not cut off.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

import anyio
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import differences, identity, rfc3339
from otel_usage.differences import Difference
from otel_usage.drafts import replace
from otel_usage.horizon import Horizon
from otel_usage.ingest import Ingest
from otel_usage.model import OBSERVATIONS, Permanent, Retryable
from otel_usage.names import constant
from otel_usage.pricing import Pricer, price
from otel_usage.store import Store, history
from otel_usage.store.repricing import (
    DONE,
    RUNNING,
    RUNS,
    Cursor,
    Reprice,
    Step,
    find_steps,
    read_page,
    step_row,
)
from otel_usage.writer import Writer

PAGE_ROWS: Final = 20_000
"""Rows that are priced at a time: bounds the memory, and how long a commit waits for a page."""
MAX_DAYS: Final = 366
"""How far apart the first and the last call of a run may be."""

_DAY_NS: Final = 86_400 * 10**9
MAX_RANGE_NS: Final = MAX_DAYS * _DAY_NS
_ID_BYTES: Final = 8


class RunConflict(Permanent):
    """The run was begun with another request."""


class UnknownRun(Permanent):
    """There is no such run."""


@dataclass(frozen=True, slots=True)
class Repriced:
    """What a run did, or would do."""

    run_id: str
    """Empty: a dry run."""
    state: str
    rows: int
    """That were looked at."""
    changed: int
    differences: Sequence[Difference]
    author: str = ""
    reason: str = ""

    @property
    def total(self) -> Difference:
        """All differences together."""
        return differences.total(self.differences)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that were read together, and what is to be done about them."""

    rows: int
    replaced: pa.Table
    """VERSIONS whose cost changes."""
    usage: pa.Table
    """USAGE rows in their place."""
    differences: Sequence[Difference]
    after: Cursor


class Repricing:
    """Prices stored calls again."""

    def __init__(self, ingest: Ingest, store: Store, page_rows: int = PAGE_ROWS) -> None:
        self._ingest = ingest
        self._store = store
        self._page_rows = page_rows

    async def try_out(self, reprice: Reprice) -> Repriced:
        """What would change. Nothing is written. Raises Permanent for a range that is too long, Retryable."""
        _check(reprice, self._ingest.horizon)
        pricer, reader = self._ingest.pricer, Reader(self._store, reprice, "", self._page_rows)
        cursor, rows, found = _begin(reprice), 0, list[Difference]()
        while cursor.day_ns < reprice.to_ns:
            page = await anyio.to_thread.run_sync(reader.page, pricer, cursor)
            cursor, rows = page.after, rows + page.rows
            found = [*differences.merged([*found, *page.differences])]
        return Repriced("", DONE, rows, differences.total(found).rows, found)

    async def apply(self, reprice: Reprice, reason: str, author: str = "", run_id: str = "") -> Repriced:
        """Write what changes, page by page between commits; return when all of it is durable.

        With the `run_id` of a run that was cut off it goes on; of one that is done, it says what that did.
        Each page is priced with what is in force then. Raises Permanent for a range that is too long,
        RunConflict, Retryable.
        """
        run_id = run_id or f"run_{secrets.token_hex(_ID_BYTES)}"
        steps = await self._store.query(find_steps(reprice.tenant, run_id))
        if steps and steps[0].request != _text(reprice):
            raise RunConflict(f"The run {run_id} was begun with another request.", field="runId")
        if not steps:
            _check(reprice, self._ingest.horizon)
        last = steps[-1] if steps else Step(0, RUNNING, _text(reprice), "", 0, 0, "[]", author, reason)
        try:
            await self._finish(reprice, run_id, last, begun=bool(steps))
        except Retryable as error:
            raise Retryable(
                f"{error} The run {run_id} goes on where it stopped when it is asked for again.",
                retry_after=error.retry_after,
            ) from error
        return await self.state(reprice.tenant, run_id)

    async def state(self, tenant: str, run_id: str) -> Repriced:
        """What a run has done so far. Raises UnknownRun, Retryable."""
        steps = await self._store.query(find_steps(tenant, run_id))
        if not steps:
            raise UnknownRun(f"There is no repricing run {run_id}.", field="runId")
        found = differences.merged(each for step in steps for each in differences.from_text(step.differences))
        seen, changed = sum(step.seen for step in steps), sum(step.changed for step in steps)
        last = steps[-1]
        return Repriced(run_id, last.state, seen, changed, found, last.author, last.reason)

    async def _finish(self, reprice: Reprice, run_id: str, last: Step, *, begun: bool) -> None:
        if not begun:
            await self._ingest.in_writer(partial(self._note, reprice.tenant, run_id, last))
        while last.state != DONE:
            last = await self._ingest.in_writer(partial(self._take, reprice, run_id, last))

    def _take(self, reprice: Reprice, run_id: str, last: Step, writer: Writer) -> Step:
        """Do the page after a step, in the writer's thread: no commit comes between reading and writing."""
        cursor = _cursor(last.cursor) or _begin(reprice)
        if cursor.day_ns < writer.horizon.accepted_from_ns:  # rows may go: nobody writes to them any more
            cursor = Cursor(writer.horizon.accepted_from_ns)
        page = Reader(self._store, reprice, run_id, self._page_rows).page(writer.pricer, cursor)
        writer.rewrite(page.replaced, page.usage)
        step = Step(
            last.step + 1,
            RUNNING if page.after.day_ns < reprice.to_ns else DONE,
            last.request,
            _cursor_text(page.after),
            page.rows,
            differences.total(page.differences).rows,
            differences.to_text(page.differences),
            last.author,
            last.reason,
        )
        if page.rows or step.state == DONE:
            self._note(reprice.tenant, run_id, step, writer)
        return step

    def _note(self, tenant: str, run_id: str, step: Step, _: Writer) -> None:
        self._store.append(RUNS, step_row(tenant, run_id, step))


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the rows that are meant, and prices them anew."""

    store: Store
    reprice: Reprice
    run_id: str
    """Empty: a dry run."""
    page_rows: int

    def page(self, pricer: Pricer, after: Cursor) -> Page:
        """The next page after a place. Raises Retryable if the store cannot answer."""
        midnight = after.day_ns + _DAY_NS
        asked = read_page(self.reprice, after, midnight, self.run_id, self.page_rows)
        rows = history.versions(self.store.fetch(asked))
        usage = price(_observations(rows), pricer)
        changed = differences.changed(rows, usage)
        return Page(
            rows=rows.num_rows,
            replaced=rows.filter(changed),
            usage=_revised(usage.filter(changed), self.run_id),
            differences=differences.compare(self._before(rows), usage),
            after=_last(rows, after.day_ns) if rows.num_rows == self.page_rows else Cursor(midnight),
        )

    def _before(self, rows: pa.Table) -> pa.Table:
        """The rows as they were before the run: those that it has written are found in the history."""
        if not self.run_id:
            return rows
        own = np.flatnonzero(_of_run(rows, self.run_id).to_numpy(zero_copy_only=False))
        if not len(own):
            return rows
        wanted = history.keys(rows.take(pa.array(own)))
        kept = history.find(self.store, history.TABLE, self.reprice.tenant, wanted)
        kept = kept.filter(pc.invert(_of_run(kept, self.run_id))).sort_by("version")
        latest = {key: row for row, key in enumerate(history.keys(kept), rows.num_rows)}
        places = np.arange(rows.num_rows)
        places[own] = [latest.get(key, row) for key, row in zip(wanted, own.tolist(), strict=True)]
        return pa.concat_tables([rows, kept]).unify_dictionaries().combine_chunks().take(pa.array(places))


def _of_run(rows: pa.Table, run_id: str) -> pa.Array:
    return pc.equal(rows["price_run"].cast(pa.string()), run_id).combine_chunks()


def _observations(rows: pa.Table) -> pa.Table:
    request = pa.array(np.zeros(rows.num_rows, np.int64))
    columns = [request if field.name == "request" else rows[field.name] for field in OBSERVATIONS]
    return pa.Table.from_arrays(columns, schema=OBSERVATIONS).unify_dictionaries().combine_chunks()


def _revised(usage: pa.Table, run_id: str) -> pa.Table:
    """The rows as their next versions, of this run."""
    versions = identity.revised(usage["version"].to_numpy())
    usage = replace(usage, "version", pa.array(versions, pa.uint64()))
    return replace(usage, "price_run", constant(run_id, usage.num_rows).array())


def _last(rows: pa.Table, day_ns: int) -> Cursor:
    key = history.keys(rows.slice(rows.num_rows - 1))[0]
    return Cursor(day_ns, key.account_id, key.hour, key.call_id)


def _begin(reprice: Reprice) -> Cursor:
    return Cursor(reprice.from_ns // _DAY_NS * _DAY_NS)


def _check(reprice: Reprice, horizon: Horizon) -> None:
    if reprice.from_ns < horizon.accepted_from_ns:
        first = rfc3339.render(horizon.accepted_from_ns)
        raise Permanent(f"Rows of calls before {first} are no longer kept.", field="from")
    if not reprice.from_ns < reprice.to_ns <= reprice.from_ns + MAX_RANGE_NS:
        raise Permanent(f"The range must end after it begins, at most {MAX_DAYS} days later.", field="to")


def _text(reprice: Reprice) -> str:
    return json.dumps(asdict(reprice))


def _cursor_text(cursor: Cursor) -> str:
    return json.dumps(asdict(cursor) | {"call_id": cursor.call_id.hex()})


def _cursor(text: str) -> Cursor | None:
    if not text:
        return None
    told = json.loads(text)
    return Cursor(**told | {"call_id": bytes.fromhex(told["call_id"])})
