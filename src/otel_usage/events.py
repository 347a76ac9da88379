"""LOG_RECORDS to OBSERVATIONS: which log records tell a call to a model. What they say is read by `observe`.

The rules, in words:

- What a record is, is said by its event name, by its attribute `event.name` or by its body: by the first of
  them that `dialects.events` knows. A record is *ignored* if none of them says that it tells a call, or if it
  lacks what such an event must have to tell one: counts, mostly.
- It tells one call (role `inference`); if it says that it is of another operation, with usage, it repeats
  that of calls (role `rollup`), as spans do.
- The event is the end of the call: if it says how long that took, the call began as long before. The time is
  the record's, else the one that the event says, else when it was observed.
- The identity of a call without a response id of its own is made of what the event says (`Identity`): it is
  the same when the record is sent again, and when the emitter writes two records of one event.
- Trace id and span id are those of the record; all zero if it has none, which is no fault.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import columns, observe
from otel_usage.checks import Rejection
from otel_usage.columns import Pivot, Wanted
from otel_usage.dialects import emitters, events
from otel_usage.dialects.dialect import INFERENCES, INFERENCES_IF_USED
from otel_usage.dialects.event import DURATION_MS, EVENT_NAME, EVENT_TIME, Event, Identity
from otel_usage.dialects.events import EVENTS
from otel_usage.dialects.otel_genai import OPERATION
from otel_usage.extraction import Extraction, Received
from otel_usage.identity import ROLLUP_RANK
from otel_usage.implied import Context, completed
from otel_usage.model import EARLIEST_NS, Attributes
from otel_usage.names import Mask, Names, Rows, distinct, groups
from otel_usage.observe import Candidates, Carriers, Observed, Sources
from otel_usage.otlp.signals import Records
from otel_usage.otlp.values import encode

Times = npt.NDArray[np.uint64]

_MS: Final = 1_000_000  # ns
_KEY_BYTES: Final = 128  # of an attribute's value that count for an identity: ids are shorter
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def observations(
    records: Records,
    tenants: Sequence[str],
    *,
    now_ns: int,
    max_clock_skew_ns: int,
    earliest_ns: int = EARLIEST_NS,
) -> Extraction:
    """The calls that the log records tell. `tenants` has the owner of each request.

    A call that starts later than `now_ns + max_clock_skew_ns`, or before `earliest_ns`, is rejected.
    """
    request, scope = (records.rows[name].to_numpy() for name in ("request", "scope"))
    received = Received(request, scope, records.scopes, len(tenants))
    sources = Sources(records.resources, records.scopes, tenants)
    number = _numbers(records)
    rows, parts = [], []
    for index in np.unique(number[number >= 0]).tolist():
        told = _told(records, np.flatnonzero(number == index), index)
        if told is not None:
            rows.append(told.rows)
            parts.append(observe.observe(told.candidates, sources, now_ns + max_clock_skew_ns, earliest_ns))
    if not parts:
        return received.nothing()
    return received.account(np.concatenate(rows), *_joined(parts))


@dataclass(frozen=True, slots=True)
class _Told:
    """The records of one kind of event that tell a call: their rows, and what they tell."""

    rows: Rows
    candidates: Candidates


def _joined(parts: Sequence[Observed]) -> tuple[pa.Table, Rejection]:
    """What was observed in all parts."""
    rejections = [part.rejection for part in parts]
    messages = zip(*(each.messages for each in rejections), strict=True)
    rejection = Rejection(
        np.concatenate([each.rows for each in rejections]),
        np.sum([each.counts for each in rejections], axis=0),
        ["; ".join(filter(None, told)) for told in messages],
    )
    if len(parts) == 1:
        return parts[0].table, rejection
    return pa.concat_tables([part.table for part in parts]).unify_dictionaries().combine_chunks(), rejection


# What a record is


def _numbers(records: Records) -> Rows:
    """Per record, the index in EVENTS of what it is; -1 if it tells no call."""
    rows = records.rows
    scope = rows["scope"].to_numpy()
    found = columns.pivot(records.attributes, rows.num_rows, _event_name())
    attribute = columns.names(found, {EVENT_NAME: (EVENT_NAME,)})[EVENT_NAME].names
    number = np.full(rows.num_rows, -1)
    for names in (_distinct(rows["event_name"]), attribute, _bodies(rows["body"])):
        unknown = np.flatnonzero((number < 0) & names.non_empty())
        if len(unknown):
            number[unknown] = _number(names.take(unknown), scope[unknown], records)
    return number


@cache
def _event_name() -> Wanted:
    return Wanted.of((EVENT_NAME,))


def _distinct(texts: pa.StringArray) -> Names:
    encoded = texts.dictionary_encode()
    return Names(encoded.indices.to_numpy(), encoded.dictionary)


def _bodies(bodies: pa.BinaryArray) -> Names:
    """The bodies that are names of events. They are compared as they are encoded: most are other texts."""
    names = tuple(dict.fromkeys(name for event in EVENTS for name in event.names))
    index = pc.index_in(bodies, value_set=_encoded(names)).fill_null(len(names)).to_numpy()
    return Names(index, pa.array([*names, ""]))


@cache
def _encoded(texts: tuple[str, ...]) -> pa.BinaryArray:
    return pa.array([encode(text) for text in texts], pa.binary())


def _number(names: Names, scope: Rows, records: Records) -> Rows:
    """The index in EVENTS, decided once per name and emitter there are."""
    first, group = groups([names.index, scope])
    named = names.take(first).array().to_pylist()
    numbers = [
        events.number(name, records.scopes[emitter].name)
        for name, emitter in zip(named, scope[first].tolist(), strict=True)
    ]
    return np.array(numbers)[group]


# What it tells


def _told(records: Records, rows: Rows, index: int) -> _Told | None:
    """Of the rows, which are such events, those that tell a call; None if none does."""
    event, language = EVENTS[index], events.language(index)
    attributes = _attributes_of(records.attributes, rows, records.rows.num_rows)
    own = columns.pivot(attributes, len(rows), _wanted(index))
    found = observe.find(attributes, records.rows["scope"].to_numpy()[rows], records.scopes, language)
    operation = _operation(found, event)
    inference = operation.is_one_of(INFERENCES)
    used = found.has(language.used)
    inference |= used & operation.is_one_of(INFERENCES_IF_USED)
    kept = np.flatnonzero((inference | used) & _tells(own, event))
    if not len(kept):
        return None
    rows, own, inference = rows[kept], own.take(kept), inference[kept]
    carriers, of_span = _carriers(records, rows, own, event)
    context = Context(event, language, own, carriers.scope, records.scopes, of_span)
    candidates = Candidates(
        carriers=carriers,
        language=language,
        found=completed(found.take(kept), context),
        operation=operation.take(kept),
        inference=inference,
        rank=np.where(inference, emitters.LOG, ROLLUP_RANK).astype(np.uint64),
    )
    return _Told(rows, candidates)


def _attributes_of(attributes: Attributes, rows: Rows, of: int) -> Attributes:
    """The attributes of some of the rows, which they are renumbered by."""
    new = np.full(of, -1)
    new[rows] = np.arange(len(rows))
    owner = new[attributes.owner]
    entries = np.flatnonzero(owner >= 0)
    taken = pa.array(entries)
    return Attributes(owner[entries], attributes.key.take(taken), attributes.value.take(taken))


@cache
def _wanted(index: int) -> Wanted:
    """The attributes that are read here: those of `observe` are found by it."""
    event = EVENTS[index]
    return Wanted.of(
        [
            *(name for group in event.identity.attributes for name in group),
            *(hint.attribute for hint in event.hints),
            *event.when,
            *event.tells,
            *event.more_input,
            *event.zero_if_made_up,
            EVENT_TIME,
            DURATION_MS,
        ]
    )


def _tells(own: Pivot, event: Event) -> Mask:
    """Whether a record has what it must have to tell a call."""
    told = own.has(event.tells) if event.tells else np.ones(own.rows, np.bool_)
    for name, value in event.when.items():
        told &= columns.names(own, {name: (name,)})[name].names.is_one_of((value,))
    return told


def _operation(found: Pivot, event: Event) -> Names:
    """What was done, in OpenTelemetry's words."""
    said = columns.names(found, {OPERATION: (OPERATION,)})[OPERATION].names
    known = {text: meant for kind in event.dialect.kinds for text, meant in kind.operations.items()}
    meant = [known.get(text.lower(), text) or event.operation for text in said.dictionary.to_pylist()]
    return distinct(said.index, pa.array(meant, pa.string()))


