"""The counters as Prometheus reads them: both formats, the choice between them, and hostile names."""

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.api.exposition import OPEN_METRICS, TEXT, media_type, to_text
from otel_usage.ledger import OUTCOMES, Balance, EmitterOutcome, RequestCount

BALANCE: Final = Balance(
    since_ns=1_795_392_000_125_000_000,
    emitters=[
        EmitterOutcome("metrics", "", received=4, ignored=4),
        EmitterOutcome("traces", "openai", 6, 1, 2, 1, 1, 1),
    ],
    requests=[RequestCount("traces", "accepted", 3), RequestCount("traces", "refused", 1)],
    waiting=2,
    amended=5,
)
GOLDEN: Final = """\
# HELP otel_usage_received_items_total Spans, log records, data points and REST records received.
# TYPE otel_usage_received_items_total counter
otel_usage_received_items_total{signal="metrics",emitter=""} 4
otel_usage_received_items_total{signal="traces",emitter="openai"} 6
# HELP otel_usage_items_total What became of those: stored, duplicate, rollup, ignored or rejected.
# TYPE otel_usage_items_total counter
otel_usage_items_total{signal="metrics",emitter="",outcome="stored"} 0
otel_usage_items_total{signal="metrics",emitter="",outcome="duplicate"} 0
otel_usage_items_total{signal="metrics",emitter="",outcome="rollup"} 0
otel_usage_items_total{signal="metrics",emitter="",outcome="ignored"} 4
otel_usage_items_total{signal="metrics",emitter="",outcome="rejected"} 0
otel_usage_items_total{signal="traces",emitter="openai",outcome="stored"} 1
otel_usage_items_total{signal="traces",emitter="openai",outcome="duplicate"} 2
otel_usage_items_total{signal="traces",emitter="openai",outcome="rollup"} 1
otel_usage_items_total{signal="traces",emitter="openai",outcome="ignored"} 1
otel_usage_items_total{signal="traces",emitter="openai",outcome="rejected"} 1
# HELP otel_usage_requests_total Requests by how they ended: accepted, rejected, refused (sent again), failed.
# TYPE otel_usage_requests_total counter
otel_usage_requests_total{signal="traces",outcome="accepted"} 3
otel_usage_requests_total{signal="traces",outcome="refused"} 1
# HELP otel_usage_waiting_requests Requests taken and not answered yet.
# TYPE otel_usage_waiting_requests gauge
otel_usage_waiting_requests 2
# HELP otel_usage_amended_rows_total Stored rows that were written anew, as later telemetry told more.
# TYPE otel_usage_amended_rows_total counter
otel_usage_amended_rows_total 5
# HELP otel_usage_start_time_seconds When counting began, in seconds since 1970.
# TYPE otel_usage_start_time_seconds gauge
otel_usage_start_time_seconds 1795392000.125
"""
_SAMPLE: Final = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:\\[\\n"]|[^\\"\n])*",?)*)\})? (\S+)')
_LABEL: Final = re.compile(r'([a-z]+)="((?:\\[\\n"]|[^\\"\n])*)"')


def test_the_text_format_as_it_is() -> None:
    assert to_text(BALANCE, TEXT) == GOLDEN


def test_openmetrics_names_a_counter_without_its_total_and_says_where_it_ends() -> None:
    text = to_text(BALANCE, OPEN_METRICS)
    named = re.sub(r"(# (?:HELP|TYPE) \S+)_total ", r"\1 ", GOLDEN)
    assert text == f"{named}# EOF\n"


@given(st.text())
def test_any_name_of_an_emitter_survives(name: str) -> None:
    text = to_text(Balance(0, [EmitterOutcome("traces", name, 1, 1)], [], 0, 0), TEXT)
    samples = [_SAMPLE.fullmatch(line) for line in text.split("\n")[:-1] if not line.startswith("#")]
    labels = [_LABEL.findall(sample[2] or "") for sample in samples if sample]
    assert len(labels) == len(samples) == 1 + len(OUTCOMES) + 3
    said = {dict(each)["emitter"] for each in labels if each}
    assert {_unescaped(each) for each in said} == {name}


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        ("application/openmetrics-text", OPEN_METRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPEN_METRICS),
        # Prometheus 2 and 3.
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPEN_METRICS),
        ("application/openmetrics-text;escaping=allow-utf-8;q=0.6,text/plain;q=0.4,*/*;q=0.2", OPEN_METRICS),
        ("text/plain, application/openmetrics-text;q=0.9", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=much", TEXT),
        (";q=1,,;", TEXT),
    ],
)
def test_the_format_is_the_one_that_is_preferred(accept: str | None, media: str) -> None:
    assert media_type(accept) == media


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)
