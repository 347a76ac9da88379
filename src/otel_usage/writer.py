"""From requests to durable rows, in one thread: read, resolve, price, insert; and only then an answer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import batch, erased_rows, resolve
from otel_usage.batch import Batch, Clock, Export
from otel_usage.chains import Keys
from otel_usage.config import Settings
from otel_usage.drafts import no_keys, replace
from otel_usage.erased import Erased
from otel_usage.horizon import Horizon
from otel_usage.ledger import EmitterOutcome, Ledger
from otel_usage.lineage import span_keys, trace_keys
from otel_usage.model import OBSERVATIONS, USAGE, Outcome
from otel_usage.names import Names, constant, where
from otel_usage.pricing import Pricer, price
from otel_usage.recent import STORED, Recent
from otel_usage.resolve import INFERENCE, ROLES, ROLLUP, Resolution
from otel_usage.store import Store, history
from otel_usage.store.unsettled import Unsettled, read_claims, read_observations
from otel_usage.waiting import Waiting

_NS: Final = 1_000_000_000
_BLANK: Final = {
    field.name: None if field.nullable else 0 if pa.types.is_integer(field.type) else "" for field in USAGE
} | {
    "started_at": 0,
    "call_id": bytes(16),
    "is_deleted": 1,
    "role": "inference",
    "signal": "span",
    "context": "system",
    "trace_id": bytes(16),
    "span_id": bytes(8),
    "parent_span_id": bytes(8),
    "unpriced_reason": "moved",
}


@dataclass(frozen=True, slots=True)
class Record:
    """An OBSERVATIONS row told over REST."""

    observation: pa.Table


Request: TypeAlias = Export | Record
Answer: TypeAlias = Outcome | pa.Table
"""Of an Export its Outcome, of a Record its USAGE row."""


class Writer:
    """Writes to the store, and remembers what it wrote, so that what comes later finds its call.

    For one thread at a time.
    """

    def __init__(self, settings: Settings, store: Store, pricer: Pricer, ledger: Ledger) -> None:
        self._settings = settings
        self._store = store
        self.pricer = pricer
        """What prices rows. Another may be set: it prices from the next commit on."""
        self.horizon = Horizon()
        """Which calls are too old. Another may be set: it holds from the next commit on."""
        self.erased = Erased()
        """Whose calls are stored under a pseudonym. Others may be set: they hold from the next commit on."""
        self._ledger = ledger
        self._recent = Recent(settings.memory_rows)
        self._claims: list[pa.Table] = []  # in memory, and not stored yet
        self.unsettled = Waiting()
        """What it has found to be resolved from the store."""

    @property
    def name(self) -> str:
        """The name under which it writes: rows of one name have been resolved together."""
        return self._recent.writer

    def write(self, requests: Sequence[Request]) -> Sequence[Answer]:
        """Make requests durable together; the answer to each.

        Raises Permanent if one of them cannot be decoded, TooMany if they are too many rows, Retryable if the
        store takes nothing now.
        """
        exports = [each for each in requests if isinstance(each, Export)]
        clock = Clock(time.time_ns(), int(self._settings.max_clock_skew * _NS), self.horizon.accepted_from_ns)
        came = batch.read(exports, clock, self._settings.commit_rows)
        self._note(came)
        fresh = replace(
            came.observations, "writer", constant(self._recent.writer, len(came.observations)).array()
        )
        resolution, known = self._resolve(fresh, came.paths.traces)
        records = [each.observation for each in requests if isinstance(each, Record)]
        told = _best(records)
        usage, outdone = self._insert([resolution.rows, *told], resolution.tombstones, came.points)
        self._recent.remember(resolution.rows, known=known)
        self._refresh(outdone)
        self.unsettled.rollups(resolution.rows, time.time() + self._settings.rollup_delay)
        self._account(came, resolution, len(records), len(told))
        outcomes = iter(came.outcomes(resolution.roles))
        return [
            next(outcomes) if isinstance(request, Export) else _row(usage, request.observation)
            for request in requests
        ]

    def settle(self, unsettled: Sequence[Unsettled]) -> int:
        """Resolve stored observations that have not met; how many rows were written anew.

        Raises Retryable if the store cannot answer, or takes nothing now.
        """
        written = 0
        for tenant in sorted({each.tenant for each in unsettled}):
            mine = [each for each in unsettled if each.tenant == tenant]
            self._recall(tenant, mine)
            known = _observations(self._store.fetch(read_observations(tenant, mine)))
            known, again = erased_rows.apart(known, self.erased)
            due = np.isin(_hex(known["trace_id"]), [each.key for each in mine if each.due])
            resolution = resolve.resolve(known, _nothing(), self._recent.lineage, due)
            tombstones = pa.concat_tables([resolution.tombstones, again])
            _, outdone = self._insert([resolution.rows], tombstones)
            self._recent.remember(resolution.rows, known=True)
            self._refresh(outdone)
            written += resolution.rows.num_rows
        self._ledger.amend(written)
        return written

    def rewrite(self, replaced: pa.Table, usage: pa.Table) -> None:
        """Write USAGE rows in the place of stored VERSIONS, which are kept first.

        Those of an account that was erased since they were read are written, and kept, as erased ones.
        Rows that no sweep would look at any more lose the name of their writer: written now, they would be
        looked at again. Raises Retryable if the store takes nothing now.
        """
        if not usage.num_rows:
            return
        erased = self.erased  # one and the same for both: another may be set meanwhile
        history.keep(self._store, erased.rows(replaced))
        usage = erased.rows(usage)
        horizon_ms = int((time.time() - self._settings.sweep_horizon) * 1_000)
        settled = replaced["inserted_at"].cast(pa.int64()).to_numpy() < horizon_ms
        nobody = constant("", usage.num_rows)
        writer = where(settled, nobody, Names.of(usage["writer"].unify_dictionaries()))
        self._store.insert(replace(usage, "writer", writer.array()))
        self._refresh(usage)

    def _refresh(self, usage: pa.Table) -> None:
        """Remember anew what of these rows is remembered: a later version must be higher than theirs."""
        if not usage.num_rows:
            return
        rows = _observations(usage)
        known = self._recent.involved(rows, np.zeros(0, np.uint64)).known
        remembered = pc.is_in(rows["call_id"], value_set=_column(known, "call_id"))
        self._recent.remember(erased_rows.recalled(rows.filter(remembered), known), known=True)

    def _note(self, came: Batch) -> None:
        """Take note of who is whose child, and of who says who pays."""
        lineage = self._recent.lineage
        lineage.note(came.paths.spans, came.paths.parents)
        claims = came.claims
        if claims.num_rows:
            traces = trace_keys(Names.of(claims["tenant"]), _column(claims, "trace_id"))
            new = lineage.claim(span_keys(traces, _column(claims, "span_id")), traces, claims)
            if len(new):
                self._claims.append(claims.take(pa.array(new)))

    def _recall(self, tenant: str, unsettled: Sequence[Unsettled]) -> None:
        """Learn what the traces claim from the store."""
        stored = self._store.fetch(read_claims(tenant, unsettled))
        if not stored.num_rows:
            return
        owner = Names.of(constant(tenant, stored.num_rows).array())
        traces = trace_keys(owner, _column(stored, "trace_id").cast(pa.binary(16)))
        nowhere = np.zeros(stored.num_rows, np.uint64)
        self._recent.lineage.claim(nowhere, traces, stored)

    def _resolve(self, fresh: pa.Table, touched: Keys) -> tuple[Resolution, bool]:
        """What to write of what came, and whether stored observations have to do with it."""
        roles = np.where(Names.of(fresh["role"]).is_one_of((ROLES[ROLLUP],)), ROLLUP, INFERENCE)
        involved = self._recent.involved(fresh, touched)
        self.unsettled.forgotten(fresh, involved)
        known = involved.known
        if not involved.rows.any() and not known.num_rows:
            return Resolution(fresh, no_keys(), roles), False
        mask = pa.array(involved.rows)
        resolution = resolve.resolve(known, fresh.filter(mask), self._recent.lineage)
        roles[involved.rows] = resolution.roles
        alone = fresh.filter(pc.invert(mask))
        rows = pa.concat_tables([alone, resolution.rows]) if alone.num_rows else resolution.rows
        return Resolution(rows, resolution.tombstones, roles), bool(known.num_rows)

    def _insert(
        self, observations: Sequence[pa.Table], tombstones: pa.Table, points: pa.Table | None = None
    ) -> tuple[pa.Table, pa.Table]:
        """Price and store. Claims and points first: they charge nothing.

        The USAGE rows, and the VERSIONS that are stored in the place of some and are higher.
        """
        erased = self.erased  # one and the same for all: another may be set meanwhile
        if self._claims:
            claims = erased.claims(pa.concat_tables(self._claims).unify_dictionaries().combine_chunks())
            if claims.num_rows:
                self._store.insert_claims(_stored_claims(claims, self._recent.writer))
            self._claims.clear()
        if points is not None and points.num_rows:
            self._store.insert_points(points)
        rows = erased.rows(_joined(observations))
        tombstones = erased.keys(tombstones, rows)
        usage = price(rows, self.pricer)
        gone = [_deleted(tombstones)] if tombstones.num_rows else []
        news = history.news(self._store, pa.concat_tables([usage, *gone]), time.time_ns())
        if news.rows.num_rows:
            self._store.insert(news.rows)
        return usage, news.outdone

    def _account(self, came: Batch, resolution: Resolution, records: int, told: int) -> None:
        """Enter in the ledger what became of everything."""
        outcomes = [*came.emitters(resolution.roles)]
        if records:
            outcomes.append(
                EmitterOutcome("record", "", received=records, stored=told, duplicate=records - told)
            )
        self._ledger.add(outcomes)
        self._ledger.amend(int((resolution.rows["request"].to_numpy() == STORED).sum()))


def _observations(stored: pa.Table) -> pa.Table:
    """Stored rows as OBSERVATIONS."""
    columns = [
        pa.array(np.full(stored.num_rows, STORED))
        if field.name == "request"
        else _stored_column(stored, field)
        for field in OBSERVATIONS
    ]
    return pa.Table.from_arrays(columns, schema=OBSERVATIONS)


def _hex(ids: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    return np.array([each.hex() for each in ids.to_pylist()], np.object_)


def _stored_column(stored: pa.Table, field: pa.Field) -> pa.Array:
    column = _column(stored, field.name)
    if pa.types.is_dictionary(field.type):  # ClickHouse's dictionaries begin with a text that may not be used
        return column.cast(pa.string()).dictionary_encode()
    return column.cast(field.type)


def _stored_claims(claims: pa.Table, writer: str) -> pa.Table:
    names = ("tenant", "trace_id", "account_id", "context", "transaction_id")
    return claims.select(names).append_column("writer", constant(writer, claims.num_rows).array())


def _deleted(tombstones: pa.Table) -> pa.Table:
    """USAGE rows that delete these keys."""
    blank = pa.Table.from_pylist([_BLANK] * tombstones.num_rows, schema=USAGE)
    for name in tombstones.column_names:
        blank = replace(blank, name, _column(tombstones, name))
    return blank


def _best(records: Sequence[pa.Table]) -> Sequence[pa.Table]:
    """Of records of one call, the one that counts."""
    best: dict[bytes, pa.Table] = {}
    for record in records:
        call: bytes = record["call_id"][0].as_py()
        if call not in best or record["version"][0].as_py() > best[call]["version"][0].as_py():
            best[call] = record
    return list(best.values())


def _row(usage: pa.Table, observation: pa.Table) -> pa.Table:
    """The row of the call that the observation is of."""
    return usage.filter(pc.equal(usage["call_id"], observation["call_id"][0]))


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    some = [table for table in tables if table.num_rows]
    if not some:
        return _nothing()
    return pa.concat_tables(some).unify_dictionaries().combine_chunks()


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


@cache
def _nothing() -> pa.Table:
    return OBSERVATIONS.empty_table()
