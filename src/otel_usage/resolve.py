"""One call, one charge: of several observations of a call, the one that counts; and for each call who pays.

`resolve` looks at the observations of some calls and traces together, those that are stored and those that
have just come, and says what is to be written. It gives the same answer whatever the order in which they
came, and nothing to write where nothing changes.

- The same span seen again, or the same event: one observation, the better of them.
- One response id, or kinship (`kinship`): one call. The observation of the highest merit counts
  (`identity.versions`), the others are its duplicates. Where one emitter saw several calls among kin, each of
  those counts.
- A model call whose counts are the sums of several calls below it is a roll-up.
- A roll-up is covered if a call below it reports usage. One that is due and not covered is charged itself,
  until such a call comes; one that is above another and not smaller covers that.
- A call without a payer of its own has the nearest one above it, else that of a duplicate, else its
  resource's, else the one that all of its trace name, if they name one (`payment`).

The row of a call has the identity of the call; the row of a duplicate has that of its span.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage import calls, identity, payment
from otel_usage.ancestry import NONE, Ancestry, Path, trace_up
from otel_usage.chains import Keys
from otel_usage.drafts import Drafts, no_keys, written
from otel_usage.kinship import Facts
from otel_usage.lineage import ROOT, Lineage, span_keys, trace_keys
from otel_usage.model import CALL_ID
from otel_usage.names import Mask, Names, Rows, choose

ROLES: Final = ("inference", "rollup", "duplicate")
INFERENCE, ROLLUP, DUPLICATE = range(3)

_Words = npt.NDArray[np.uint64]
_FACTOR: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is to be written, and what the observations that came are."""

    rows: pa.Table
    """OBSERVATIONS: those that came and count, and stored ones that changed."""
    tombstones: pa.Table
    """KEYS of rows that have moved to another key."""
    roles: Rows
    """Per observation that came, its number in ROLES. One that came before is a duplicate."""


def resolve(known: pa.Table, fresh: pa.Table, lineage: Lineage, due: Mask | None = None) -> Resolution:
    """Resolve OBSERVATIONS: `known` as they are stored, `fresh` as extracted.

    All of a call and of a trace that is to be seen together must be there. `due` marks the known roll-ups
    that have waited long enough for the calls below them.
    """
    table = pa.concat_tables([known, fresh]).unify_dictionaries().combine_chunks()
    if not len(table):
        return Resolution(fresh, no_keys(), np.zeros(0, np.int64))
    came = np.arange(len(table)) >= known.num_rows
    ids, version = _Ids.of(table), table["version"].to_numpy()
    best, replaced = _observations(ids.own, version, came)
    kept = np.unique(best)
    late = (
        np.append(due, np.zeros(fresh.num_rows, np.bool_))
        if due is not None
        else np.zeros(len(table), np.bool_)
    )
    view = _View.of(table.take(pa.array(kept)), ids.take(kept), lineage, late[kept])
    final, role = _calls(view)
    columns, changed = _columns(view, final, role, lineage)
    mine = came[kept]
    drafts = Drafts(
        table=view.table,
        columns=columns,
        changed=changed,
        came=mine,
        stored=np.where(mine, replaced[kept], kept),
        revision=_revisions(ids.origin, version, came)[kept],
    )
    rows, tombstones = written(drafts, table, np.setdiff1d(np.flatnonzero(~came), kept))
    roles = np.full(fresh.num_rows, DUPLICATE)
    roles[kept[mine] - known.num_rows] = role[mine]
    return Resolution(rows, tombstones, roles)


@dataclass(frozen=True, slots=True)
class _Ids:
    """Per row: `own`, of the observation; `origin`, of its call as the row alone says it. Two words each."""

    own: _Words
    origin: _Words
    identified: Mask

    @classmethod
    def of(cls, table: pa.Table) -> "_Ids":
        call, tenant = _words(table["call_id"]), _column(table, "tenant")
        response_id = _column(table, "response_id")
        # The response id that a roll-up may carry is that of one of its calls.
        rollup = identity.ranks(table["version"].to_numpy()) == identity.ROLLUP_RANK
        identified = identity.is_unique(response_id) & ~rollup
        is_span = Names.of(table["signal"]).is_one_of(("span",))
        by_response = identity.call_ids(tenant, "response", response_id)
        by_span = identity.span_call_ids(tenant, _column(table, "trace_id"), _column(table, "span_id"))
        own = _words(by_span)
        if not is_span.all():
            by_event = _words(identity.call_ids(tenant, "event", by_response.cast(pa.binary())))
            own = np.where(is_span[:, None], own, np.where(identified[:, None], by_event, call))
        return cls(own, np.where(identified[:, None], _words(by_response), call), identified)

    def take(self, rows: Rows) -> "_Ids":
        return _Ids(self.own[rows], self.origin[rows], self.identified[rows])


