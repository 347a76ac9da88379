"""A usage object, as a provider's API answers it or an SDK rewrites it, to inclusive totals.

How it is spelled and what its numbers mean is data: `dialects.usage_objects`. The object itself is whatever
an emitter wrote: any part of it may be missing or of another type, and is then not there.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from otel_usage.columns import whole_number
from otel_usage.dialects.conventions import Lacks
from otel_usage.dialects.usage_objects import CACHE_WRITE_5M, SHAPES, Paths, Reading, Shape
from otel_usage.durations import duration
from otel_usage.model import MAX_AUDIO_NS, MAX_TOKENS, Scalar

Json = object
"""A parsed document, or a part of one."""

MAX_ITEMS: Final = 256
"""Items of the largest list or object that is looked into. No response has as many, and each costs time."""

_REMEMBERED: Final = 1_024  # paths: all there are

INPUT: Final = "input_tokens"
OUTPUT: Final = "output_tokens"
CACHE_READ: Final = "cache_read_tokens"
CACHE_WRITE: Final = "cache_write_tokens"
_CACHE_WRITE_1H: Final = "cache_write_1h_tokens"
_REASONING: Final = "reasoning_tokens"


@dataclass(frozen=True, slots=True)
class UsageObject:
    """What a usage object tells, by canonical field."""

    counts: Mapping[str, int]
    """The counts, as inclusive totals."""
    told: Mapping[str, int]
    """Input and output as the object spells them, of those that are in `counts`."""
    lacks: Lacks
    """What input and output as told leave out."""
    invalid: frozenset[str]
    """The fields whose counts are none: negative, fractional, boolean, text, or too large. Durations too."""


def usage_object(part: Json) -> UsageObject | None:
    """Read a usage object; None if it is none, or has no usage: so emitters write that they know of none."""
    shape = _shape(part)
    if shape is None:
        return None
    counts, invalid = _counts(part, shape)
    told = {field: counts[field] for field in (INPUT, OUTPUT) if field in counts}
    if told and not any(counts.values()) and not invalid:
        return None
    readings = [(reading, _totals(part, counts, reading)) for reading in shape.readings]
    total = _count(part, shape.total)
    reading, totals = next((each for each in readings if sum(each[1].values()) == total), readings[0])
    counts |= totals
    invalid |= {field for field, count in counts.items() if not 0 <= count <= _most(field, shape)}
    return UsageObject(
        {field: count for field, count in counts.items() if field not in invalid},
        {field: count for field, count in told.items() if field not in invalid},
        reading.lacks,
        frozenset(invalid),
    )


def _most(field: str, shape: Shape) -> int:
    return MAX_AUDIO_NS if field in shape.seconds else MAX_TOKENS


def at(part: Json, path: str) -> Sequence[Json]:
    """What is at a path (see `dialects.usage_objects`): nothing, or one thing, or several."""
    steps = _steps(path)
    if steps and isinstance(part, dict) and steps[0] not in part and steps[0] != "*":
        return ()  # the usual answer, soon
    return _follow(part, steps)


def _follow(part: Json, steps: Sequence[str]) -> Sequence[Json]:
    for done, step in enumerate(steps):
        items = _items(part, step)
        if len(items) != 1:
            return [found for item in items for found in _follow(item, steps[done + 1 :])]
        (part,) = items
    return (part,)


@lru_cache(_REMEMBERED)
def _steps(path: str) -> Sequence[str]:
    return path.split(".") if path else ()


def _items(part: Json, step: str) -> Collection[Json]:
    if isinstance(part, dict):
        if step in part:
            return (part[step],) if len(part) <= MAX_ITEMS else ()
        return part.values() if step == "*" and len(part) <= MAX_ITEMS else ()
    if not isinstance(part, list) or len(part) > MAX_ITEMS:
        return ()
    name, equals, value = step.partition("=")
    if equals:
        return [item for item in part if isinstance(item, dict) and item.get(name) == value]
    if step == "*":
        return part if len(part) == 1 else ()
    return (part[int(step)],) if step.isdigit() and int(step) < len(part) else ()


def _shape(part: Json) -> Shape | None:
    """How a usage object is spelled; None if it is none."""
    if not isinstance(part, dict) or len(part) > MAX_ITEMS:
        return None
    return next(
        (
            shape
            for shape in SHAPES
            if any(path in part for path in shape.marks)
            and all(_has(part, path) for path in shape.requires)
            and not any(_has(part, path) for path in shape.without)
        ),
        None,
    )


def _has(part: Json, path: str) -> bool:
    return bool(at(part, path))


def _counts(part: Json, shape: Shape) -> tuple[dict[str, int], set[str]]:
    """The counts as told, and the fields whose counts are none."""
    told = {field: _count(part, paths) for field, paths in shape.fields.items()}
    told |= {field: _count(part, paths, duration) for field, paths in shape.seconds.items()}
    invalid = {field for field, count in told.items() if count is not None and count < 0}
    counts = {field: count for field, count in told.items() if count is not None and count >= 0}
    parts = [counts[field] for field in (CACHE_WRITE_5M, _CACHE_WRITE_1H) if field in counts]
    if parts:  # LangChain says 0 for the sum of what it tells by lifetime
        counts[CACHE_WRITE] = max(counts.get(CACHE_WRITE, 0), sum(parts))
    counts.pop(CACHE_WRITE_5M, None)
    if CACHE_WRITE_5M in invalid:
        invalid = invalid - {CACHE_WRITE_5M} | {CACHE_WRITE}
    return counts, invalid


def _count(part: Json, paths: Paths, read: Callable[[Scalar], int | None] = whole_number) -> int | None:
    """The first count that is told; negative if it is none."""
    for path in paths:
        for value in at(part, path):
            if value is None or isinstance(value, str | bool | int | float):
                count = read(value)
                if count is not None:
                    return count
    return None


def _totals(part: Json, counts: Mapping[str, int], reading: Reading) -> dict[str, int]:
    """Input and output with what they leave out; negative if a part of it is no count."""
    read = counts.get(CACHE_READ, 0) if reading.lacks.cache_read else 0
    write = counts.get(CACHE_WRITE, 0) if reading.lacks.cache_write else 0
    reasoning = counts.get(_REASONING, 0) if reading.lacks.reasoning else 0
    missing = {
        INPUT: _beside(part, reading.input_parts, read + write),
        OUTPUT: _beside(part, reading.output_parts, reasoning),
    }
    return {
        field: counts[field] + lacking if lacking >= 0 else -1
        for field, lacking in missing.items()
        if field in counts
    }


def _beside(part: Json, pattern: str, known: int) -> int:
    """The counts of all keys of a pattern; without a pattern what is known to be missing."""
    if not pattern or not isinstance(part, dict):
        return known
    parts = [_count(value, ("",)) for key, value in part.items() if re.fullmatch(pattern, str(key))]
    return -1 if any(count is not None and count < 0 for count in parts) else sum(filter(None, parts))
