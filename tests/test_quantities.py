"""What calls are paid by beside tokens, as spans, documents and log records tell it."""

import json
import math
from typing import Any

import pytest

from otel_usage.attributes import MAX_AUDIO_SECONDS
from otel_usage.durations import duration
from otel_usage.model import MAX_AUDIO_NS, MAX_TOKENS, QUANTITY_COLUMNS
from tests.log_events import DETAILS, claude, record, rows_of
from tests.spans import Attributes, Value, extraction, ignored, request, row

AUDIO = "otel_usage.audio.duration"
CHARACTERS = "otel_usage.input.characters"
SEARCHES = "otel_usage.web_searches"
RERANKED = "otel_usage.rerank_searches"
IMAGES = "otel_usage.output.images"
TYPE = "otel_usage.usage_type"
OPERATION = "gen_ai.operation.name"
CHAT: Attributes = {
    OPERATION: "chat",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
}


def quantities(told: Any) -> dict[str, int]:  # noqa: ANN401
    return {name: told[name] for name in QUANTITY_COLUMNS if told[name] is not None}


def reason(attributes: Attributes) -> str:
    """Why a span with these attributes is rejected."""
    (message,) = extraction(request(attributes)).messages
    return message


def test_the_limits_of_a_duration_are_one() -> None:
    assert MAX_AUDIO_SECONDS * 10**9 == MAX_AUDIO_NS


def test_a_call_without_quantities_has_none() -> None:
    assert quantities(row(CHAT)) == {}


@pytest.mark.parametrize(
    ("told", "column"),
    [
        ({OPERATION: "speech_to_text"}, "input_audio_ns"),
        ({OPERATION: "text_to_speech"}, "output_audio_ns"),
        ({OPERATION: "atranscription"}, "input_audio_ns"),
        ({OPERATION: "tts"}, "output_audio_ns"),
        ({OPERATION: "chat", TYPE: "audio_stt"}, "input_audio_ns"),
        ({OPERATION: "chat", TYPE: "audio_tts"}, "output_audio_ns"),
        ({OPERATION: "speech_to_text", TYPE: "audio_tts"}, "output_audio_ns"),
        ({OPERATION: "speech_to_text", TYPE: "text"}, "input_audio_ns"),
        ({TYPE: "audio_stt", "gen_ai.request.model": "whisper-1"}, "input_audio_ns"),
    ],
)
def test_the_usage_type_or_else_the_operation_says_whether_audio_was_heard_or_made(
    told: Attributes, column: str
) -> None:
    found = row({**told, AUDIO: 2.5})
    assert quantities(found) == {column: 2_500_000_000}
    assert (found["role"], found["usage_status"]) == ("inference", "reported")


@pytest.mark.parametrize(
    ("operation", "usage_type"),
    [
        ("speech_to_text", "audio_stt"),
        ("text_to_speech", "audio_tts"),
        ("embeddings", "embedding"),
        ("rerank", "text"),
        ("chat", "text"),
    ],
)
def test_the_operation_is_the_usage_type_unless_told_otherwise(operation: str, usage_type: str) -> None:
    told: Attributes = {**CHAT, OPERATION: operation}
    assert row(told)["usage_type"] == usage_type
    assert row({**told, TYPE: "audio_stt"})["usage_type"] == "audio_stt"


def test_audio_that_may_be_heard_or_made_rejects_its_call() -> None:
    assert f"{AUDIO} = 2.5 may be heard or made: {TYPE} is neither" in reason({**CHAT, AUDIO: 2.5})
    assert quantities(row({**CHAT, AUDIO: math.nan})) == {}


def test_audio_of_a_roll_up_without_direction_is_left_out() -> None:
    found = row({**CHAT, OPERATION: "invoke_agent", AUDIO: 2.5})
    assert (found["role"], quantities(found)) == ("rollup", {})