@dataclass(frozen=True, slots=True)
class _View:
    """The observations, one of each, and how they hang together."""

    table: pa.Table
    ids: _Ids
    traces: Keys
    holder: Rows
    """Per row, the best row with its response id: itself if it has none."""
    merit: npt.NDArray[np.uint64]
    is_call: Mask
    """Whether the observation is of one call, and no roll-up."""
    role: Rows
    """As stored, or extracted."""
    due: Mask
    apart: Mask
    """Whether the call that the observation is a duplicate of is not here: it stays one."""
    facts: Facts
    ancestry: Ancestry

    @classmethod
    def of(cls, table: pa.Table, ids: _Ids, lineage: Lineage, due: Mask) -> "_View":
        version, role = table["version"].to_numpy(), _roles(table)
        apart = _apart(table, role)
        if apart.any():
            ids = _Ids(ids.own, np.where(apart[:, None], ids.own, ids.origin), ids.identified)
        traces = _traces(table)
        facts = Facts.of(table, traces, ids.identified)
        is_span = Names.of(table["signal"]).is_one_of(("span",))
        spans = span_keys(traces, _column(table, "span_id"))
        path = Path(
            spans=np.where(is_span, spans, ROOT),
            # A log record is below its span.
            parents=np.where(is_span, span_keys(traces, _column(table, "parent_span_id")), spans),
            pays=facts.payer > 0,
            tells=Names.of(table["transaction_id"].dictionary_encode()).non_empty(),
        )
        return cls(
            table=table,
            ids=ids,
            traces=traces,
            holder=_best_of(_numbers(ids.origin), identity.merits(version)),
            merit=identity.preferences(version, ids.identified),
            is_call=identity.ranks(version) != identity.ROLLUP_RANK,
            role=role,
            due=due,
            apart=apart,
            facts=facts,
            ancestry=trace_up(path, lineage),
        )


def _calls(view: _View) -> tuple[Rows, Rows]:
    """Per row, the row that counts for its call, and its role."""
    rows = np.arange(len(view.holder))
    kin = calls.kindred(view.facts, view.ancestry.above, _eligible(view))
    holder = calls.nested(view.facts, view.holder, kin)
    final = calls.winners(view.facts, view.merit, holder, kin, _settled(view))
    role = np.where(final == rows, INFERENCE, DUPLICATE)
    above = calls.above_call(view.ancestry.above, final)
    role[calls.sums(view.facts, above, (final == rows) & view.is_call)] = ROLLUP
    role[~view.is_call] = ROLLUP
    charged = view.due | (view.role == INFERENCE)
    role[calls.uncovered(view.facts, view.ancestry, view.is_call, charged)] = INFERENCE
    role[view.apart] = DUPLICATE
    return final, role


def _eligible(view: _View) -> Rows:
    """The rows that may be kin of others: what is recorded over REST is a call of its own."""
    recorded = Names.of(view.table["signal"]).is_one_of(("record",))
    return np.flatnonzero(view.is_call & ~recorded & ~view.apart)


def _apart(table: pa.Table, role: Rows) -> Mask:
    lost = role == DUPLICATE
    if not lost.any():
        return lost
    return lost & ~np.isin(_numbers(_targets(table)), _numbers(_words(table["call_id"])))


def _settled(view: _View) -> tuple[Rows, Rows]:
    """Pairs of a duplicate and the call it was found to be a duplicate of: what told it may be forgotten."""
    alone = view.holder == np.arange(len(view.holder))
    losers = np.flatnonzero((view.role == DUPLICATE) & alone & ~view.apart)
    if not len(losers):
        return losers, losers
    stored, wanted = _numbers(_words(view.table["call_id"])), _numbers(_targets(view.table))[losers]
    order = np.argsort(stored)
    target = order[np.minimum(np.searchsorted(stored[order], wanted), len(order) - 1)]
    return losers[target != losers], target[target != losers]


