"""Usage and response ids that an emitter tells only inside a document: JSON text in one attribute.

Langfuse, LangSmith, LiteLLM, Logfire, OpenInference and the Vercel AI SDK each put counts, or the provider's
response id, there and nowhere else. Where they are and how they are spelled is data: `dialects.documents`.
Documents are rare and each is a tree of its own, so they are parsed and read one by one; rows without one
cost nothing.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import from_json

from otel_usage.columns import Counts, Pivot
from otel_usage.dialects.documents import DOCUMENTS, RESPONSE_MARKS, RESPONSE_PRINTED, Document
from otel_usage.dialects.usage_objects import Paths
from otel_usage.model import MAX_NAME, QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.names import Mask, Names, bounds
from otel_usage.otlp.values import decode_texts
from otel_usage.usage_object import (
    CACHE_READ,
    CACHE_WRITE,
    INPUT,
    OUTPUT,
    Json,
    UsageObject,
    at,
    usage_object,
)

ATTRIBUTES: Final = tuple(
    dict.fromkeys(
        name for each in DOCUMENTS for name in (each.attribute, *([each.beside[0]] if each.beside else []))
    )
)
"""What `read` wants in the pivot."""

MAX_DOCUMENT: Final = 256 * 1024
"""Bytes of the longest document that is read. A longer one is mostly messages."""

MAX_PRINTED: Final = 16 * 1024
"""Characters of the longest dictionary that is read as Python prints it: usage objects alone are so."""

_PYTHON_WORDS: Final = {"None": "null", "True": "true", "False": "false", "nan": "NaN"}
_PYTHON_WORD: Final = re.compile(rf"\b({'|'.join(_PYTHON_WORDS)})\b")
_PRINTED: Final = re.compile(RESPONSE_PRINTED)


@dataclass(frozen=True, slots=True)
class Documents:
    """What the documents tell, per row of the pivot."""

    counts: Counts
    """The flat counts, completed."""
    input_settled: Mask
    """Rows whose input in `counts` is the inclusive total, whatever the emitter's other spans leave out."""
    output_settled: Mask
    """The same of the output."""
    lacks_cache_read: Mask
    """Where `input_settled`: the input as told left it out."""
    lacks_cache_write: Mask
    """Where `input_settled`: the input as told left it out."""
    lacks_reasoning: Mask
    """Where `output_settled`: the output as told left it out."""
    response_id: pa.StringArray
    """The id of the response itself; empty where no document tells it. One in an attribute goes first."""
    service_tier: Names
    """The tier that served the call; empty where no document tells it. One in an attribute goes first."""


def read(found: Pivot, flat: Counts, calls: Mask) -> Documents | None:
    """The documents of the rows that are one call to a model; None if no such row has one.

    `flat`: the counts that the attributes of `found` tell as numbers. They win; a document fills what is
    missing, and shows what the flat input and output mean where they are its own. `calls`: the rows that are
    one call: of any other span the document is that of one of its children.

    A document that is too long or malformed tells nothing. One whose input is another than the flat one tells
    no counts: it is of another call. Nor does one without any tokens: so emitters write that they know none.
    A count that is none is marked invalid, as a flat one would be, unless the count is told elsewhere.
    """
    contents: dict[int, list[tuple[Document, Json]]] = {}
    for document in DOCUMENTS:
        if document.attribute in found.found:
            for row, content in _contents(found, document, calls):
                contents.setdefault(row, []).append((document, content))
    if not contents:
        return None
    completion = _Completion(flat, found.rows)
    ids, tiers = [""] * found.rows, [""] * found.rows
    for row, told in contents.items():
        completion.add(row, [usage for each, content in told for usage in _usages(content, each.usage)])
        ids[row] = next((text for each, content in told for text in _ids(content, each.response_id)), "")
        tiers[row] = next((text for each, content in told for text in _texts(content, each.service_tier)), "")
    return completion.result(pa.array(ids, pa.string()), Names.of(pa.array(tiers).dictionary_encode()))


