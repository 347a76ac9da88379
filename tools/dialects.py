"""The page docs/reference/dialects.md, from the tables of `otel_usage.dialects`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from otel_usage.dialects import SPAN_DIALECTS, emitters, metrics, providers
from otel_usage.dialects.conventions import CONVENTIONS, Convention, Lacks
from otel_usage.dialects.dialect import (
    INFERENCES,
    INFERENCES_IF_USED,
    NAME_FIELDS,
    QUANTITY_FIELDS,
    TEXT_FIELDS,
    TOTAL,
    Dialect,
    Kind,
)
from otel_usage.dialects.documents import DOCUMENTS, Document
from otel_usage.dialects.event import EVENT_NAME, Event
from otel_usage.dialects.events import EVENTS
from otel_usage.dialects.otel_genai import OTEL_GENAI
from otel_usage.dialects.usage_objects import SHAPES, Shape
from otel_usage.model import TOKEN_COLUMNS

FIELDS = (*NAME_FIELDS, *TEXT_FIELDS, *TOKEN_COLUMNS, *QUANTITY_FIELDS, TOTAL)

HEAD = """\
# Dialects

What is read from whom: every attribute, log event and metric that tells of a call to a model, and what
each emitter leaves out. Nothing is to be configured: all of it is read from every sender.

