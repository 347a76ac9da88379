"""A record as an observation: one row of the schema, and what it says of itself."""

import pytest

from otel_usage import identity
from otel_usage.model import OBSERVATIONS
from otel_usage.record import Record, to_observation

NOW_NS = 1_795_392_000_123_456_789


def test_a_record_is_one_row_that_says_where_it_is_from() -> None:
    record = Record(b"key", "gpt-4o", account_id="acme", input_tokens=5, output_tokens=0, cached_tokens=3)
    table = to_observation(record, "default", NOW_NS)
    assert table.schema == OBSERVATIONS
    (row,) = table.drop_columns("started_at").to_pylist()
    assert table["started_at"][0].value == NOW_NS
    expected = {
        "tenant": "default",
        "account_id": "acme",
        "call_id": identity.call_id("default", "record", b"key"),
        "role": "inference",
        "signal": "record",
        "context": "customer",
        "attribution": "record",
        "operation": "chat",
        "request_model": "",
        "response_model": "gpt-4o",
        "usage_status": "reported",
        "usage_convention": "inclusive",
        "convention_source": "api",
        "input_tokens": 5,
        "output_tokens": 0,
        "cache_read_tokens": 3,
        "cache_write_tokens": None,
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({}, "missing"),
        ({"input_tokens": 0}, "reported"),
        ({"output_tokens": 0}, "reported"),
    ],
)
def test_no_count_is_missing_and_zero_is_reported(counts: dict[str, int], status: str) -> None:
    table = to_observation(Record(b"key", "gpt-4o", **counts), "default", NOW_NS)  # type: ignore[arg-type]
    assert table["usage_status"].to_pylist() == [status]


def test_the_same_key_is_the_same_call_of_one_tenant_only() -> None:
    def call(tenant: str, key: bytes) -> bytes:
        identity_: bytes = to_observation(Record(key, "m"), tenant, NOW_NS)["call_id"][0].as_py()
        return identity_

    assert call("a", b"k") == call("a", b"k")
    assert len({call("a", b"k"), call("b", b"k"), call("a", b"l")}) == 3


def test_an_embedding_is_an_embeddings_operation() -> None:
    table = to_observation(Record(b"k", "m", usage_type="embedding"), "default", NOW_NS)
    assert table["operation"].to_pylist() == ["embeddings"]
