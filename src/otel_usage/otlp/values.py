"""Encoded AnyValues to columns of text and of whole numbers.

The usual encodings (a string of up to 16 KB, a whole number below 2**56) are decoded in numpy; any other goes
through the protobuf library one by one, being rare.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_usage.model import Scalar
from otel_usage.names import Mask, Rows, bounds, data

_STRING_TAG: Final = 0x0A  # AnyValue.string_value: field 1, length-delimited
_INT_TAG: Final = 0x18  # AnyValue.int_value: field 3, varint
_SHORT, _LONG = 2, 3  # bytes of tag and length before a string of up to 127 bytes, and up to 16 KB
_END: Final = 2**31 - 1  # binary_slice without a stop fails on short values
_VARINT: Final = 9  # bytes of a tag and a varint of 56 bits
_MORE: Final = 0x80  # of a byte of a varint: another follows
_UNREAD: Final = b"\0"
_BIT_7: Final = np.uint64(0x8080_8080_8080_8080)  # of each byte of a varint: whether another follows


def decode_texts(encoded: pa.BinaryArray) -> tuple[pa.StringArray, Mask]:
    """AnyValues to text: the string itself, a whole number in digits; the mask marks what is neither.

    No value is the empty text.
    """
    text = pc.binary_slice(encoded, _SHORT, _END)
    odd = np.zeros(len(encoded), np.bool_)
    if not _all_short(encoded):
        header = _header_sizes(encoded)
        text = pc.if_else(pa.array(header == _LONG), pc.binary_slice(encoded, _LONG, _END), text)
        odd = header == 0
    try:
        return _decode_oddities(encoded, text, odd)
    except pa.ArrowInvalid:  # not UTF-8 somewhere
        return _decode_oddities(encoded, text, ~np.zeros(len(encoded), np.bool_))


def decode_integers(values: pa.BinaryArray, positions: Rows) -> tuple[npt.NDArray[np.int64], Mask]:
    """The whole numbers at the positions, where a varint of up to 8 bytes says them: the mask says where."""
    edges, octets = bounds(values), data(values)
    starts = edges[positions].astype(np.int64)
    lengths = edges[positions + 1] - starts
    if len(octets) < _VARINT or not len(positions):
        return np.zeros(len(positions), np.int64), np.zeros(len(positions), np.bool_)
    usual = (octets[np.minimum(starts, len(octets) - 1)] == _INT_TAG) & (lengths > 1) & (lengths <= _VARINT)
    # All 8-byte windows of the buffer, so that one gather loads a whole varint.
    windows: npt.NDArray[np.uint64] = np.ndarray((len(octets) - 7,), "<u8", buffer=octets.data, strides=(1,))
    base = np.minimum(starts + 1, len(octets) - 8)
    loaded: npt.NDArray[np.uint64] = windows[base] >> (8 * (starts + 1 - base)).astype(np.uint64)
    size = np.where(usual, lengths - 1, 1).astype(np.uint64)
    loaded &= np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> (np.uint64(64) - np.uint64(8) * size)
    # All bytes of a varint but the last say that another follows.
    follows = _BIT_7 & ~(np.uint64(0xFFFF_FFFF_FFFF_FFFF) << (np.uint64(8) * (size - np.uint64(1))))
    usual &= (loaded & _BIT_7) == follows
    return _join_sevens(loaded).astype(np.int64), usual


def is_blank(values: pa.BinaryArray, positions: Rows) -> Mask:
    """Whether the values at the positions are empty text, or none."""
    edges, octets = bounds(values), data(values)
    blank = (edges[1:] - edges[:-1] <= _SHORT)[positions]
    few = np.flatnonzero(blank)  # also small numbers
    starts, ends = edges[positions[few]], edges[positions[few] + 1]
    blank[few] = starts == ends
    told = few[starts < ends]
    blank[told] = octets[edges[positions[told]]] == _STRING_TAG
    return blank


def scalar(encoded: bytes) -> Scalar:
    """The value of one encoded AnyValue; bytes if it is malformed."""
    try:
        return unwrap(AnyValue.FromString(encoded))
    except DecodeError:
        return _UNREAD


def unwrap(value: AnyValue) -> Scalar:
    """The value of an AnyValue."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "string_value" | "bool_value" | "int_value" | "double_value" as kind:
            result: Scalar = getattr(value, kind)
            return result
        case _:
            return _UNREAD


def encode(value: str | int) -> bytes:
    """An encoded AnyValue. A number is of 64 bits."""
    message = AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)
    return message.SerializeToString()


def spelled(value: Scalar) -> str | None:
    """A value as text; None if it is neither text nor a whole number, and empty if it is not there."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _decode_oddities(encoded: pa.BinaryArray, text: pa.BinaryArray, odd: Mask) -> tuple[pa.StringArray, Mask]:
    """The texts, where the odd ones have yet to be decoded, one by one."""
    readable = text.to_pylist() if odd.any() else []
    invalid = np.zeros(len(encoded), dtype=np.bool_)
    for row in np.flatnonzero(odd).tolist():
        said = spelled(scalar(encoded[row].as_py()))
        invalid[row] = said is None
        readable[row] = (said or "").encode()
    return (pa.array(readable, pa.binary()) if readable else text).cast(pa.string()), invalid


def _all_short(encoded: pa.BinaryArray) -> bool:
    """Whether each is a string of up to 127 bytes, or nothing: the usual case, seen at a glance.

    A length byte that says "all the rest" is never the first of two: that one would say one less.
    """
    edges, octets = bounds(encoded), data(encoded)
    lengths, starts = np.diff(edges), np.minimum(edges[:-1], max(len(octets) - 2, 0))
    if len(octets) < _SHORT:
        return not len(octets)
    short = (octets[starts] == _STRING_TAG) & (octets[starts + 1] == lengths - _SHORT)
    return bool((short | (lengths == 0)).all())


def _header_sizes(encoded: pa.BinaryArray) -> npt.NDArray[np.int64]:
    """Bytes before the text: _SHORT (also of nothing), _LONG, or 0 of what is not a usual string."""
    edges, octets = bounds(encoded), np.append(data(encoded), np.zeros(_LONG, np.uint8))
    starts, lengths = edges[:-1], np.diff(edges)
    low, high = octets[starts + 1].astype(np.int64), octets[starts + 2].astype(np.int64)
    string = octets[starts] == _STRING_TAG
    short = (string & (low == lengths - _SHORT)) | (lengths == 0)
    two_bytes = (low >= _MORE) & (high > 0) & (high < _MORE)
    long = string & two_bytes & ((low & 0x7F | high << 7) == lengths - _LONG)
    return np.where(short, _SHORT, np.where(long, _LONG, 0))


def _join_sevens(loaded: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Close the gaps between the 7-bit groups of varints, pairwise: 8 of 7, 4 of 14, 2 of 28, 1 of 56."""
    sevens = loaded & np.uint64(0x7F7F_7F7F_7F7F_7F7F)
    for low, shift in ((0x007F_007F_007F_007F, 1), (0x0000_3FFF_0000_3FFF, 2), (0x0000_0000_0FFF_FFFF, 4)):
        keep = np.uint64(low)
        sevens = (sevens & keep) | ((sevens & ~keep) >> np.uint64(shift))
    return sevens