- [Choosing an instrumentation](#choosing-an-instrumentation): what you would miss
- [Attributes of spans](#attributes-of-spans), by dialect
- [What input and output contain](#what-input-and-output-contain), by emitter
- [Documents in attributes](#documents-in-attributes): usage inside JSON
- [Log events](#log-events), of coding agents mostly
- [Metrics](#metrics), which are compared with the bill
- [Providers](#providers): who served a call
"""
CHOOSING = """\
## Choosing an instrumentation

A call is priced exactly if its emitter tells its input and output, the tokens read from a cache and
written to one, how long those live, the model that answered and the tier that served it. A response id
makes sure that it is charged once, whoever else tells of it: several instrumentations of one call do no
harm. What is left out:

"""
ESTIMATED = """
Counts that an emitter makes up, since the provider reported none, are kept and never billed:

"""
SPANS = """\
## Attributes of spans

All dialects are read at once. Of several names for a field the first that a span has counts, in the
order of this page; an attribute without a value is not there. `service_tier` is the tier that served the
call, `host` tells provider and region, and `total_tokens` is compared with the other counts but never
makes one. `audio_seconds` are of audio heard if the usage type is `audio_stt`, made if it is `audio_tts`;
the operation says it where no usage type does. Usage is input or output tokens, or one of the
quantities that otel-usage has names for. That of a span that is no call repeats that of the calls inside
it, and is not billed.

"""
CONTAINED = """\
## What input and output contain

OpenTelemetry says that input contains the tokens read from a cache and written to one, and output the
reasoning. Some emitters mean something else by the same names. What is lacking is added; a row says how
its emitter counted (`usage_convention`) and how that is known (`convention_source`). The first line that
fits decides. An emitter that none fits is taken by the specification, unless its numbers prove
otherwise.

"""
INSIDE = """\
## Documents in attributes

Some emitters tell usage, or the provider's response id, only inside JSON in one attribute. It is read of
spans that are one call. A number in an attribute of its own goes first. A document with another input
than such a number is of another call, and tells no counts.

"""
OBJECTS = """
The usage objects inside are known by their keys. Where several readings are possible the total decides.

"""
LOGS = f"""\
## Log events

Log records that tell a call, by the name of the event: the record's event name, the attribute
`{EVENT_NAME}`, or the body. Any other log record is ignored. OpenTelemetry's names are read too, after
those named here.

"""
METERS = f"""\
## Metrics

Metrics that count tokens are never billed. They are compared with what was: see [Check that nothing is
missing](../how-to/check-that-nothing-is-missing.md). Which tokens a point counts is said by the
attribute {" or ".join(f"`{name}`" for name in metrics.TYPE)}.

"""
READINGS = """
Emitters whose points count something else:

"""
SERVED = """\
## Providers

The host that was called says best who served a call, and so whose prices hold; else it is the name that
the emitter gives. A host is a provider's if it is one of these names or ends in one. Of a provider's
name the part before a dot is enough (`openai.responses`), in any case. A name that is not here stays as
it is. Hosts that name a region (of Bedrock, Vertex AI, Azure and others) tell it too.

"""


def page() -> str:
    """The text of the page."""
    parts = (_choosing(), _spans(), _contained(), _inside(), _logs(), _metrics(), _providers())
    return "\n".join((HEAD, *parts))


def _choosing() -> str:
    dialects = (*SPAN_DIALECTS, *(event.dialect for event in EVENTS))
    rows = {each.title: "<br>".join(each.cannot_tell) for each in dialects if each.cannot_tell}
    made_up = [
        f"- {_codes(each.scopes)}: of spans with {_code(each.has)}"
        + (f" and without {_code(each.has_not)}\n" if each.has_not else "\n")
        for each in emitters.ESTIMATES
    ]
    return CHOOSING + _table(("emitter", "cannot tell"), rows.items()) + ESTIMATED + "".join(made_up)


def _spans() -> str:
    return SPANS + "\n".join(_dialect(each) for each in SPAN_DIALECTS)


def _dialect(dialect: Dialect) -> str:
    return f"### {dialect.title}\n\n" + "\n".join(_meaning(dialect))


def _meaning(dialect: Dialect) -> Iterator[str]:
    """What a dialect's names mean, paragraph by paragraph."""
    if dialect.fields is OTEL_GENAI.fields and dialect is not OTEL_GENAI:
        yield "Its attributes are OpenTelemetry's, as on spans.\n"
        return
    if dialect.scopes:
        yield f"Read of these emitters only: {_codes(dialect.scopes)}.\n"
    if kinds := "".join((*map(_kind, dialect.kinds), *_span_names(dialect.span_names))):
        yield kinds
    if dialect.fields:
        rows = [(_code(field), _codes(dialect.fields[field])) for field in FIELDS if field in dialect.fields]
        yield _table(("field", "read from"), rows)
    if dialect.prefixes:
        yield f"Kept aside in `other_usage`: what else begins with {_codes(dialect.prefixes)}.\n"


def _kind(kind: Kind) -> str:
    calls = [value for value, operation in kind.operations.items() if operation in INFERENCES]
    perhaps = [value for value, operation in kind.operations.items() if operation in INFERENCES_IF_USED]
    others = [value for value in kind.operations if value not in {*calls, *perhaps}]
    said = (("a call if", calls), ("a call with usage if", perhaps), ("no call if", others))
    meanings = [f"{meaning} {_codes(values)}" for meaning, values in said if values]
    return f"- {_code(kind.attribute)}: {'; '.join(meanings)}\n"


def _span_names(names: Mapping[str, str]) -> Iterator[str]:
    for name, operation in names.items():
        meaning = "a call" if operation in INFERENCES else "no call"
        yield f"- a span named {_code(name)}, if no attribute says what it is: {meaning}\n"


def _contained() -> str:
    rows = [_convention(each) for each in CONVENTIONS]
    return CONTAINED + _table(("emitter", "of provider", "if", "its input", "its output"), rows)


def _convention(convention: Convention) -> tuple[str, ...]:
    conditions = (
        f"from {convention.since}" if convention.since else "",
        f"before {convention.until}" if convention.until else "",
        f"with {_code(convention.has)}" if convention.has else "",
        f"without {_code(convention.has_not)}" if convention.has_not else "",
    )
    return (
        _codes(convention.scopes, "<br>"),
        "any" if tuple(convention.providers) == ("*",) else _codes(convention.providers),
        "<br>".join(filter(None, conditions)),
        _input(convention.lacks),
        _output(convention.lacks),
    )


def _input(lacks: Lacks) -> str:
    if lacks.cache_read and lacks.cache_write:
        return "lacks cache reads and writes"
    if lacks.cache_read:
        return "lacks cache reads"
    return "lacks cache writes" if lacks.cache_write else "all"


def _output(lacks: Lacks) -> str:
    return "lacks reasoning" if lacks.reasoning else "all"


def _inside() -> str:
    attributes = _table(("attribute", "whose", "tells", "read if"), map(_document, DOCUMENTS))
    objects = _table(("usage object", "known by", "its input", "its output"), map(_shape, SHAPES))
    return INSIDE + attributes + OBJECTS + objects


def _document(document: Document) -> tuple[str, ...]:
    tells = (
        "usage" if document.usage else "",
        "response id" if document.response_id else "",
        "service tier" if document.service_tier else "",
    )
    attribute, text = document.beside or ("", "")
    condition = f"{_code(attribute)} is {_code(text) if text else 'there'}" if attribute else ""
    return _code(document.attribute), document.title, ", ".join(filter(None, tells)), condition


def _shape(shape: Shape) -> tuple[str, ...]:
    lacks = [reading.lacks for reading in shape.readings]
    inputs, outputs = dict.fromkeys(map(_input, lacks)), dict.fromkeys(map(_output, lacks))
    return shape.title, _codes((*shape.marks, *shape.requires)), " or ".join(inputs), " or ".join(outputs)


def _logs() -> str:
    by_dialect = groupby(EVENTS, key=lambda event: event.dialect.title)
    return LOGS + "\n".join(_log(list(same)) for _, same in by_dialect)


def _log(same: Sequence[Event]) -> str:
    """The events of one dialect."""
    dialect = same[0].dialect
    lines = [line for event in same for line in _event(event)]
    return f"### {dialect.title}\n\n" + "".join(lines) + "\n" + "\n".join(_meaning(dialect))


def _event(event: Event) -> Iterator[str]:
    names = [_of(event.names, event.scopes)]
    if event.short_names:
        names.append(_of(event.short_names, event.short_scopes))
    conditions = [f"{_code(name)} is {_code(value)}" for name, value in event.when.items()]
    if event.tells:
        conditions.append(f"it has one of {_codes(event.tells)}")
    yield f"- {', or '.join(names)}{': a call if ' if conditions else ''}{', and '.join(conditions)}\n"
    if event.more_input:
        yield f"- added to its input: {_codes(event.more_input)}\n"
    if event.zero_if_made_up:
        yield f"- made up if {_codes(event.zero_if_made_up, ' and ')} are 0, and the record is of no span\n"


def _of(names: Sequence[str], scopes: Sequence[str]) -> str:
    return f"{_codes(names)} by {_codes(scopes)}" if scopes else _codes(names)


def _metrics() -> str:
    meters = [
        (_code(meter.metric), "<br>".join(_counted(said, meant) for said, meant in meter.counts.items()))
        for meter in metrics.METERS
    ]
    others = [
        (
            _code(each.scope),
            _codes(each.providers) if each.providers else "any",
            _counted(each.said, each.meant),
        )
        for each in metrics.READINGS
    ]
    return (
        METERS
        + _table(("metric", "counts"), meters)
        + READINGS
        + _table(("emitter", "of provider", "counts"), others)
    )


def _counted(said: str, meant: str) -> str:
    counted = meant.replace("_", " ")
    return counted if said == metrics.ANY else f"{_code(said)}: {counted}"


def _providers() -> str:
    named = sorted({*providers.HOSTS.values(), *providers.NAMES.values()})
    rows = [
        (_code(each), _codes(_meaning_it(providers.HOSTS, each)), _codes(_meaning_it(providers.NAMES, each)))
        for each in named
    ]
    frameworks = f"\nNo providers, though emitters name them so: {_codes(sorted(providers.NOT_PROVIDERS))}.\n"
    return SERVED + _table(("provider", "hosts", "also called"), rows) + frameworks


def _meaning_it(names: Mapping[str, str], provider: str) -> Sequence[str]:
    return [name for name, meant in names.items() if meant == provider != name]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = "".join(f"| {' | '.join(line)} |\n" for line in rows)
    return f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n{lines}"


def _codes(names: Iterable[str], between: str = ", ") -> str:
    return between.join(map(_code, names))


def _code(name: str) -> str:
    return f"`{name}`"
