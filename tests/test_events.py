"""OpenTelemetry's event of a call, and what holds for every log record."""

from collections.abc import Mapping

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from otel_usage import extract
from otel_usage.dialects.events import EVENTS
from otel_usage.model import EARLIEST_NS, TOKEN_COLUMNS
from otel_usage.otlp.decode import decode
from tests import signals, strategies
from tests.log_events import (
    AT,
    AT_NS,
    CLAUDE,
    CODEX_LOG,
    DETAILS,
    GEMINI,
    NOW_NS,
    RESPONSE_ID,
    SPAN,
    TRACE,
    Row,
    Value,
    claude,
    codex,
    counts_of,
    details,
    extracted,
    flat,
    gemini,
    gemini_details,
    pairs,
    record,
    request,
    rows_of,
)

# OpenTelemetry's event


@pytest.mark.parametrize("scope", ["opentelemetry.util.genai.handler", "gcp.vertex.agent", "my.own", ""])
def test_the_event_of_a_call_is_one_call_with_its_span(scope: str) -> None:
    [row] = rows_of(scope, record(details(), event_name=DETAILS, trace_id=TRACE, span_id=SPAN))
    assert counts_of(row) == {"input": 1500, "output": 500, "cache_read": 200}
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == (TRACE, SPAN, bytes(8))
    assert row["call_id"] == _span_call_id(details())


def test_a_span_of_the_call_wins_over_its_event() -> None:
    [row] = rows_of("x", record(details(), event_name=DETAILS, trace_id=TRACE, span_id=SPAN))
    assert _span(details())["version"] > row["version"]


def _span_call_id(attributes: Mapping[str, Value]) -> bytes:
    call_id: bytes = _span(attributes)["call_id"]
    return call_id


def _span(attributes: Mapping[str, Value]) -> Row:
    span = Span(trace_id=TRACE, span_id=SPAN, start_time_unix_nano=AT_NS, attributes=pairs(attributes))
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])]
    )
    spans = decode([request.SerializeToString()])
    found = extract.observations(spans, ["default"], now_ns=NOW_NS, max_clock_skew_ns=0)
    [row] = flat(found)
    return row


