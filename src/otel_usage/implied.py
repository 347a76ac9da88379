"""What the name of an event and its emitter imply: its attributes, as if the record said so itself.

So log records are read by the same rules as spans, whose emitters say it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pyarrow as pa

from otel_usage import columns
from otel_usage.columns import Pivot
from otel_usage.dialects import emitters
from otel_usage.dialects.event import Event
from otel_usage.dialects.language import Language
from otel_usage.model import Scope
from otel_usage.names import Mask, Rows
from otel_usage.otlp.values import encode


@dataclass(frozen=True, slots=True)
class Context:
    """What else is known of records of one event, a row each.

    `own` has the attributes that the event is judged by, `scope` is an index in `scopes`, and `of_span` says
    whether the record names a span.
    """

    event: Event
    language: Language
    own: Pivot
    scope: Rows
    scopes: Sequence[Scope]
    of_span: Mask


def completed(found: Pivot, context: Context) -> Pivot:
    """The attributes, with those that are implied, and without those that mean nothing."""
    event, language = context.event, context.language
    if not event.identified_by_response:
        found = found.without(language.texts["response_id"], np.ones(found.rows, np.bool_))
    if context.own.has_any(event.zero_if_made_up):
        found = found.without(event.zero_if_made_up, ~context.of_span & _zero(context))
    if context.own.has_any(event.more_input):
        found = _with_more_input(found, context)
    return _with_provider(found, context) if event.hints else found


def _zero(context: Context) -> Mask:
    """Whether all the counts are 0 that are where an emitter made up the others."""
    counts = columns.counts(context.own, {name: (name,) for name in context.event.zero_if_made_up})
    return np.logical_not(counts.values.any(axis=0))


def _with_more_input(found: Pivot, context: Context) -> Pivot:
    """Input as all that was sent to the model."""
    aliases = context.language.tokens["input_tokens"]
    told = columns.counts(found, {"input": aliases})
    more = columns.counts(context.own, {"more": context.event.more_input})
    if not told.fields:
        return found
    rows = np.flatnonzero((more.values[0] > 0) & told.reported[0] & ~told.invalid[0])
    totals = (told.values[0] + more.values[0])[rows]
    return _with(found, aliases[0], rows, [encode(total) for total in totals.tolist()])


def _with_provider(found: Pivot, context: Context) -> Pivot:
    """The provider that names give away, if none is told, and if it is not the emitter's only one."""
    aliases = context.language.names["provider"]
    usual = [emitters.provider(each.name) for each in context.scopes]
    untold = ~found.has(aliases)
    for hint in context.event.hints:
        text = columns.names(context.own, {hint.attribute: (hint.attribute,)})[hint.attribute].names
        fits = [fnmatchcase(each, hint.pattern) for each in text.dictionary.to_pylist()]
        fitting = untold & text.non_empty() & text.look_up(np.array(fits, np.bool_))
        untold &= ~fitting
        unusual = np.array([each != hint.provider for each in usual], np.bool_)
        rows = np.flatnonzero(fitting & unusual[context.scope])
        found = _with(found, aliases[0], rows, [encode(hint.provider)] * len(rows))
    return found


def _with(found: Pivot, name: str, rows: Rows, values: Sequence[bytes]) -> Pivot:
    """The attributes as if these rows had this one, with these encoded values. It copies all values: rare."""
    if not len(rows):
        return found
    position = found.first((name,)).copy()
    position[rows] = len(found.values) + np.arange(len(rows))
    others = [found.positions[place] for other, place in found.found.items() if other != name]
    names = [*(other for other in found.found if other != name), name]
    return Pivot(
        pa.concat_arrays([found.values, pa.array(values, pa.binary())]),
        {each: place for place, each in enumerate(names)},
        np.vstack([*others, position]),
        found.others,
    )
