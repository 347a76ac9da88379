"""Every span of every capture: the counts of its own call, and no sum of others taken for a call."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from otel_usage.extract import observations
from otel_usage.otlp.decode import decode
from tests import captures

pytestmark = pytest.mark.captures

_FOREVER_NS: Final = 2**62
_TRUTH: Final = {
    "input_tokens": "input_total",
    "output_tokens": "output_total",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "cache_write_1h_tokens": "cache_write_1h",
    "reasoning_tokens": "reasoning",
    "input_audio_tokens": "audio_in",
    "output_audio_tokens": "audio_out",
}
"""Column of ours: name in the truth."""

Json = Mapping[str, Any]


def _captures() -> list[Path]:
    return sorted(captures.folder().glob("*/*.traces.pb"))


@pytest.fixture(scope="module")
def corpus() -> list[tuple[str, Json, Mapping[str, Json]]]:
    """Per capture its name, the truth about it, and by span id in hex what was extracted."""
    if not _captures():
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    return [
        (
            f"{path.parent.name}/{path.name.removesuffix('.traces.pb')}",
            json.loads(path.with_name(path.name.replace(".traces.pb", ".json")).read_text()),
            _extracted(path),
        )
        for path in _captures()
    ]


def _extracted(path: Path) -> Mapping[str, Json]:
    extraction = observations(
        decode([path.read_bytes()]), ["tenant"], now_ns=_FOREVER_NS, max_clock_skew_ns=0
    )
    assert not extraction.rejected.any(), extraction.messages
    return {row["span_id"].hex(): row for row in extraction.observations.to_pylist()}


def _spans(truth: Json, *roles: str) -> Iterator[str]:
    for span in truth["usage_spans"]:
        if span["role"] in roles:
            yield span["span_id"]


def test_a_span_of_a_call_is_an_inference_with_all_that_can_be_known_of_it(
    corpus: list[tuple[str, Json, Mapping[str, Json]]],
) -> None:
    wrong = {}
    for name, truth, rows in corpus:
        calls = {call["index"]: call["tokens"] for call in truth["billable_calls"]}
        told = {span: row for row in truth["expected"]["rows"] for span in row["evidence_spans"]}
        for span in _spans(truth, "call"):
            assert rows[span]["role"] == "inference", (name, span)
            if differences := list(_differences(rows[span], told[span], calls)):
                wrong[name] = differences
    assert wrong == {}


def _differences(row: Json, told: Json, calls: Mapping[int, Json]) -> Iterator[tuple[str, Any, Any]]:
    """Columns that are neither the best that the capture allows, nor the truth; with both numbers."""
    elsewhere = set(told["seen_only_in_logs"])
    if "reasoning" in elsewhere:
        elsewhere.add("output_total")  # of which the span tells the part without reasoning
    for column, quantity in _TRUTH.items():
        best, true = told["best_row"][quantity], calls[told["call"]][quantity]
        if best is not None and quantity not in elsewhere and (row[column] or 0) not in {best, true}:
            yield column, row[column], best


def test_no_span_that_sums_up_others_is_an_inference(
    corpus: list[tuple[str, Json, Mapping[str, Json]]],
) -> None:
    for name, truth, rows in corpus:
        for span in _spans(truth, "aggregate"):
            assert span not in rows or rows[span]["role"] == "rollup", (name, span)


def test_zeros_and_estimates_are_not_taken_for_usage(
    corpus: list[tuple[str, Json, Mapping[str, Json]]],
) -> None:
    for name, truth, rows in corpus:
        for span in _spans(truth, "zero_usage", "id_only", "unmatched_usage"):
            assert span not in rows or rows[span]["usage_status"] != "reported", (name, span)