def _columns(view: _View, final: Rows, role: Rows, lineage: Lineage) -> tuple[dict[str, pa.Array], Mask]:
    """The columns that resolution decides, and which rows are to say something else than they do."""
    rows = np.arange(len(final))
    call = np.where((view.holder == rows)[:, None], view.ids.origin, view.ids.own)
    before = _targets(view.table)
    target = np.where(view.apart[:, None], before, call[final])
    target[role != DUPLICATE] = 0
    payers = payment.settle(view.table, view.traces, view.ancestry, final, lineage)
    changed = (call != _words(view.table["call_id"])).any(axis=1) | (target != before).any(axis=1)
    changed |= (role != view.role) | payers.changed
    fixed = {
        "call_id": _fixed(call),
        "role": choose(role, ROLES).array(),
        "duplicate_of": _fixed(target, role != DUPLICATE),
    }
    return fixed | payers.columns(), changed


def _observations(own: _Words, version: npt.NDArray[np.uint64], came: Mask) -> tuple[Rows, Rows]:
    """Per row, the best row of its observation, and the stored row that it replaces, or NONE."""
    best = _best_of(_numbers(own), identity.merits(version), prefer=~came)
    replaced = np.full(len(own), NONE)
    stored = np.flatnonzero(~came)
    replaced[best[stored]] = stored
    return best, replaced


def _best_of(ids: Keys, merit: npt.NDArray[np.uint64], prefer: Mask | None = None) -> Rows:
    """Per row, the row with its identity that has the highest merit."""
    favour = np.zeros(len(ids), np.bool_) if prefer is None else prefer
    order = np.lexsort((favour, merit, ids))
    ends = np.flatnonzero(np.append(ids[order][1:] != ids[order][:-1], True))
    winner = np.empty(len(ids), np.int64)
    winner[order] = np.repeat(order[ends], np.diff(ends, prepend=-1))
    return winner


def _revisions(origin: _Words, version: npt.NDArray[np.uint64], came: Mask) -> npt.NDArray[np.uint64]:
    """Per row, the highest revision among the stored rows of its call."""
    revision = np.where(came, np.uint64(0), identity.revisions(version))
    if not revision.any():
        return revision
    group = np.unique(_numbers(origin), return_inverse=True)[1]
    highest = np.zeros(len(origin), np.uint64)
    np.maximum.at(highest, group, revision)
    return highest[group]


def _traces(table: pa.Table) -> Keys:
    """The key of each row's trace. A row of no trace has one of its own."""
    trace_id = _column(table, "trace_id")
    keys = trace_keys(Names.of(table["tenant"]), trace_id)
    return np.where(_words(trace_id).any(axis=1), keys, _words(table["call_id"])[:, 0])


def _roles(table: pa.Table) -> Rows:
    role = Names.of(table["role"])
    numbers = np.array([ROLES.index(name) for name in role.dictionary.to_pylist()])
    return numbers[role.index]


def _targets(table: pa.Table) -> _Words:
    """The call that each row is a duplicate of; zero if it is none."""
    return _words(table["duplicate_of"].fill_null(bytes(16))).copy()


def _numbers(ids: _Words) -> Keys:
    """One number for each identity."""
    numbers: Keys = ids[:, 0] ^ (ids[:, 1] * _FACTOR)
    return numbers


def _column(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks()


def _words(column: pa.Array | pa.ChunkedArray) -> _Words:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    words = np.frombuffer(column.buffers()[1], "<u8", 2 * len(column), 16 * column.offset)
    return words.reshape(-1, 2)


def _fixed(words: _Words, absent: Mask | None = None) -> pa.FixedSizeBinaryArray:
    array = pa.Array.from_buffers(CALL_ID, len(words), [None, pa.py_buffer(np.ascontiguousarray(words))])
    if absent is None or not absent.any():
        return array
    valid = pa.py_buffer(np.packbits(~absent, bitorder="little"))
    return pa.Array.from_buffers(CALL_ID, len(words), [valid, array.buffers()[1]])
