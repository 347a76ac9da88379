"""Who a call is, and which of its observations wins.

`call_id` is a 128-bit hash of tenant, kind and key: the provider's response id, the span, or the caller's
idempotency key. It is multilinear hashing (Lemire and Kaser, "Strongly universal string hashing is fast",
2014): text as 32-bit words, each times a random 64-bit number of its place, summed with one more, and the
upper half kept; four of these side by side. Two given texts collide with probability 2**-128, and a column of
texts is one matrix product. The random numbers are fixed for ever: stored rows are found again by them.
"""

import hashlib
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.attributes import MAX_ID

UNIQUE_RESPONSE_ID: Final = 20
"""Characters from which a provider's response id is taken as unique. Some servers answer short ids that
repeat (Ollama: `chatcmpl-` and three digits); one charge for all of those would lose calls."""

ROLLUP_RANK: Final = 1
"""The rank of observations that repeat others; no other has it."""

Levels = npt.NDArray[np.uint64]

_REMEMBERED: Final = 4_096
_TIE_BITS: Final = 39
_REVISION_BITS: Final = 12
_REVISION: Final = np.uint64((1 << _REVISION_BITS) - 1)
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)  # spreads ids that differ in few bits over the upper ones


def call_ids(tenants: pa.Array, kind: str, keys: pa.Array) -> pa.Array:
    """Identities, `binary(16)`, of calls of one kind: `response`, `span` or `record`.

    `tenants` and `keys` are text or bytes, of one length, without nulls.
    """
    sums = _sums(tenants, "tenant") + _sums(keys, kind)
    halves = (sums >> np.uint64(32)).astype("<u4")
    return pa.Array.from_buffers(pa.binary(16), len(keys), [None, pa.py_buffer(halves)])


def span_call_ids(tenants: pa.Array, trace_id: pa.Array, span_id: pa.Array) -> pa.Array:
    """Identities of what one span each tells of alone: `trace_id` binary(16), `span_id` binary(8)."""
    keys = pc.binary_join_element_wise(trace_id.cast(pa.binary()), span_id.cast(pa.binary()), b"")
    return call_ids(tenants, "span", keys)


def is_unique(response_id: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Which response ids are taken as unique."""
    length = pc.utf8_length(response_id).to_numpy()
    unique: npt.NDArray[np.bool_] = (length >= UNIQUE_RESPONSE_ID) & (length <= MAX_ID)
    return unique


def call_id(tenant: str, kind: str, key: bytes) -> bytes:
    """The identity of one call: an element of `call_ids`."""
    identity: bytes = call_ids(pa.array([tenant]), kind, pa.array([key], pa.binary()))[0].as_py()
    return identity


def versions(
    *,
    status: Levels,
    detail: Levels,
    rank: Levels,
    payer: Levels,
    span_ids: pa.Array,
) -> npt.NDArray[np.uint64]:
    """Which observation of a call wins: the one with the higher version.

    The bits, from the top: `status` 2 (of its usage: missing 0, estimated 1, reported 2), `detail` 6 (how
    many counts it reports), `rank` 4 (how directly it saw the call), `payer` 1 (whether it names one), 39
    that depend on all of the span id, and revision 12 (0 as observed, see `revised`): a better observation
    wins over one that was resolved without it.
    Nothing but the revision depends on when or in which order observations arrive.
    """
    spans = np.frombuffer(span_ids.buffers()[1], dtype=">u8", count=len(span_ids), offset=8 * span_ids.offset)
    tie = (spans.astype(np.uint64) * _MIX) >> np.uint64(64 - _TIE_BITS)
    merit = (status << np.uint64(11)) | (detail << np.uint64(5)) | (rank << np.uint64(1)) | payer
    return ((merit.astype(np.uint64) << np.uint64(_TIE_BITS)) | tie) << np.uint64(_REVISION_BITS)


def ranks(version: Levels) -> Levels:
    """The ranks in versions."""
    return (version >> np.uint64(_REVISION_BITS + _TIE_BITS + 1)) & np.uint64(15)


def merits(version: Levels) -> Levels:
    """Versions without their revision: how good the observations are."""
    return version & ~_REVISION


def preferences(version: Levels, identified: npt.NDArray[np.bool_]) -> Levels:
    """Merits, but of equally good observations the one with a response id comes before the tie-break."""
    top = _REVISION_BITS + _TIE_BITS
    tie = merits(version) & np.uint64((1 << top) - 1)
    return (
        (merits(version) ^ tie) | (identified.astype(np.uint64) << np.uint64(top - 1)) | (tie >> np.uint64(1))
    )


def revisions(version: Levels) -> Levels:
    """The revisions in versions."""
    return version & _REVISION


def revised(version: Levels) -> Levels:
    """Versions of the next revision: of rows that say more than their span did."""
    return version + np.uint64(1)


@lru_cache(_REMEMBERED)
def text_key(text: str) -> int:
    """A number of 64 bits for a name, the same everywhere."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _sums(texts: pa.Array, place: str) -> npt.NDArray[np.uint64]:
    """Four sums per text. Texts in different places are multiplied by different numbers."""
    if pa.types.is_dictionary(texts.type):
        return _sums(texts.dictionary, place)[texts.indices.to_numpy()]
    _, offset_buffer, data_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int32, count=len(texts) + 1, offset=4 * texts.offset)
    words = _words(np.frombuffer(data_buffer or b"", dtype=np.uint8), offsets, np.diff(offsets))
    addend, *factors = np.split(_numbers(1 + words.shape[1], place), [1])
    sums: npt.NDArray[np.uint64] = addend + words.astype(np.uint64) @ factors[0]
    return sums


def _words(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint32]:
    """Each text as a row of 32-bit words: its length plus one, then its bytes, zero-padded to the longest."""
    longest = int(lengths.max(initial=0))
    width = -(-longest // 4) * 4
    padded = np.zeros((len(lengths), 4 + width), dtype=np.uint8)
    padded[:, :4] = (lengths + 1).astype("<u4").view(np.uint8).reshape(-1, 4)
    octets = data[offsets[0] : offsets[-1]]
    if len(octets) == len(lengths) * longest:  # ids of one kind are of one length
        padded[:, 4 : 4 + longest] = octets.reshape(len(lengths), longest)
    else:
        padded[:, 4:][np.arange(width) < lengths[:, None]] = octets
    return padded.view("<u4")


def _numbers(rows: int, place: str) -> npt.NDArray[np.uint64]:
    """The first rows of a place's endless table of random numbers: four to add, then four for each word."""
    stream = hashlib.shake_256(f"otel-usage call id: {place}".encode()).digest(rows * 4 * 8)
    return np.frombuffer(stream, dtype="<u8").reshape(rows, 4)
