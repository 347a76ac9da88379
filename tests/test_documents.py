"""Documents inside attributes complete what the attributes tell as numbers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_usage import columns, dialects, documents
from otel_usage.columns import Fields, Pivot, Wanted
from otel_usage.documents import MAX_DOCUMENT, MAX_PRINTED, Documents
from otel_usage.model import MAX_NAME, Attributes
from otel_usage.otlp.decode import decode
from tests import captures
from tests.strategies import examples

_FLAT: Final[Fields] = {
    field: (field,)
    for field in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "total_tokens")
}
"""Counts told as numbers: here an attribute is named like its field."""
_WANTED: Final = Wanted.of([*_FLAT, *documents.ATTRIBUTES, "other"])

_LANGFUSE: Final = "langfuse.observation.usage_details"
_VERCEL: Final = "ai.response.providerMetadata"
_LITELLM: Final = "metadata.usage_object"
_RAW: Final = "gen_ai.usage.raw"

_ANTHROPIC: Final = {
    "input_tokens": 10,
    "cache_read_input_tokens": 40,
    "cache_creation_input_tokens": 50,
    "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
    "output_tokens": 5,
    "service_tier": "standard",
}
_CACHED: Final = {"cache_read_tokens": 40, "cache_write_tokens": 50, "cache_write_1h_tokens": 20}
_OPENAI: Final = {
    "id": "chatcmpl-own",
    "object": "chat.completion",
    "model": "gpt-4o-mini",
    "choices": [
        {"message": {"content": '{"id": "chatcmpl-of-the-model"}', "tool_calls": [{"id": "call_1"}]}}
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 30},
    },
    "previous_response_id": "resp_earlier",
    "service_tier": "flex",
}
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
"""Field of ours: name in the truth beside a capture."""
_OPENAI_COUNTS: Final = {
    "input_tokens": 100,
    "output_tokens": 50,
    "cache_read_tokens": 40,
    "reasoning_tokens": 30,
}
_LANGCHAIN: Final[dict[str, Any]] = {
    "generations": [
        [
            {
                "text": "",
                "message": {
                    "id": ["langchain", "schema", "messages", "AIMessage"],
                    "kwargs": {
                        "id": "lc_run--1",
                        "tool_calls": [{"id": "toolu_1"}],
                        "response_metadata": {"id": "msg_own", "model": "claude", "usage": _ANTHROPIC},
                        "usage_metadata": {"input_tokens": 100, "output_tokens": 5},
                    },
                },
            }
        ]
    ],
    "llm_output": None,
}

Row = Mapping[str, Any]
"""The attributes of a span. Objects are documents: their value is the JSON text."""


def _response(content: object, **more: object) -> Row:
    return {"output.value": content, "output.mime_type": "application/json", **more}


def _pivot(rows: Sequence[Row]) -> Pivot:
    entries = [(index, *entry) for index, row in enumerate(rows) for entry in row.items()]
    return columns.pivot(
        Attributes(
            np.array([owner for owner, _, _ in entries], np.int64),
            pa.array([key.encode() for _, key, _ in entries], pa.binary()),
            pa.array([_encoded(value) for _, _, value in entries], pa.binary()),
        ),
        len(rows),
        _WANTED,
    )


def _encoded(value: object) -> bytes:
    if isinstance(value, int):
        return AnyValue(int_value=value).SerializeToString()
    text = value if isinstance(value, str) else json.dumps(value)
    return AnyValue(string_value=text).SerializeToString()


def _read(*rows: Row, calls: Sequence[bool] | None = None) -> Documents | None:
    found = _pivot(rows)
    marked = np.ones(len(rows), np.bool_) if calls is None else np.array(calls)
    return documents.read(found, columns.counts(found, _FLAT), marked)


def _of(row: Row) -> Documents:
    """The documents of a row between two that have none."""
    told = _read({"other": "text"}, row, {"input_tokens": 7})
    assert told is not None
    assert _counts(told, 0) == {}
    assert _counts(told, 2) == {"input_tokens": 7}
    return told


def _counts(told: Documents, row: int = 1) -> dict[str, int]:
    counts = told.counts
    assert not counts.invalid.any()
    return {
        field: int(counts.values[index, row])
        for index, field in enumerate(counts.fields)
        if counts.reported[index, row]
    }


def _lacks(told: Documents, row: int = 1) -> tuple[bool, bool, bool]:
    return (
        bool(told.lacks_cache_read[row]),
        bool(told.lacks_cache_write[row]),
        bool(told.lacks_reasoning[row]),
    )


def _settled(told: Documents, row: int = 1) -> tuple[bool, bool]:
    return bool(told.input_settled[row]), bool(told.output_settled[row])


def _id(told: Documents, row: int = 1) -> str:
    text: str = told.response_id[row].as_py()
    return text


def _tier(told: Documents, row: int = 1) -> str:
    text: str = told.service_tier.array()[row].as_py()
    return text


def test_rows_without_a_document_cost_nothing() -> None:
    assert _read({"input_tokens": 7, "other": "{}"}, {}) is None


def test_only_calls_are_read_since_the_document_of_another_span_is_that_of_one_of_its_children() -> None:
    assert _read({_RAW: _ANTHROPIC}, {_RAW: _ANTHROPIC}, calls=[False, False]) is None
    told = _read({_RAW: _ANTHROPIC}, {_RAW: _ANTHROPIC}, calls=[False, True])
    assert told is not None
    assert _counts(told, 0) == {}
    assert _counts(told, 1) == {"input_tokens": 100, "output_tokens": 5, **_CACHED}


def test_a_document_tells_what_no_attribute_does() -> None:
    told = _of({_LANGFUSE: {"input": 60, "output": 20, "input_cached_tokens": 40, "output_reasoning": 30}})
    assert _counts(told) == _OPENAI_COUNTS
    assert _settled(told) == (True, True)
    assert _lacks(told) == (True, True, True)
    assert (_id(told), _tier(told)) == ("", "")


def test_a_flat_count_wins_and_the_document_fills_what_is_missing() -> None:
    told = _of(_response(_OPENAI, input_tokens=100, output_tokens=50, cache_read_tokens=39, total_tokens=150))
    assert _counts(told) == {**_OPENAI_COUNTS, "cache_read_tokens": 39, "total_tokens": 150}


def test_a_flat_input_that_is_as_the_document_tells_it_means_the_same() -> None:
    told = _of({_VERCEL: {"anthropic": {"usage": _ANTHROPIC}}, "input_tokens": 10, "output_tokens": 5})
    assert _counts(told) == {"input_tokens": 100, "output_tokens": 5, **_CACHED}
    assert _settled(told) == (True, True)
    assert _lacks(told) == (True, True, False)


def test_a_flat_input_that_is_the_total_of_the_document_lacks_nothing() -> None:
    told = _of({_VERCEL: {"anthropic": {"usage": _ANTHROPIC}}, "input_tokens": 100, "output_tokens": 5})
    assert _counts(told) == {"input_tokens": 100, "output_tokens": 5, **_CACHED}
    assert _settled(told) == (True, True)
    assert _lacks(told) == (False, False, False)


def test_a_flat_output_is_settled_in_the_same_way() -> None:
    gemini = {"promptTokenCount": 100, "candidatesTokenCount": 20, "thoughtsTokenCount": 30}
    document = {"google": {"usageMetadata": gemini}}
    as_told = _of({_VERCEL: document, "input_tokens": 100, "output_tokens": 20})
    whole = _of({_VERCEL: document, "input_tokens": 100, "output_tokens": 50})
    counts = {"input_tokens": 100, "output_tokens": 50, "reasoning_tokens": 30}
    assert _counts(as_told) == _counts(whole) == counts
    assert (_lacks(as_told), _lacks(whole)) == ((False, False, True), (False, False, False))


def test_a_document_without_cached_tokens_does_not_show_what_the_flat_input_lacks() -> None:
    told = _of({_RAW: {"input_tokens": 100, "cache_read_input_tokens": 0}, "input_tokens": 100})
    assert _counts(told) == {"input_tokens": 100, "cache_read_tokens": 0}
    assert _settled(told) == (False, False)


def test_a_document_whose_input_is_another_is_of_another_call_and_tells_no_counts() -> None:
    told = _of({_VERCEL: {"anthropic": {"usage": _ANTHROPIC}}, "input_tokens": 250, "output_tokens": 9})
    assert _counts(told) == {"input_tokens": 250, "output_tokens": 9}
    assert _settled(told) == (False, False)


def test_an_output_that_is_another_stays_as_it_is() -> None:
    told = _of({_RAW: _ANTHROPIC, "input_tokens": 10, "output_tokens": 6})
    assert _counts(told) == {"input_tokens": 100, "output_tokens": 6, **_CACHED}
    assert _settled(told) == (True, False)


def test_an_input_smaller_than_its_parts_is_left_to_arithmetic() -> None:
    told = _of({_RAW: {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 40}})
    assert _counts(told) == {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 40}
    assert _settled(told) == (False, True)


def test_a_document_that_says_zero_and_zero_knows_of_no_tokens() -> None:
    printed = "{'completion_tokens': 0, 'prompt_tokens': 0, 'total_tokens': 0, 'prompt_tokens_details': None}"
    assert _counts(_of({_LITELLM: printed})) == {}


def test_documents_that_differ_in_input_are_of_different_calls_and_the_first_is_believed() -> None:
    told = _of(_response(_OPENAI, **{_LANGFUSE: {"prompt_tokens": 70, "completion_tokens": 50}}))
    assert _counts(told) == {"input_tokens": 70, "output_tokens": 50}


def test_flat_zeros_only_are_no_usage_where_the_document_knows_some() -> None:
    told = _of(_response(_OPENAI, input_tokens=0, output_tokens=0, cache_read_tokens=0))
    assert _counts(told) == _OPENAI_COUNTS


def test_an_earlier_document_goes_first_and_a_later_one_fills() -> None:
    told = _of(_response(_OPENAI, **{_LANGFUSE: {"prompt_tokens": 100, "completion_tokens": 49}}))
    assert _counts(told) == {**_OPENAI_COUNTS, "output_tokens": 49}
    assert _id(told) == "chatcmpl-own"


def test_a_dictionary_as_python_prints_it_is_read() -> None:
    usage = {
        "prompt_tokens": 50,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 40, "text_tokens": None, "flag": True},
        "cache_creation_input_tokens": 50,
        "service_tier": "standard",
    }
    told = _of({_LITELLM: str(usage), "input_tokens": 50, "output_tokens": 5})
    assert _counts(told) == {
        "input_tokens": 100,
        "output_tokens": 5,
        "cache_read_tokens": 40,
        "cache_write_tokens": 50,
    }
    assert _lacks(told) == (False, True, False)
    assert _tier(told) == "standard"


@pytest.mark.parametrize(
    ("content", "response_id"),
    [
        (_OPENAI, "chatcmpl-own"),
        (_LANGCHAIN, "msg_own"),
        ({"id": "msg_own", "type": "message", "usage": _ANTHROPIC}, "msg_own"),
        ({"response_id": "own", "model_version": "gemini-2.5-flash", "usage_metadata": {}}, "own"),
        ({"responseId": "own", "modelVersion": "gemini-2.5-flash"}, "own"),
        ({"data": {"id": "own", "model": "mistral-large-latest"}}, "own"),
        (
            {
                "role": "assistant",
                "raw": "ChatCompletion(id='chatcmpl-own', choices=[Choice(message=...(id='call_1'",
                "token_usage": {"input_tokens": 1},
            },
            "chatcmpl-own",
        ),
        ({"generations": [], "llm_output": {"id": "own", "model_name": "claude"}}, "own"),
    ],
)
def test_the_id_of_the_response_is_found(content: Row, response_id: str) -> None:
    assert _id(_of(_response(content))) == response_id


@pytest.mark.parametrize(
    "content",
    [
        {"messages": [{"id": "chatcmpl-other", "model": "gpt-4o"}]},
        {"previous_response_id": "resp_earlier", "model": "gpt-4o"},
        {"output": [{"id": "msg_item", "model": "gpt-4o"}], "model": "gpt-4o"},
        {"id": "order-17", "status": "shipped"},
        {"id": 17, "model": "gpt-4o"},
        {"id": "", "model": "gpt-4o"},
        {"id": "x" * (MAX_NAME + 1), "model": "gpt-4o"},
        {"id": ["langchain", "schema"], "model": "gpt-4o"},
        {"id": None, "usage": None},
        {**_LANGCHAIN, "generations": _LANGCHAIN["generations"] * 2},
    ],
)
def test_no_other_id_is_taken_for_it(content: Row) -> None:
    assert _id(_of(_response(content))) == ""


def test_langchains_response_is_read_with_the_providers_detail() -> None:
    told = _of(_response(_LANGCHAIN))
    assert _counts(told) == {"input_tokens": 100, "output_tokens": 5, **_CACHED}
    assert _tier(told) == "standard"


@pytest.mark.parametrize(
    "row",
    [
        {"output.value": _OPENAI},
        {"output.value": _OPENAI, "output.mime_type": "text/plain"},
        {"gen_ai.completion": _OPENAI},
    ],
)
def test_what_the_model_wrote_is_no_document_though_it_looks_like_one(row: Row) -> None:
    assert _read(row) is None


def test_langsmiths_response_is_known_by_its_span_kind() -> None:
    told = _of({"gen_ai.completion": _OPENAI, "langsmith.span.kind": "llm"})
    assert (_id(told), _tier(told)) == ("chatcmpl-own", "flex")


def test_a_large_document_is_read_up_to_the_limit() -> None:
    padding = "x" * (MAX_DOCUMENT - 2_000)
    assert _counts(_of(_response({**_OPENAI, "text": padding}))) == _OPENAI_COUNTS
    assert _read(_response({**_OPENAI, "text": padding + "x" * 2_000})) is None


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(_OPENAI)[:-1],
        "[" + json.dumps(_OPENAI) + "]",
        '"text"',
        "{",
        "{'a': \"it's\"}",
        "{'a': '\\'}",
        "{'prompt_tokens': " + "1, 'a': 1" * MAX_PRINTED + "}",
        '{"usage":' * 50_000,
        '{"usage":{"prompt_tokens":' + "9" * 10_000 + "}}",
        '{"id":"\\ud800","model":"m"}',
        "Usage(prompt_tokens=100)",
        "{'usage': Usage(prompt_tokens=100)}",
    ],
)
def test_what_is_malformed_tells_nothing(text: str) -> None:
    assert _read(_response(text)) is None


def test_a_count_that_is_none_is_invalid_if_the_document_alone_tells_it() -> None:
    row = {_LANGFUSE: {"input": 10, "output": -5, "input_cached_tokens": 1.5}}
    told = _read(row, row | {"input_tokens": 1, "output_tokens": 5, "cache_read_tokens": 0})
    assert told is not None
    counts = told.counts
    flagged = {
        (field, row)
        for index, field in enumerate(counts.fields)
        for row in np.flatnonzero(counts.invalid[index]).tolist()
    }
    assert flagged == {("input_tokens", 0), ("output_tokens", 0), ("cache_read_tokens", 0)}
    assert counts.reported[counts.invalid].all()
    assert not counts.values[counts.invalid].any()


@pytest.mark.captures
def test_captured_documents_tell_what_the_provider_counted() -> None:
    paths = captures.files()
    if not paths:
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    compared = [compared for path in paths for compared in _compared(path)]
    assert [(where, told, truth) for where, told, truth in compared if told != truth] == []
    assert len(compared) > 300


def _compared(path: Path) -> Iterator[tuple[str, object, object]]:
    """What is compared, what the documents of a capture tell of it, and the truth."""
    truth = json.loads(path.with_name(path.name.replace(".traces.pb", ".json")).read_text())
    calls = {call["index"]: call for call in truth["billable_calls"]}
    seen = {
        span["span_id"]: calls[span["calls"][0]]
        for span in truth["usage_spans"]
        if span["role"] in {"call", "duplicate"} and len(span["calls"]) == 1
    }
    spans = decode([path.read_bytes()])
    ids = [span_id.as_py().hex() for span_id in spans.rows["span_id"]]
    tokens = dialects.of_spans().tokens
    wanted = Wanted.of([name for names in (*tokens.values(), documents.ATTRIBUTES) for name in names])
    found = columns.pivot(spans.attributes, len(ids), wanted)
    marked = np.array([span_id in seen for span_id in ids])
    told = documents.read(found, columns.counts(found, tokens), marked) if found.found else None
    if told is None:
        return
    for row in np.flatnonzero(marked).tolist():
        yield from _compared_row(told, row, seen[ids[row]], f"{path.parent.name}/{path.name} {ids[row]}")


def _compared_row(
    told: Documents, row: int, call: Mapping[str, Any], where: str
) -> Iterator[tuple[str, object, object]]:
    if _id(told, row):
        yield f"{where} response_id", _id(told, row), call["response_id"]
    settled = {"input_tokens": bool(told.input_settled[row]), "output_tokens": bool(told.output_settled[row])}
    for field, count in _counts(told, row).items():
        if field in _TRUTH and settled.get(field, settled["input_tokens"]):
            yield f"{where} {field}", count, call["tokens"][_TRUTH[field]]


_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "usage",
                        "id",
                        "model",
                        "generations",
                        "message",
                        "kwargs",
                        "llm_output",
                        "data",
                        "raw",
                    ),
                    *("response_metadata", "usage_metadata", "input_tokens", "output_tokens", "service_tier"),
                    *("prompt_tokens", "completion_tokens", "cache_read_input_tokens", "anthropic", "0"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)

_ROW: Final = st.dictionaries(st.sampled_from([*documents.ATTRIBUTES, "input_tokens"]), _JSON)


@given(rows=st.lists(_ROW, min_size=1, max_size=4))
@examples(200)
def test_any_documents_are_read_without_an_error(rows: list[dict[str, Any]]) -> None:
    told = _read(
        *(
            {
                key: "application/json" if key == "output.mime_type" else json.dumps(value)
                for key, value in row.items()
            }
            for row in rows
        )
    )
    if told is None:
        return
    assert len(told.response_id) == len(told.service_tier) == len(told.input_settled) == len(rows)
    assert told.counts.values.shape == (len(told.counts.fields), len(rows))
    assert (told.counts.values >= 0).all()
