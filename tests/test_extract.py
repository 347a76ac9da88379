"""The columnar extract gives what the oracle gives, span by span, from the same rules."""

from typing import Any, Final

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_usage.extract import Extraction, observations
from otel_usage.model import CLAIMS, OBSERVATIONS
from otel_usage.otlp.decode import decode
from tests import captures, oracle, strategies

_SKEW_NS: Final = 86_400 * 10**9
_TENANTS: Final = ("default", "other")


def _extract(bodies: list[bytes], now_ns: int) -> tuple[Extraction, list[oracle.Verdict]]:
    tenants = [_TENANTS[index % 2] for index in range(len(bodies))]
    extraction = observations(decode(bodies), tenants, now_ns=now_ns, max_clock_skew_ns=_SKEW_NS)
    verdicts = [
        oracle.verdict(
            oracle.parse(body), index=index, tenant=tenants[index], now_ns=now_ns, max_clock_skew_ns=_SKEW_NS
        )
        for index, body in enumerate(bodies)
    ]
    return extraction, verdicts


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """The table as rows; the start stays whole nanoseconds."""
    started_at = table["started_at"].cast(pa.int64()).to_pylist()
    return [
        row | {"started_at": start}
        for row, start in zip(table.drop_columns("started_at").to_pylist(), started_at, strict=True)
    ]


def _differences(rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Row, column, what the columns say, what the oracle says."""
    if len(rows) != len(expected):
        return [("rows", len(rows), len(expected))]
    return [
        (index, column, row.get(column), told.get(column))
        for index, (row, told) in enumerate(zip(rows, expected, strict=True))
        for column in row.keys() | told.keys()
        if row.get(column, "absent") != told.get(column, "absent")
    ]


def _assert_agree(bodies: list[bytes], now_ns: int) -> None:
    extraction, verdicts = _extract(bodies, now_ns)
    assert extraction.observations.schema == OBSERVATIONS
    assert (
        _differences(_rows(extraction.observations), [row for verdict in verdicts for row in verdict.rows])
        == []
    )
    assert extraction.claims.schema == CLAIMS
    assert _rows(extraction.claims) == [claim for verdict in verdicts for claim in verdict.claims]
    assert _emitters(extraction) == _sums(verdicts)
    assert extraction.received.tolist() == [verdict.received for verdict in verdicts]
    assert extraction.ignored.tolist() == [verdict.ignored for verdict in verdicts]
    assert extraction.rejected.tolist() == [len(verdict.rejected) for verdict in verdicts]
    for verdict, message in zip(verdicts, extraction.messages, strict=True):
        assert bool(message) == bool(verdict.rejected)
        for span_id, field in verdict.rejected[:1]:
            assert field in {"span_id", "trace_id"} or span_id in message


def _emitters(extraction: Extraction) -> dict[str, tuple[int, int, int]]:
    assert len({each.name for each in extraction.emitters}) == len(extraction.emitters)
    return {each.name: (each.received, each.ignored, each.rejected) for each in extraction.emitters}


def _sums(verdicts: list[oracle.Verdict]) -> dict[str, tuple[int, int, int]]:
    sums: dict[str, tuple[int, int, int]] = {}
    for verdict in verdicts:
        for name, more in verdict.emitters.items():
            of = sums.get(name, (0, 0, 0))
            sums[name] = (of[0] + more[0], of[1] + more[1], of[2] + more[2])
    return sums


@pytest.mark.captures
def test_every_captured_request_gives_the_rows_of_the_oracle() -> None:
    paths = captures.files()
    if not paths:
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    bodies = [oracle.without_documents(path.read_bytes()) for path in paths]
    _assert_agree(bodies, strategies.now() + 365 * _SKEW_NS)


@strategies.examples(500)
@given(st.lists(strategies.requests(), max_size=4))
@example([])
def test_generated_requests_give_the_rows_of_the_oracle(made: list[strategies.Made]) -> None:
    _assert_agree([each.body for each in made], strategies.NOW_NS)


@strategies.examples(200)
@given(made=strategies.requests(max_spans=10), seed=st.integers(0, 2**32 - 1))
def test_calls_in_unusual_encodings_give_the_rows_of_the_oracle(made: strategies.Made, seed: int) -> None:
    _assert_agree([strategies.respelled(made.request, seed), made.body], strategies.NOW_NS)
