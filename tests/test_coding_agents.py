"""Which log records of coding agents tell a call, and what is made of them."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from otel_usage import events
from otel_usage.model import TOKEN_COLUMNS
from otel_usage.otlp.decode import decode_logs
from tests import captures
from tests.log_events import (
    AT,
    AT_NS,
    CLAUDE,
    CODEX_LOG,
    CODEX_TRACE,
    GEMINI,
    Row,
    Value,
    calls_of,
    claude,
    codex,
    counts_of,
    extracted,
    flat,
    gemini,
    gemini_details,
    record,
    request,
    rows_of,
)

# Claude Code


def test_a_request_of_claude_code_is_a_call_with_its_cache_in_its_input() -> None:
    [row] = rows_of(CLAUDE, record(claude(), body="claude_code.api_request"))
    assert counts_of(row) == {"input": 75944, "output": 777, "cache_read": 68246, "cache_write": 7350}
    assert (row["role"], row["signal"], row["operation"]) == ("inference", "log", "chat")
    assert (row["provider"], row["request_model"]) == ("anthropic", "claude-opus-5")
    assert (row["usage_status"], row["usage_convention"]) == ("reported", "excludes_cache")
    assert row["response_id"] == "req_011CSHoEeqs5C35K2UUqR7Fy"
    assert row["other_usage"] == '{"cost_usd":0.101225,"cost_usd_micros":101225}'


def test_numbers_may_be_text() -> None:
    spelled = {key: str(value) for key, value in claude().items()}
    [as_text], [as_numbers] = rows_of(CLAUDE, record(spelled)), rows_of(CLAUDE, record(claude()))
    for name in ("call_id", "started_at", "duration_ns", *TOKEN_COLUMNS):
        assert as_text[name] == as_numbers[name]


def test_a_call_began_its_duration_before_the_event() -> None:
    [row] = rows_of(CLAUDE, record(claude(duration_ms=871)))
    assert row["started_at"] == AT_NS - 871_000_000
    assert row["duration_ns"] == 871_000_000
    for odd in ("soon", -1, 1.5, True):
        [row] = rows_of(CLAUDE, record(claude(duration_ms=odd)))
        assert (row["started_at"], row["duration_ns"]) == (AT_NS, 0)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("claude-opus-5", "anthropic"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "aws.bedrock"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", "aws.bedrock"),
        ("claude-opus-4-1@20250805", "gcp.vertex_ai"),
    ],
)
def test_the_name_of_the_model_gives_the_provider_away(model: str, provider: str) -> None:
    [row] = rows_of(CLAUDE, record(claude(model=model)))
    assert row["provider"] == provider
    [row] = rows_of(CLAUDE, record(claude(model=model) | {"gen_ai.provider.name": "groq"}))
    assert row["provider"] == "groq"


def test_an_error_is_a_failed_call_without_usage() -> None:
    error: dict[str, Value] = {
        "event.name": "api_error",
        "event.timestamp": AT,
        "model": "claude-opus-5",
        "error": "529 Overloaded",
        "status_code": 529,
        "duration_ms": 220,
    }
    [row] = rows_of(CLAUDE, record(error, body="claude_code.api_error"))
    assert (row["role"], row["error_type"], row["usage_status"]) == ("inference", "529", "missing")
    assert counts_of(row) == {}
    del error["status_code"]
    [row] = rows_of(CLAUDE, record(error, body="claude_code.api_error"))
    assert row["error_type"] == "_OTHER"


def test_an_error_of_a_request_that_succeeded_after_all_does_not_win() -> None:
    error = claude() | {"event.name": "api_error", "status_code": 500}
    [call] = calls_of(rows_of(CLAUDE, record(error), record(claude())))
    assert (call["input_tokens"], call["error_type"]) == (75944, "")


@pytest.mark.parametrize("name", ["user_prompt", "assistant_response", "api_refusal", "tool_result"])
def test_its_other_events_tell_no_call(name: str) -> None:
    extraction = extracted(
        request(CLAUDE, record(claude() | {"event.name": name}, body=f"claude_code.{name}"))
    )
    assert extraction.observations.num_rows == 0
    assert extraction.ignored.tolist() == [1]


@pytest.mark.parametrize(
    ("scope", "body", "event_name", "calls"),
    [
        (CLAUDE, "", "", 1),
        ("", "claude_code.api_request", "", 1),
        ("forwarder", "", "claude_code.api_request", 1),
        ("forwarder", "", "", 0),
        ("gemini-cli", "API request to gemini-2.5-pro.", "", 0),
    ],
)
def test_a_name_without_its_prefix_is_believed_of_its_emitter_only(
    scope: str, body: str, event_name: str, calls: int
) -> None:
    assert len(rows_of(scope, record(claude(), body=body, event_name=event_name))) == calls


def test_calls_without_a_request_id_are_told_apart_by_their_place_in_the_session() -> None:
    anonymous = {key: value for key, value in claude().items() if key != "request_id"}
    first, again, second = (
        record(anonymous),
        record(anonymous, observed_time_unix_nano=AT_NS + 7),
        record(anonymous | {"event.sequence": 3}),
    )
    ids = [row["call_id"] for row in rows_of(CLAUDE, first, again, second)]
    assert ids[0] == ids[1] != ids[2]


# Codex


def _codex_twins(**changed: Value) -> list[Row]:
    """What is made of an event that both its emitters write, the second a millisecond later."""
    event = codex(**changed) | {"user.email": "dev@example.com"}
    one = request(CODEX_LOG, record(event, time_unix_nano=0, observed_time_unix_nano=AT_NS))
    later = codex(**changed) | {"event.timestamp": "2026-11-23T04:13:24.001Z"}
    other = request(CODEX_TRACE, record(later, time_unix_nano=0, observed_time_unix_nano=AT_NS + 1_000_000))
    return flat(extracted(one, other))


def test_an_event_that_codex_tells_twice_is_one_call() -> None:
    rows = _codex_twins()
    assert len(rows) == 2
    [call] = calls_of(rows)
    assert counts_of(call) == {
        "input": 26456,
        "output": 1794,
        "cache_read": 16384,
        "cache_write": 790,
        "reasoning": 896,
    }
    assert (call["provider"], call["request_model"]) == ("openai", "gpt-5.1-codex")
    assert (call["usage_convention"], call["usage_status"]) == ("inclusive", "reported")


def test_the_next_event_of_the_conversation_is_another_call() -> None:
    assert len(calls_of([*_codex_twins(), *_codex_twins(input_token_count=28300)])) == 2
    assert len(calls_of([*_codex_twins(), *_codex_twins(**{"conversation.id": "another"})])) == 2


def test_the_time_of_a_codex_event_is_what_it_says() -> None:
    first, _ = _codex_twins()
    assert first["started_at"] == AT_NS
    unreadable = record(codex(**{"event.timestamp": "soon"}), time_unix_nano=0)
    [row] = rows_of(CODEX_LOG, unreadable)
    assert row["started_at"] == AT_NS + 5


def test_the_sum_that_codex_names_for_tools_is_no_count() -> None:
    [row] = rows_of(CODEX_LOG, record(codex(tool_token_count=99_999_999)))
    assert (row["input_tokens"], row["output_tokens"]) == (26456, 1794)
    assert row["other_usage"] == '{"tool_token_count":99999999}'


def test_only_the_completed_response_with_counts_is_a_call() -> None:
    uncounted = {"event.name": "codex.sse_event", "event.kind": "response.completed", "duration_ms": "12"}
    delta = codex(**{"event.kind": "response.output_text.delta"})
    turn = {"event.name": "codex.turn_cost", "usage.estimated_usd": "0.1"} | codex()
    turn["event.name"] = "codex.turn_cost"
    extraction = extracted(request(CODEX_LOG, *(record(each) for each in (uncounted, delta, turn))))
    assert extraction.ignored.tolist() == [3]
    assert extraction.observations.num_rows == 0


def test_a_response_over_a_websocket_is_the_same_call() -> None:
    [call] = calls_of(
        rows_of(CODEX_LOG, record(codex()), record(codex(**{"event.name": "codex.websocket_event"})))
    )
    assert call["input_tokens"] == 26456


# Gemini CLI


def test_a_response_of_gemini_cli_has_its_thoughts_in_its_output() -> None:
    [row] = rows_of(GEMINI, record(gemini()))
    assert counts_of(row) == {"input": 21499, "output": 2013, "cache_read": 2758, "reasoning": 844}
    assert (row["provider"], row["operation"]) == ("gcp.gemini", "generate_content")
    assert (row["usage_convention"], row["error_type"]) == ("excludes_reasoning", "")


def test_what_tools_added_to_the_prompt_is_input() -> None:
    [row] = rows_of(GEMINI, record(gemini(tool_token_count=77)))
    assert row["input_tokens"] == 21576


@pytest.mark.parametrize("reverse", [False, True])
def test_both_records_of_a_gemini_call_are_one_call_and_the_one_that_tells_more_wins(
    *, reverse: bool
) -> None:
    records = [record(gemini()), record(gemini_details(), time_unix_nano=AT_NS + 70_000)]
    rows = rows_of(GEMINI, *(records[::-1] if reverse else records))
    assert len(rows) == 2
    [call] = calls_of(rows)
    assert counts_of(call) == {"input": 21499, "output": 2013, "cache_read": 2758, "reasoning": 844}


def test_the_second_record_alone_is_a_call_too() -> None:
    [row] = rows_of(GEMINI, record(gemini_details()))
    assert (row["input_tokens"], row["output_tokens"], row["response_model"]) == (
        21499,
        1169,
        "gemini-2.5-pro",
    )


def test_the_records_of_a_gemini_request_tell_no_call() -> None:
    asked = {key: value for key, value in gemini_details().items() if "usage" not in key and "id" not in key}
    del asked["gen_ai.response.model"]
    asking = {"event.name": "gemini_cli.api_request", "model": "gemini-2.5-pro"}
    assert rows_of(GEMINI, record(asked), record(asking)) == []


def test_a_gemini_error_is_a_failed_call() -> None:
    error: dict[str, Value] = {
        "event.name": "gemini_cli.api_error",
        "event.timestamp": AT,
        "model": "gemini-2.5-pro",
        "error_type": "RESOURCE_EXHAUSTED",
        "status_code": 429,
    }
    [row] = rows_of(GEMINI, record(error))
    assert (row["error_type"], row["usage_status"], counts_of(row)) == ("RESOURCE_EXHAUSTED", "missing", {})


def test_zeros_of_a_gemini_call_without_usage_are_no_counts() -> None:
    nothing = {name: 0 for name in gemini() if name.endswith("_token_count")}
    [row] = rows_of(GEMINI, record(gemini(**nothing)))
    assert (row["usage_status"], counts_of(row)) == ("missing", {})


def test_gemini_on_vertex_is_known_by_how_it_signs_in() -> None:
    [row] = rows_of(GEMINI, record(gemini(auth_type="vertex-ai")))
    assert row["provider"] == "gcp.vertex_ai"


# Captured


@pytest.mark.captures
@pytest.mark.parametrize(
    "library", ["claude-code-synth", "codex-cli-synth", "gemini-cli-synth", "google-adk"]
)
def test_the_logs_of_an_agent_tell_every_call_exactly(library: str) -> None:
    paths = sorted(captures.folder().glob(f"{library}/*.logs.pb"))
    if not paths:
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    for path in paths:
        records = decode_logs([path.read_bytes()])
        found = events.observations(records, ["default"], now_ns=2**62, max_clock_skew_ns=0)
        truth = json.loads(path.with_name(path.name.replace(".logs.pb", ".json")).read_text())
        counted = [counts_of(row) for row in calls_of(flat(found)) if not row["error_type"]]
        assert sorted(map(_truth, truth["expected"]["rows"])) == sorted(map(_told, counted)), path.name


_MEANING: Final = {
    "input": "input_total",
    "output": "output_total",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "reasoning": "reasoning",
}
"""A count of ours, and its name in the truth."""


def _truth(row: Mapping[str, Any]) -> list[int]:
    return [row["best_row"][name] for name in _MEANING.values()]


def _told(counts: Mapping[str, int]) -> list[int]:
    return [counts.get(name, 0) for name in _MEANING]
