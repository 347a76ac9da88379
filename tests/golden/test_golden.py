"""Captured requests give the rows that are written down beside them."""

from pathlib import Path

import pyarrow as pa
import pytest

from otel_usage.extract import observations
from otel_usage.otlp.decode import decode
from tests.golden import rows

_CAPTURES = sorted(rows.CAPTURES.glob("*/*.traces.pb"))


@pytest.mark.parametrize(
    "capture", _CAPTURES, ids=lambda path: f"{path.parent.name}/{path.name.split('.')[0]}"
)
def test_a_captured_request_gives_its_golden_rows(capture: Path) -> None:
    extraction = observations(
        decode([capture.read_bytes()]),
        [rows.TENANT],
        now_ns=rows.NOW_NS,
        max_clock_skew_ns=rows.MAX_CLOCK_SKEW_NS,
    )
    found = extraction.observations
    whole = found.set_column(
        found.schema.get_field_index("started_at"), "started_at", found["started_at"].cast(pa.int64())
    )
    assert [rows.readable(row) for row in whole.to_pylist()] == rows.expected(capture)


def test_there_are_golden_captures() -> None:
    assert len(_CAPTURES) > 20