# When it was, and who it is


def _carriers(records: Records, rows: Rows, own: Pivot, event: Event) -> tuple[Carriers, Mask]:
    """What carried the events, and whether it names a span."""
    taken = records.rows.take(pa.array(rows))
    trace_id, _ = columns.fixed(taken["trace_id"], 16)
    span_id, no_span = columns.fixed(taken["span_id"], 8)
    time, observed = (taken[name].to_numpy() for name in ("time_unix_nano", "observed_time_unix_nano"))
    said = _said_time(own)
    end = np.where(time > 0, time, np.where(said > 0, said, observed))
    ids = [trace_id, span_id] if event.identity.in_trace else []
    carriers = Carriers(
        signal="log",
        request=taken["request"].to_numpy(),
        resource=taken["resource"].to_numpy(),
        scope=taken["scope"].to_numpy(),
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=_zeros(len(rows)),
        start_ns=end - np.minimum(_duration(own), end),
        end_ns=end,
        failed=np.full(len(rows), event.failed),
        keys=_keys(own, event.identity, np.where(said > 0, said, end), ids),
    )
    return carriers, ~no_span


def _zeros(rows: int) -> pa.FixedSizeBinaryArray:
    return pa.Array.from_buffers(pa.binary(8), rows, [None, pa.py_buffer(bytes(8 * rows))])