def test_events_without_a_response_id_are_told_apart_by_span_and_counts() -> None:
    anonymous = {key: value for key, value in details().items() if key != "gen_ai.response.id"}
    first = record(anonymous, event_name=DETAILS, trace_id=TRACE, span_id=SPAN)
    other_span = record(anonymous, event_name=DETAILS, trace_id=TRACE, span_id=SPAN[::-1])
    other_count = record(
        anonymous | {"gen_ai.usage.input_tokens": 1501}, event_name=DETAILS, trace_id=TRACE, span_id=SPAN
    )
    ids = [row["call_id"] for row in rows_of("x", first, first, other_span, other_count)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_an_event_that_tells_neither_usage_nor_response_nor_error_tells_no_call() -> None:
    asked = {"gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat", "gen_ai.input.messages": "[]"}
    assert rows_of("@opentelemetry/instrumentation-openai", record(asked, event_name=DETAILS)) == []
    [failed] = rows_of("x", record(asked | {"error.type": "timeout"}, event_name=DETAILS))
    assert (failed["error_type"], failed["usage_status"]) == ("timeout", "missing")
    [silent] = rows_of("x", record(asked | {"gen_ai.response.id": RESPONSE_ID}, event_name=DETAILS))
    assert (silent["error_type"], silent["usage_status"]) == ("", "missing")


def test_an_event_of_an_agent_is_a_rollup() -> None:
    [row] = rows_of("x", record(details(**{"gen_ai.operation.name": "invoke_agent"}), event_name=DETAILS))
    assert (row["role"], row["operation"]) == ("rollup", "invoke_agent")


def test_an_event_that_does_not_say_what_was_done_is_a_chat() -> None:
    told = {key: value for key, value in details().items() if key != "gen_ai.operation.name"}
    [row] = rows_of("gcp.vertex.agent", record(told, event_name=DETAILS))
    assert (row["role"], row["operation"]) == ("inference", "chat")


def test_embeddings_have_no_output_to_miss() -> None:
    told: dict[str, Value] = {"gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 29979}
    [row] = rows_of("openlit.instrumentation.openai", record(told, event_name=DETAILS))
    assert (row["usage_status"], row["usage_type"], counts_of(row)) == (
        "reported",
        "embedding",
        {"input": 29979},
    )


def test_counts_that_openlit_may_have_made_up_are_estimates() -> None:
    zeros = {
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
    }
    cached = {"gen_ai.usage.cache_read.input_tokens": 200}
    told = {key: value for key, value in details().items() if key != "gen_ai.provider.name"}
    statuses = []
    for attributes, span_id in [(told | zeros, b""), (told | zeros, SPAN), (told | zeros | cached, b"")]:
        told_by = record(attributes, event_name=DETAILS, trace_id=TRACE, span_id=span_id)
        [row] = rows_of("openlit.instrumentation.openai", told_by)
        statuses.append((row["usage_status"], row["provider"]))
    assert statuses == [("estimated", "openai"), ("reported", "openai"), ("reported", "openai")]


@pytest.mark.parametrize("name", ["gen_ai.user.message", "gen_ai.choice", "gen_ai.content.prompt", ""])
def test_events_of_messages_tell_no_call(name: str) -> None:
    assert rows_of("opentelemetry.instrumentation.openai_v2", record(details(), event_name=name)) == []


# All


def test_the_payer_is_the_records_own_or_its_resources() -> None:
    resource: dict[str, Value] = {"service.name": "claude-code", "otel_usage.account.id": "team"}
    own = record(claude(request_id="req_1") | {"otel_usage.account.id": "dev"})
    shared = record(claude(request_id="req_2", **{"event.sequence": 9}))
    rows = rows_of(CLAUDE, own, shared, resource=resource)
    assert [(row["account_id"], row["attribution"]) for row in rows] == [
        ("dev", "span"),
        ("team", "resource"),
    ]
    assert {row["service_name"] for row in rows} == {"claude-code"}


def test_a_bad_count_is_rejected_with_its_name_and_value() -> None:
    extraction = extracted(
        request(CLAUDE, record(claude(input_tokens=-1)), record(claude(request_id="other")))
    )
    assert extraction.rejected.tolist() == [1]
    assert extraction.observations.num_rows == 1
    assert "input_tokens = -1 is not a token count" in extraction.messages[0]
    assert extraction.messages[0].startswith("log ")


@pytest.mark.parametrize("time", [0, 1, EARLIEST_NS - 1, NOW_NS + 1, 2**64 - 1])
def test_a_call_at_no_possible_time_is_rejected(time: int) -> None:
    event = {key: value for key, value in claude().items() if key not in {"event.timestamp", "duration_ms"}}
    extraction = extracted(request(CLAUDE, record(event, time_unix_nano=time, observed_time_unix_nano=time)))
    assert extraction.rejected.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (AT, AT_NS),
        ("2026-11-23T04:13:24Z", AT_NS),
        ("2026-11-23T05:13:24.000+01:00", AT_NS),
        ("2026-11-23T04:13:24.000123456Z", AT_NS + 123_456),
        ("2026-11-23T04:13:24", AT_NS),
        ("1969-11-23T04:13:24Z", AT_NS + 5),
        ("9999999-11-23", AT_NS + 5),
        ("", AT_NS + 5),
    ],
)
def test_times_that_events_say_are_read(text: str, expected: int) -> None:
    for others in ([], [record(codex(**{"event.timestamp": "no time", "model": "other"}))]):
        told = record(codex(**{"event.timestamp": text}), time_unix_nano=0)
        [row] = [row for row in rows_of(CODEX_LOG, told, *others) if row["request_model"] != "other"]
        read = row["started_at"]
        assert read == expected or (others and read == expected // 1_000 * 1_000)


def test_all_kinds_of_events_in_one_commit_are_what_they_are_alone() -> None:
    requests = [
        request(CLAUDE, record(claude()), record(claude() | {"event.name": "user_prompt"})),
        request(CODEX_LOG, record(codex()), record(codex() | {"input_token_count": "x"})),
        request(GEMINI, record(gemini()), record(gemini_details())),
        request("opentelemetry.util.genai.handler", record(details(), event_name=DETAILS)),
        request("nginx", record({"http.request.method": "GET"}, body="GET /")),
    ]
    together = extracted(*requests)
    assert together.received.tolist() == [2, 2, 2, 1, 1]
    assert together.ignored.tolist() == [1, 0, 0, 0, 1]
    assert together.rejected.tolist() == [0, 1, 0, 0, 0]
    assert [bool(message) for message in together.messages] == [False, True, False, False, False]
    assert together.claims.num_rows == 0
    alone = pa.concat_tables([extracted(request).observations for request in requests])
    columns = ["call_id", "version", *TOKEN_COLUMNS]
    assert sorted(together.observations.select(columns).to_pylist(), key=str) == sorted(
        alone.select(columns).to_pylist(), key=str
    )


def test_no_record_is_no_call() -> None:
    extraction = extracted(ExportLogsServiceRequest(), request("nginx"))
    assert extraction.received.tolist() == extraction.ignored.tolist() == [0, 0]
    assert extraction.observations.num_rows == 0


@strategies.examples(200)
@given(st.lists(signals.logs(), min_size=1, max_size=3))
def test_every_log_record_is_accounted_for(made: list[signals.MadeLogs]) -> None:
    extraction = extracted(*(each.request for each in made))
    rows = extraction.observations
    stored = [rows["request"].to_pylist().count(request) for request in range(len(made))]
    assert (extraction.ignored + extraction.rejected + stored).tolist() == extraction.received.tolist()
    assert sum(each.received for each in extraction.emitters) == extraction.received.sum()
    assert sum(each.ignored for each in extraction.emitters) == extraction.ignored.sum()
    assert sum(each.rejected for each in extraction.emitters) == extraction.rejected.sum()
    assert [bool(message) for message in extraction.messages] == (extraction.rejected > 0).tolist()


@strategies.examples(50)
@given(st.lists(signals.logs(), min_size=1, max_size=3))
def test_what_is_sent_again_is_the_same_call(made: list[signals.MadeLogs]) -> None:
    requests = [each.request for each in made]
    once, again = extracted(*requests).observations, extracted(*requests[::-1]).observations
    columns = ["call_id", "version", "started_at"]
    assert sorted(once.select(columns).to_pylist(), key=str) == sorted(
        again.select(columns).to_pylist(), key=str
    )


def test_every_event_has_a_name_and_a_title() -> None:
    for event in EVENTS:
        assert event.names
        assert event.dialect.title
