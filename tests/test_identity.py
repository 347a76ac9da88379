"""Identities are pinned: stored rows are found again by them."""

from typing import Final

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.identity import call_id, call_ids, versions
from tests import oracle, strategies

_KINDS: Final = ("response", "span", "record")


def _ids(tenants: list[str], kind: str, keys: list[bytes]) -> list[bytes]:
    identities: list[bytes] = call_ids(pa.array(tenants), kind, pa.array(keys, pa.binary())).to_pylist()
    return identities


@pytest.mark.parametrize(
    ("tenant", "kind", "key", "identity"),
    [
        (
            "default",
            "response",
            b"chatcmpl-BtXN1ylPVkRb1ltuCmjjSxq0AAAA",
            "0a50d1b2d0a287a7d2a1dae47104f661",
        ),
        ("default", "span", b"\x01" * 24, "c1586d8d5aca1f2505e6925db7564bb7"),
        ("default", "record", b"key-1", "da8b56520264a4b6e45c5c23e10360a2"),
        ("", "response", b"", "b26686d162f40566604caf1bdbb145da"),
        ("café", "record", "ключ".encode(), "fca39d93fbe9164e255ac2b50d751889"),
    ],
)
def test_identities_are_what_they_were_when_the_first_rows_were_stored(
    tenant: str, kind: str, key: bytes, identity: str
) -> None:
    assert call_id(tenant, kind, key).hex() == identity


def test_kinds_and_tenants_and_keys_make_different_calls() -> None:
    identities = {
        call_id(tenant, kind, key)
        for tenant in ("a", "b", "")
        for kind in _KINDS
        for key in (b"a", b"b", b"")
    }
    assert len(identities) == 27


def test_the_end_of_a_tenant_is_not_the_start_of_a_key() -> None:
    assert call_id("ab", "record", b"c") != call_id("a", "record", b"bc")


def test_zero_bytes_at_the_end_of_a_key_count() -> None:
    keys = [b"a" + b"\0" * zeros for zeros in range(9)]
    assert len(set(_ids(["t"] * 9, "record", keys))) == 9


@strategies.examples(200)
@given(
    calls=st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=40)), max_size=6),
    kind=st.sampled_from(_KINDS),
)
def test_identities_are_those_of_the_slow_reference(calls: list[tuple[str, bytes]], kind: str) -> None:
    tenants, keys = [tenant for tenant, _ in calls], [key for _, key in calls]
    assert call_ids(pa.array(tenants, pa.string()), kind, pa.array(keys, pa.binary())).to_pylist() == [
        oracle.call_id(tenant, kind, key) for tenant, key in calls
    ]


def test_a_hundred_thousand_calls_do_not_collide_nor_do_halves_of_their_identities() -> None:
    count = 100_000
    keys = pa.array([f"resp_{number:032x}" for number in range(count)])
    tenants = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["default"]))
    identities = call_ids(tenants, "response", keys)
    halves = np.frombuffer(identities.buffers()[1], dtype="<u8").reshape(-1, 2)
    assert len(set(identities.to_pylist())) == count
    assert [len(np.unique(half)) for half in halves.T] == [count, count]


def test_a_key_does_not_depend_on_the_keys_beside_it() -> None:
    long, short = b"x" * 256, b"y"
    assert _ids(["t", "t"], "record", [long, short]) == [
        call_id("t", "record", long),
        call_id("t", "record", short),
    ]


def test_dictionaries_and_plain_arrays_give_the_same() -> None:
    tenants = pa.array(["b", "a", "b", ""])
    keys = pa.array(["k1", "k2", "k2", ""])
    plain = call_ids(tenants, "record", keys)
    assert call_ids(tenants.dictionary_encode(), "record", keys.dictionary_encode()).equals(plain)


def test_text_and_its_bytes_give_the_same() -> None:
    keys = pa.array(["ключ", "key"])
    tenants = pa.array(["t", "t"])
    assert call_ids(tenants, "span", keys).equals(call_ids(tenants, "span", keys.cast(pa.binary())))


@pytest.mark.parametrize("encode", [False, True])
def test_slices_give_the_identities_of_their_rows(*, encode: bool) -> None:
    tenants = pa.array(["one", "two", "three", "four"])
    keys = pa.array(["first", "", "the third", "4"])
    if encode:
        tenants, keys = tenants.dictionary_encode(), keys.dictionary_encode()
    whole = call_ids(tenants, "record", keys).to_pylist()
    assert call_ids(tenants.slice(1, 2), "record", keys.slice(1, 2)).to_pylist() == whole[1:3]
    assert call_ids(tenants.slice(4), "record", keys.slice(4)).to_pylist() == []


def _versions(rows: list[tuple[int, int, bytes]]) -> list[int]:
    ranks, details, spans = zip(*rows, strict=True)
    result: list[int] = versions(
        np.array(ranks, np.uint64), np.array(details, np.uint64), pa.array(spans, pa.binary(8))
    ).tolist()
    return result


def test_rank_beats_detail_beats_the_span_id() -> None:
    lowest, highest = bytes(8), b"\xff" * 8
    rows = [(0, 0, lowest), (0, 0, highest), (0, 1, lowest), (0, 255, highest), (1, 0, lowest)]
    found = _versions(rows)
    assert found == sorted(set(found))


def test_a_version_has_its_bits_where_the_table_has_them() -> None:
    assert _versions([(8, 11, bytes.fromhex("0102030405060708"))]) == [0x80BD9AD7FC655]


def test_the_highest_version_leaves_the_bits_of_revisions_free() -> None:
    # The span id whose 40 bits are all set.
    assert _versions([(15, 255, bytes.fromhex("0e217c1e66c88cc3"))]) == [2**52 - 1]


def test_span_ids_that_differ_in_one_bit_differ_in_the_version() -> None:
    spans = [(1 << bit).to_bytes(8, "big") for bit in range(64)]
    assert len(set(_versions([(8, 3, span) for span in spans]))) == 64


def test_versions_of_a_slice_are_those_of_its_rows() -> None:
    spans = pa.array([bytes([number] * 8) for number in range(4)], pa.binary(8))
    zero = np.zeros(4, np.uint64)
    whole = versions(zero, zero, spans).tolist()
    assert versions(zero[:2], zero[:2], spans.slice(2)).tolist() == whole[2:]