def _duration(own: Pivot) -> Times:
    """How long the calls took, in nanoseconds; 0 if not told."""
    told = columns.counts(own, {DURATION_MS: (DURATION_MS,)})
    return told.values[0].astype(np.uint64) * np.uint64(_MS) if told.fields else np.zeros(own.rows, np.uint64)


def _said_time(own: Pivot) -> Times:
    """The times that the events say, in nanoseconds since 1970; 0 where there is none, or none to be read."""
    texts = columns.texts(own, {EVENT_TIME: (EVENT_TIME,)})[EVENT_TIME].array
    told = pc.if_else(pc.equal(texts, ""), "1970-01-01T00:00:00Z", texts)
    try:
        times = told.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # one of them is not as the others: then one by one
        times = np.array([_nanoseconds(text) for text in texts.to_pylist()], np.int64)
    return np.maximum(times, 0).astype(np.uint64)


def _nanoseconds(text: str) -> int:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return 0
    since = (told if told.tzinfo else told.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def _keys(own: Pivot, identity_: Identity, time: Times, ids: Sequence[pa.Array]) -> pa.BinaryArray:
    """The keys of the identities: family, time, ids, and the attributes as they were sent."""
    steps = (time // np.uint64(identity_.step_ns)).astype("<u8")
    step = pa.Array.from_buffers(pa.binary(8), len(steps), [None, pa.py_buffer(steps)])
    values = []
    for group in identity_.attributes:
        position = own.first(group)
        value = own.values.take(pa.array(position, mask=position < 0)).fill_null(b"")
        values.append(pc.binary_slice(value, 0, _KEY_BYTES))
    fixed = [each.cast(pa.binary()) for each in (step, *ids)]
    family = pa.scalar(identity_.family.encode(), pa.binary())
    return pc.binary_join_element_wise(family, *fixed, *values, pa.scalar(b"\0", pa.binary()))