class _Completion:
    """The columns of `Documents`, filled row by row."""

    def __init__(self, flat: Counts, rows: int) -> None:
        self._fields = tuple(dict.fromkeys((*TOKEN_COLUMNS, *QUANTITY_COLUMNS, *flat.fields)))
        shape = (len(self._fields), rows)
        self._values, self._reported = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
        self._invalid = np.zeros(shape, np.bool_)
        own = [self._fields.index(field) for field in flat.fields]
        self._values[own], self._reported[own], self._invalid[own] = flat.values, flat.reported, flat.invalid
        self._settled = np.zeros((2, rows), np.bool_)
        self._lacks = np.zeros((3, rows), np.bool_)

    def add(self, row: int, usages: Sequence[UsageObject]) -> None:
        """Complete a row by what its usage objects tell, of which earlier ones go first."""
        whole = next((usage for usage in usages if INPUT in usage.counts), None)
        if whole is not None:
            tokens = slice(len(TOKEN_COLUMNS))
            if not (self._values[tokens, row].any() or self._invalid[tokens, row].any()):
                self._reported[tokens, row] = False  # zeros only, so that any document knows better
            if not self._agrees(row, whole, INPUT):
                return
            total = whole.counts[INPUT]
            usages = [usage for usage in usages if usage.counts.get(INPUT, total) == total]
        for usage in usages:
            for field, count in usage.counts.items():
                if field not in usage.told:
                    self._fill(row, field, count)
        if whole is not None:
            self._settle_input(row, whole)
        answer = next((usage for usage in usages if OUTPUT in usage.counts), None)
        if answer is not None and self._agrees(row, answer, OUTPUT):
            self._settle_output(row, answer)
        for field in {field for usage in usages for field in usage.invalid}:
            self._fill(row, field, None)

    def result(self, response_id: pa.StringArray, service_tier: Names) -> Documents:
        """The columns."""
        kept = np.flatnonzero(self._reported.any(axis=1)).tolist()
        fields = [self._fields[field] for field in kept]
        counts = Counts(fields, self._values[kept], self._reported[kept], self._invalid[kept])
        read, write, reasoning = self._lacks
        return Documents(
            counts, self._settled[0], self._settled[1], read, write, reasoning, response_id, service_tier
        )

    def _count(self, row: int, field: str) -> int | None:
        cell = self._fields.index(field), row
        return int(self._values[cell]) if self._reported[cell] else None

    def _fill(self, row: int, field: str, count: int | None) -> None:
        """Report a count where none is. None is an invalid one."""
        cell = self._fields.index(field), row
        if not self._reported[cell]:
            self._reported[cell], self._invalid[cell] = True, count is None
            self._values[cell] = count or 0

    def _agrees(self, row: int, usage: UsageObject, field: str) -> bool:
        """Whether the row's own count, if any, is the document's: as it is told, or its total."""
        return self._count(row, field) in {None, usage.told[field], usage.counts[field]}

    def _settle_input(self, row: int, usage: UsageObject) -> None:
        own, told, total = self._count(row, INPUT), usage.told[INPUT], usage.counts[INPUT]
        cached = (self._count(row, CACHE_READ) or 0) + (self._count(row, CACHE_WRITE) or 0)
        as_told = own in {None, told}
        lacks = (as_told and usage.lacks.cache_read, as_told and usage.lacks.cache_write)
        self._fill(row, INPUT, told)
        if cached > total or (any(lacks) and told == total and own is not None):
            return  # left to arithmetic, or to what the emitter's other spans leave out
        self._values[self._fields.index(INPUT), row] = total
        self._settled[0, row], self._lacks[:2, row] = True, lacks

    def _settle_output(self, row: int, usage: UsageObject) -> None:
        own, told, total = self._count(row, OUTPUT), usage.told[OUTPUT], usage.counts[OUTPUT]
        lacks = own in {None, told} and usage.lacks.reasoning
        self._fill(row, OUTPUT, told)
        if lacks and told == total and own is not None:
            return
        self._values[self._fields.index(OUTPUT), row] = total
        self._settled[1, row], self._lacks[2, row] = True, lacks


def _contents(found: Pivot, document: Document, calls: Mask) -> Iterator[tuple[int, Json]]:
    """The rows that have the document, and it, parsed."""
    positions = found.positions[found.found[document.attribute]]
    edges = bounds(found.values)
    rows = np.flatnonzero((positions >= 0) & calls)
    rows = rows[edges[positions[rows] + 1] - edges[positions[rows]] <= MAX_DOCUMENT]
    if document.beside is not None:
        rows = rows[_says(found.take(rows), *document.beside)]
    texts = decode_texts(found.values.take(pa.array(positions[rows])))[0]
    objects = pc.starts_with(texts, "{").to_numpy(zero_copy_only=False)
    for row, text in zip(rows[objects].tolist(), texts.filter(pa.array(objects)).to_pylist(), strict=True):
        content = _parsed(text)
        if content is not None:
            yield row, content


def _says(found: Pivot, attribute: str, text: str) -> Mask:
    """Per row, whether an attribute has a text; the empty one stands for any."""
    there = found.has((attribute,))
    if not text or not there.any():
        return there
    rows = np.flatnonzero(there)
    values = found.values.take(pa.array(found.first((attribute,))[rows]))
    there[rows] = pc.equal(decode_texts(values)[0], text).to_numpy(zero_copy_only=False)
    return there


def _parsed(text: str) -> Json:
    """A document: JSON, or a dictionary as Python prints it; None if it is neither."""
    try:
        return from_json(text)
    except ValueError:
        pass
    if len(text) > MAX_PRINTED or '"' in text or "\\" in text:  # no usage object has texts to be unquoted
        return None
    words = _PYTHON_WORD.sub(lambda word: _PYTHON_WORDS[word[0]], text)
    try:
        return from_json(words.replace("'", '"'))
    except ValueError:
        return None


def _usages(content: Json, paths: Paths) -> Iterator[UsageObject]:
    for path in paths:
        for part in at(content, path):
            usage = usage_object(part)
            if usage is not None:
                yield usage


def _ids(content: Json, paths: Paths) -> Iterator[str]:
    """Response ids: those beside what only a response has."""
    for path in paths:
        parent, _, key = path.rpartition(".")
        for part in at(content, parent):
            if isinstance(part, dict) and any(mark in part for mark in RESPONSE_MARKS):
                text = part.get(key)
                printed = _PRINTED.match(text) if isinstance(text, str) else None
                yield from _names(printed[1] if printed else text)


def _texts(content: Json, paths: Paths) -> Iterator[str]:
    for path in paths:
        for part in at(content, path):
            yield from _names(part)


def _names(part: Json) -> Iterator[str]:
    """The part, if it is a text that fits a name."""
    if isinstance(part, str) and 0 < len(part) <= MAX_NAME:
        yield part