@pytest.mark.parametrize("operation", ["rerank", "speech_to_text", "text_to_speech"])
@pytest.mark.parametrize("told", [AUDIO, CHARACTERS, SEARCHES, RERANKED, IMAGES])
def test_an_operation_that_is_seldom_paid_by_the_token_is_a_call_if_it_tells_a_quantity(
    operation: str, told: str
) -> None:
    attributes: dict[str, Value] = {OPERATION: operation, "gen_ai.request.model": "m"}
    assert ignored(attributes)
    if operation == "rerank" and told == AUDIO:
        attributes[TYPE] = "audio_stt"
    found = row({**attributes, told: 3})
    assert (found["role"], found["usage_status"]) == ("inference", "reported")
    assert len(quantities(found)) == 1
    assert found["input_tokens"] is None


def test_extras_of_a_chat_do_not_make_up_for_tokens_that_are_missing() -> None:
    found = row({OPERATION: "chat", SEARCHES: 3})
    assert (found["usage_status"], quantities(found)) == ("missing", {"web_searches": 3})
    assert row({**CHAT, SEARCHES: 3})["usage_status"] == "reported"


@pytest.mark.parametrize("operation", ["chat", "image_generation", "generate_content"])
def test_an_image_that_was_made_is_usage_without_any_token(operation: str) -> None:
    found = row({OPERATION: operation, IMAGES: 2})
    assert (found["role"], found["usage_status"]) == ("inference", "reported")
    assert (quantities(found), found["input_tokens"]) == ({"output_images": 2}, None)
    assert row({OPERATION: "chat", IMAGES: 0, SEARCHES: 1})["usage_status"] == "missing"


def test_a_quantity_does_not_make_counts_of_zeros_that_its_emitter_made_up() -> None:
    zeros: Attributes = {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}
    chat = row({OPERATION: "chat", **zeros, SEARCHES: 3})
    assert (chat["usage_status"], chat["input_tokens"], chat["web_searches"]) == ("missing", None, 3)
    transcription = row({OPERATION: "transcription", **zeros, AUDIO: 3})
    assert (transcription["usage_status"], transcription["input_tokens"]) == ("reported", None)
    nothing = row({OPERATION: "transcription", **zeros, AUDIO: 0, RERANKED: 0})
    assert (nothing["usage_status"], quantities(nothing)) == ("missing", {})


def test_a_zero_beside_tokens_is_a_zero() -> None:
    assert quantities(row({**CHAT, SEARCHES: 0})) == {"web_searches": 0}


def test_a_quantity_is_a_count_that_a_version_counts() -> None:
    less, more = row(CHAT), row({**CHAT, SEARCHES: 0})
    assert more["version"] > less["version"]


@pytest.mark.parametrize("name", [CHARACTERS, SEARCHES, RERANKED])
@pytest.mark.parametrize("told", [-1, 1.5, MAX_TOKENS + 1, True, "nan", "1.0"])
def test_what_is_no_count_rejects_the_span_and_names_the_attribute(name: str, told: Value) -> None:
    assert f"{name} = {told!r} is not a count" in reason({**CHAT, name: told})


@pytest.mark.parametrize("told", [-1, -0.5, 604_801, 604_800.5, math.inf, True, "NaN", "1e3", "x"])
def test_what_is_no_duration_rejects_the_span_and_names_the_attribute(told: Value) -> None:
    said = f"{AUDIO} = {told!r} is not a number of seconds from 0 to 604800"
    assert said in reason({OPERATION: "speech_to_text", AUDIO: told})


def test_nan_is_a_quantity_that_was_not_reported() -> None:
    assert quantities(row({**CHAT, OPERATION: "speech_to_text", AUDIO: math.nan, SEARCHES: math.nan})) == {}


