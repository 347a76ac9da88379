"""Encoded values in columns are what the protobuf library makes of each."""

from typing import Final

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue

from otel_usage.model import Scalar
from otel_usage.otlp.values import decode_integers, decode_texts, is_blank, scalar, spelled
from tests import strategies

_NOT_UTF_8: Final = b"\x0a\x02\xff\xfe"
_LENGTHS: Final = (0, 1, 2, 126, 127, 128, 129, 255, 256, 16_383, 16_384, 20_000)


def _text(text: str) -> bytes:
    return AnyValue(string_value=text).SerializeToString()


def _whole(number: int) -> bytes:
    return AnyValue(int_value=number).SerializeToString()


def _array(encoded: list[bytes]) -> pa.BinaryArray:
    """The values as a slice out of others, as columns of a batch are."""
    return pa.array([b"before", *encoded, b"after"], pa.binary()).slice(1, len(encoded))


def _texts(encoded: list[bytes]) -> list[str | None]:
    """The texts; None where the mask says that there is neither text nor number."""
    texts, invalid = decode_texts(_array(encoded))
    assert not any(text for text, wrong in zip(texts.to_pylist(), invalid.tolist(), strict=True) if wrong), (
        "what is invalid is empty"
    )
    return [None if wrong else text for text, wrong in zip(texts.to_pylist(), invalid.tolist(), strict=True)]


@pytest.mark.parametrize("length", _LENGTHS)
def test_text_of_any_length_is_decoded(length: int) -> None:
    text = "x" * length
    assert _texts([_text(text)]) == [text]
    assert _texts([_text("a"), _text(text), b"", _whole(7)]) == ["a", text, "", "7"]


def test_short_texts_and_absent_ones_are_decoded_together() -> None:
    assert _texts([_text("gpt-4o"), b"", _text("модель"), _text("")]) == ["gpt-4o", "", "модель", ""]


def test_no_values_are_no_texts() -> None:
    assert _texts([]) == []
    assert _texts([b"", b""]) == ["", ""]


def test_a_whole_number_is_text_in_digits() -> None:
    assert _texts([_whole(0), _whole(42), _whole(-1)]) == ["0", "42", "-1"]


def test_what_is_neither_text_nor_a_whole_number_is_marked() -> None:
    odd = [
        AnyValue(bool_value=True),
        AnyValue(double_value=1.0),
        AnyValue(bytes_value=b"gpt"),
        AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="a")])),
    ]
    assert _texts([_text("a"), *(value.SerializeToString() for value in odd)]) == ["a", *[None] * 4]


@pytest.mark.parametrize(
    "beside", [_text("b"), _text("b" * 200), _whole(5), b""], ids=["short", "long", "number", "absent"]
)
def test_text_that_is_not_utf_8_is_marked_and_harms_no_other(beside: bytes) -> None:
    assert _texts([_text("a"), _NOT_UTF_8, beside]) == ["a", None, spelled(scalar(beside))]


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (b"\x0a\x83\x00abc", "abc"),  # a length in more bytes than it needs
        (b"\x0a\x01a\x0a\x02bc", "bc"),  # said twice: the last counts
        (b"\x18\x05\x0a\x01a", "a"),  # said as a number, then as text
        (b"\x0a\x05abc", None),  # cut short
        (b"\xff", None),
    ],
)
def test_unusual_encodings_are_read_as_the_library_reads_them(encoded: bytes, text: str | None) -> None:
    assert _texts([encoded]) == [text]
    assert _texts([_text("y" * 200), encoded]) == ["y" * 200, text]


_VALUES: Final = st.one_of(
    st.text(max_size=200).map(_text),
    st.integers(-(2**63), 2**63 - 1).map(_whole),
    st.floats(allow_nan=False).map(lambda number: AnyValue(double_value=number).SerializeToString()),
    st.binary(max_size=12),
    st.sampled_from([b"", _NOT_UTF_8, _text("x" * 127), _text("x" * 128), _text("x" * 20_000)]),
)


@strategies.examples(300)
@given(encoded=st.lists(_VALUES, max_size=6))
def test_any_values_give_the_texts_of_the_library(encoded: list[bytes]) -> None:
    assert _texts(encoded) == [spelled(scalar(each)) for each in encoded]


def _integers(encoded: list[bytes]) -> list[int | None]:
    """The numbers; None where they have to be read in another way."""
    numbers, usual = decode_integers(_array(encoded), np.arange(len(encoded)))
    return [number if fine else None for number, fine in zip(numbers.tolist(), usual.tolist(), strict=True)]


@pytest.mark.parametrize("bits", range(56))
def test_whole_numbers_up_to_56_bits_are_decoded(bits: int) -> None:
    low, high = 2**bits, 2 ** (bits + 1) - 1
    assert _integers([_whole(low), _whole(high), _text("beside")]) == [low, high, None]


def test_numbers_that_are_larger_or_negative_are_left_to_others() -> None:
    assert _integers([_whole(2**56), _whole(2**63 - 1), _whole(-1), _whole(1)]) == [None, None, None, 1]


def test_zero_said_and_not_said_differ() -> None:
    assert _integers([_whole(0), b"", _text("0"), b"\x18"]) == [0, None, None, None]


@pytest.mark.parametrize(
    "encoded",
    [b"\x18\x05\x18\x06", b"\x18\x80", b"\x18\x80\x80\x80", b"\x18\x05\x0a\x01a", b"\x10\x01"],
    ids=["twice", "cut short", "cut later", "text too", "a truth"],
)
def test_what_is_no_single_number_is_left_to_others(encoded: bytes) -> None:
    assert _integers([_whole(1), encoded, _whole(300), _text("beside")]) == [1, None, 300, None]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_number_at_the_end_of_the_data_is_read_within_it(count: int) -> None:
    values = pa.array([_whole(1_000_000)] * count, pa.binary())
    numbers, usual = decode_integers(values, np.arange(count))
    for number, fine in zip(numbers.tolist(), usual.tolist(), strict=True):
        assert not fine or number == 1_000_000
    assert usual.all() == (count >= 3)  # of fewer than nine bytes in all nothing is loaded


def test_numbers_are_found_in_any_order_of_positions() -> None:
    values = _array([_whole(10), _whole(2_000), _whole(300_000)])
    numbers, usual = decode_integers(values, np.array([2, 0, 2]))
    assert numbers.tolist() == [300_000, 10, 300_000]
    assert usual.all()


@strategies.examples(300)
@given(encoded=st.lists(_VALUES, max_size=6))
def test_a_number_that_is_decoded_is_the_number_of_the_library(encoded: list[bytes]) -> None:
    for each, number in zip(encoded, _integers(encoded), strict=True):
        assert number is None or number == scalar(each)


def test_absent_and_empty_values_are_blank_and_others_are_not() -> None:
    values = _array([_text(""), _text("a"), _whole(0), b"", AnyValue(bool_value=False).SerializeToString()])
    assert is_blank(values, np.arange(5)).tolist() == [True, False, False, True, False]


def test_where_no_value_says_anything_all_is_blank() -> None:
    assert is_blank(pa.array([b""], pa.binary()), np.array([0, 0])).tolist() == [True, True]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("", ""), ("a", "a"), (7, "7"), (True, None), (1.5, None), (b"a", None)],
)
def test_text_and_whole_numbers_can_be_spelled(value: Scalar, text: str | None) -> None:
    assert spelled(value) == text
