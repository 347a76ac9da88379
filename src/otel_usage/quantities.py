"""What calls are paid by beside tokens: audio by its length, characters, searches.

The rules, in words:

- Audio is heard in a call of usage type `audio_stt`, and made in one of `audio_tts`. Where the usage type
  says neither, the operation does. A call whose audio may be either is *rejected*: its price depends on it.
  A roll-up's is left out.
- Seconds become whole nanoseconds, rounded half to even. NaN is a duration that was not reported.
- Whether they make the usage of a call `reported`: only of a call that is about audio, a reranking, or one
  that made an image. Of any other they are extras, and its tokens are still to be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from otel_usage import columns
from otel_usage.attributes import (
    AUDIO_STT,
    AUDIO_TTS,
    EMBEDDING,
    MAX_AUDIO_SECONDS,
    TEXT,
    USAGE_TYPE,
)
from otel_usage.checks import Check
from otel_usage.columns import Counts, Pivot
from otel_usage.dialects.dialect import AUDIO, EMBEDDINGS, RERANK, SPEECH, TRANSCRIPTION
from otel_usage.dialects.language import Language
from otel_usage.durations import duration
from otel_usage.model import QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.names import Mask, Names, choose
from otel_usage.otlp.values import scalar

_USAGE_TYPES: Final = {EMBEDDINGS: EMBEDDING, TRANSCRIPTION: AUDIO_STT, SPEECH: AUDIO_TTS}
_BY_NUMBER: Final = (TEXT, *_USAGE_TYPES.values())
_DURATIONS: Final = ("input_audio_ns", "output_audio_ns")
_IMAGES: Final = "output_images"
_NO_COUNT: Final = "is not a count"
_NO_DURATION: Final = f"is not a number of seconds from 0 to {MAX_AUDIO_SECONDS}"
_NO_DIRECTION: Final = f"may be heard or made: {USAGE_TYPE} is neither {AUDIO_STT} nor {AUDIO_TTS}"


@dataclass(frozen=True, slots=True)
class Calls:
    """What the rows are: operations in OpenTelemetry's words, usage types, and whether each is one call."""

    operation: Names
    usage_type: Names
    inference: Mask


@dataclass(frozen=True, slots=True)
class Told:
    """What attributes tell, as they spell it; and the rows whose audio may be heard or made."""

    counts: Counts
    undirected: Mask


def usage_types(operation: Names) -> Names:
    """The usage types of calls that do not state theirs."""
    numbers = {name: 1 + i for i, name in enumerate(_USAGE_TYPES)}
    number = np.array([numbers.get(name, 0) for name in operation.dictionary.to_pylist()], np.int64)
    return choose(number[operation.index], _BY_NUMBER)


def read(found: Pivot, language: Language, calls: Calls) -> Told:
    """The counts and durations that attributes tell. Where there are no quantities they cost nothing."""
    counts = columns.counts(found, language.counts)
    aliases = language.quantities[AUDIO]
    if not found.has_any(aliases):
        return Told(counts, np.zeros(found.rows, np.bool_))
    shape = (len(_DURATIONS), found.rows)
    values, reported, invalid = (
        np.zeros(shape, np.int64),
        np.zeros(shape, np.bool_),
        np.zeros(shape, np.bool_),
    )
    undirected = np.zeros(found.rows, np.bool_)
    directions, position = _directions(calls), found.first(aliases)
    # Row by row: few calls are about audio, and seconds are mostly fractions, which are exact as text only.
    for row in np.flatnonzero(position >= 0).tolist():
        told = duration(scalar(found.values[int(position[row])].as_py()))
        if told is None:
            continue
        heard_or_made = np.flatnonzero(directions[:, row])
        undirected[row] = not len(heard_or_made) and calls.inference[row]
        values[heard_or_made, row] = max(told, 0)
        reported[heard_or_made, row], invalid[heard_or_made, row] = True, told < 0
    return Told(
        Counts(
            [*counts.fields, *_DURATIONS],
            np.vstack([counts.values, values]),
            np.vstack([counts.reported, reported]),
            np.vstack([counts.invalid, invalid]),
        ),
        undirected,
    )


def checks(counts: Counts, undirected: Mask, language: Language) -> Sequence[Check]:
    """What is wrong with counts, of tokens and others."""
    aliases = language.quantities[AUDIO]
    wrong = [
        _check(name, invalid, language) for name, invalid in zip(counts.fields, counts.invalid, strict=True)
    ]
    return [*wrong, Check(AUDIO, undirected, _NO_DIRECTION, aliases)] if undirected.any() else wrong


def suffice(counts: Counts, calls: Calls) -> Mask:
    """Per row, whether its quantities are its usage, whatever is told of tokens."""
    mine = [i for i, name in enumerate(counts.fields) if name in QUANTITY_COLUMNS]
    if not mine:
        return np.zeros(counts.reported.shape[1], np.bool_)
    audio = calls.usage_type.is_one_of((AUDIO_STT, AUDIO_TTS))
    paid = audio | calls.operation.is_one_of((RERANK, SPEECH, TRANSCRIPTION))
    return (paid & np.logical_or.reduce(counts.reported[mine])) | _makes_images(counts)


def _directions(calls: Calls) -> Mask:
    """Per row, whether its audio was heard, and whether it was made."""
    heard, made = (calls.usage_type.is_one_of((each,)) for each in (AUDIO_STT, AUDIO_TTS))
    unsaid = ~heard & ~made
    heard |= unsaid & calls.operation.is_one_of((TRANSCRIPTION,))
    made |= unsaid & calls.operation.is_one_of((SPEECH,))
    return np.stack([heard, made])


def _makes_images(counts: Counts) -> Mask:
    if _IMAGES not in counts.fields:
        return np.zeros(counts.reported.shape[1], np.bool_)
    mine = counts.fields.index(_IMAGES)
    return counts.reported[mine] & (counts.values[mine] > 0)


def _check(name: str, invalid: Mask, language: Language) -> Check:
    if name in TOKEN_COLUMNS:
        return Check(name, invalid, "is not a token count", language.tokens.get(name, ()))
    if name in _DURATIONS:
        return Check(name, invalid, _NO_DURATION, language.quantities[AUDIO])
    return Check(name, invalid, _NO_COUNT, language.quantities[name])