@pytest.mark.parametrize(
    ("told", "nanoseconds"),
    [
        (0, 0),
        (-0.0, 0),
        (0.1 + 0.2, 300_000_000),
        (0.1, 100_000_000),
        (604_799.123456789, 604_799_123_456_789),
        (604_800, 604_800 * 10**9),
        (5e-10, 0),
        (1.5e-9, 2),
        (2.5e-9, 2),
        (1e-300, 0),
        ("12.5", 12_500_000_000),
        ("0.0000000015", 2),
        ("", None),
        (None, None),
        (math.nan, None),
        ("604800.000000000000000000001", -1),
        ("٣", -1),
        (b"5", -1),
        (2**63 - 1, -1),
    ],
)
def test_a_duration_is_what_its_writer_meant_to_the_nanosecond(told: Any, nanoseconds: int | None) -> None:  # noqa: ANN401
    assert duration(told) == nanoseconds


def test_pipecat_tells_the_characters_it_has_spoken() -> None:
    found = row({OPERATION: "tts", "gen_ai.provider.name": "cartesia", "metrics.character_count": 42})
    assert (found["operation"], found["usage_type"]) == ("text_to_speech", "audio_tts")
    assert (found["usage_status"], quantities(found)) == ("reported", {"input_characters": 42})


def test_our_own_name_goes_before_any_other() -> None:
    other = "gen_ai.usage.server_tool_use.web_search_requests"
    assert quantities(row({**CHAT, other: 2})) == {"web_searches": 2}
    assert quantities(row({**CHAT, other: 2, SEARCHES: 3})) == {"web_searches": 3}
    assert row({**CHAT, other: 2})["other_usage"] == ""


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"type": "duration", "seconds": 3.27}, {"input_audio_ns": 3_270_000_000}),
        ({"type": "duration", "seconds": 60}, {"input_audio_ns": 60_000_000_000}),
        ({"search_units": 2}, {"rerank_searches": 2}),
        (
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_input_tokens": 0,
                "server_tool_use": {"web_search_requests": 4, "web_fetch_requests": 1},
            },
            {"web_searches": 4},
        ),
        ({"prompt_tokens": 9, "completion_tokens": 1, "server_tool_use": None}, {}),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"web_search_requests": 1}}, {"web_searches": 1}),
    ],
)
def test_a_usage_object_of_a_provider_tells_quantities(usage: Any, expected: dict[str, int]) -> None:  # noqa: ANN401
    found = row({OPERATION: "speech_to_text", "gen_ai.usage.raw": json.dumps(usage)})
    assert quantities(found) == expected


def test_a_usage_object_with_a_wrong_duration_rejects_the_span() -> None:
    usage = json.dumps({"type": "duration", "seconds": -1})
    message = reason({OPERATION: "speech_to_text", "gen_ai.usage.raw": usage})
    assert "input_audio_ns is not a number of seconds" in message


def test_a_document_does_not_lose_its_tokens_to_zeros_beside_a_quantity() -> None:
    usage = json.dumps({"prompt_tokens": 9, "completion_tokens": 4})
    zeros: Attributes = {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}
    found = row({OPERATION: "chat", **zeros, SEARCHES: 3, "gen_ai.usage.raw": usage})
    assert (found["input_tokens"], found["output_tokens"], found["web_searches"]) == (9, 4, 3)


def test_the_event_of_a_call_that_is_not_paid_by_the_token_is_a_call() -> None:
    told: dict[str, Any] = {OPERATION: "speech_to_text", "gen_ai.request.model": "whisper-1"}
    assert rows_of("", record(told, event_name=DETAILS)) == []
    [found] = rows_of("", record({**told, AUDIO: 2.5}, event_name=DETAILS))
    assert (found["usage_type"], found["usage_status"]) == ("audio_stt", "reported")
    assert quantities(found) == {"input_audio_ns": 2_500_000_000}


def test_a_log_record_may_have_our_own_names_beside_those_of_its_emitter() -> None:
    [found] = rows_of("com.anthropic.claude_code.events", record({**claude(), SEARCHES: 2}))
    assert quantities(found) == {"web_searches": 2}
    assert found["usage_status"] == "reported"
