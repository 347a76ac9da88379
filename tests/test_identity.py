"""Identities are pinned: stored rows are found again by them."""

from typing import Final

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.identity import (
    call_id,
    call_ids,
    is_unique,
    merits,
    preferences,
    ranks,
    revised,
    revisions,
    versions,
)
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


def _versions(rows: list[tuple[int, int, int, int, bytes]]) -> list[int]:
    """Of status, detail, rank, payer and span id."""
    status, detail, rank, payer, spans = zip(*rows, strict=True)
    result: list[int] = versions(
        status=np.array(status, np.uint64),
        detail=np.array(detail, np.uint64),
        rank=np.array(rank, np.uint64),
        payer=np.array(payer, np.uint64),
        span_ids=pa.array(spans, pa.binary(8)),
    ).tolist()
    return result


def test_status_beats_detail_beats_rank_beats_payer_beats_the_span_id() -> None:
    lowest, highest = bytes(8), b"\xff" * 8
    rows = [
        (0, 0, 0, 0, lowest),
        (0, 0, 0, 0, highest),
        (0, 0, 0, 1, lowest),
        (0, 0, 1, 0, lowest),
        (0, 1, 0, 0, lowest),
        (0, 63, 15, 1, highest),
        (1, 0, 0, 0, lowest),
        (2, 0, 0, 0, lowest),
    ]
    found = _versions(rows)
    assert found == sorted(set(found))


def test_a_version_has_its_bits_where_the_table_has_them() -> None:
    (version,) = _versions([(2, 11, 8, 1, bytes.fromhex("0102030405060708"))])
    assert version >> 51 == (2 << 11) | (11 << 5) | (8 << 1) | 1
    assert ranks(np.array([version], np.uint64)).tolist() == [8]


def test_the_highest_version_leaves_the_bits_of_revisions_free() -> None:
    found = np.array(_versions([(3, 63, 15, 1, b"\xff" * 8)]), np.uint64)
    assert found[0] % 2**12 == 0
    assert revised(found)[0] == found[0] + 1
    assert merits(revised(found)).tolist() == found.tolist()
    assert revisions(revised(found)).tolist() == [1]


def test_an_observation_with_a_response_id_is_preferred_to_an_equal_one_without() -> None:
    plain = np.array(_versions([(2, 3, 8, 0, b"\xff" * 8), (2, 3, 8, 0, bytes(8))]), np.uint64)
    first, second = preferences(plain, np.array([False, True])).tolist()
    assert first < second
    better, worse = preferences(
        np.array(_versions([(2, 4, 8, 0, bytes(8)), (2, 3, 8, 0, bytes(8))]), np.uint64),
        np.array([False, True]),
    ).tolist()
    assert better > worse


def test_span_ids_that_differ_in_one_bit_differ_in_the_version() -> None:
    spans = [(1 << bit).to_bytes(8, "big") for bit in range(64)]
    assert len(set(_versions([(2, 3, 8, 0, span) for span in spans]))) == 64


def test_versions_of_a_slice_are_those_of_its_rows() -> None:
    spans = pa.array([bytes([number] * 8) for number in range(4)], pa.binary(8))
    zero = np.zeros(4, np.uint64)

    def of(rows: slice) -> list[int]:
        levels = {"status": zero[rows], "detail": zero[rows], "rank": zero[rows], "payer": zero[rows]}
        result: list[int] = versions(**levels, span_ids=spans[rows]).tolist()
        return result

    assert of(slice(2, 4)) == of(slice(0, 4))[2:]


def test_a_response_id_is_unique_from_twenty_characters() -> None:
    assert is_unique(pa.array(["", "x" * 19, "x" * 20, "x" * 256, "x" * 257])).tolist() == [
        False,
        False,
        True,
        True,
        False,
    ]
