"""Usage objects in every spelling become the same inclusive totals."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.dialects.conventions import CACHE, CACHE_WRITE, NOTHING, REASONING, Lacks
from otel_usage.model import MAX_AUDIO_NS, MAX_TOKENS, QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.usage_object import MAX_ITEMS, at, usage_object
from tests.strategies import examples

_ALL: Final = Lacks(cache_read=True, cache_write=True, reasoning=True)

_SPELLINGS: Final[list[tuple[str, dict[str, Any], dict[str, int], Lacks]]] = [
    (
        "OpenAI chat completions",
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10, "cache_write_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 7},
        },
        {
            "input_tokens": 100,
            "output_tokens": 50,
            "cache_read_tokens": 40,
            "cache_write_tokens": 5,
            "reasoning_tokens": 30,
            "input_audio_tokens": 10,
            "output_audio_tokens": 7,
        },
        NOTHING,
    ),
    (
        "xAI, whose total shows that the output lacks reasoning",
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 180,
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        {"input_tokens": 100, "output_tokens": 80, "reasoning_tokens": 30},
        REASONING,
    ),
    (
        "OpenAI chat completions whose total adds up to nothing: as specified",
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 7,
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        {"input_tokens": 100, "output_tokens": 50, "reasoning_tokens": 30},
        NOTHING,
    ),
    (
        "OpenAI responses",
        {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 0},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 30},
            "total_tokens": 150,
        },
        {
            "input_tokens": 100,
            "output_tokens": 50,
            "cache_read_tokens": 40,
            "cache_write_tokens": 0,
            "reasoning_tokens": 30,
        },
        NOTHING,
    ),
    (
        "Anthropic",
        {
            "input_tokens": 10,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 3},
            "service_tier": "standard",
        },
        {
            "input_tokens": 100,
            "output_tokens": 5,
            "cache_read_tokens": 40,
            "cache_write_tokens": 50,
            "cache_write_1h_tokens": 20,
            "reasoning_tokens": 3,
        },
        CACHE,
    ),
    (
        "Bedrock Converse",
        {
            "inputTokens": 10,
            "outputTokens": 5,
            "totalTokens": 105,
            "cacheReadInputTokens": 40,
            "cacheWriteInputTokens": 50,
            "cacheDetails": [{"inputTokens": 30, "ttl": "5m"}, {"inputTokens": 20, "ttl": "1h"}],
        },
        {
            "input_tokens": 100,
            "output_tokens": 5,
            "cache_read_tokens": 40,
            "cache_write_tokens": 50,
            "cache_write_1h_tokens": 20,
        },
        CACHE,
    ),
    (
        "Gemini, whose candidates lack thoughts and whose prompt lacks what tools were told",
        {
            "promptTokenCount": 90,
            "toolUsePromptTokenCount": 10,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 30,
            "cachedContentTokenCount": 40,
            "totalTokenCount": 150,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 83},
                {"modality": "AUDIO", "tokenCount": 7},
            ],
        },
        {
            "input_tokens": 100,
            "output_tokens": 50,
            "cache_read_tokens": 40,
            "reasoning_tokens": 30,
            "input_audio_tokens": 7,
        },
        REASONING,
    ),
    (
        "Gemini as Python spells it, in a version whose total shows that candidates include thoughts",
        {
            "prompt_token_count": 100,
            "candidates_token_count": 50,
            "thoughts_token_count": 30,
            "total_token_count": 150,
        },
        {"input_tokens": 100, "output_tokens": 50, "reasoning_tokens": 30},
        NOTHING,
    ),
    (
        "LangChain, which says 0 for the sum of cache writes that it tells by lifetime",
        {
            "input_tokens": 100,
            "output_tokens": 50,
            "total_tokens": 150,
            "input_token_details": {
                "cache_read": 40,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 30,
                "ephemeral_1h_input_tokens": 20,
            },
            "output_token_details": {"reasoning": 30, "audio": 7},
        },
        {
            "input_tokens": 100,
            "output_tokens": 50,
            "cache_read_tokens": 40,
            "cache_write_tokens": 50,
            "cache_write_1h_tokens": 20,
            "reasoning_tokens": 30,
            "output_audio_tokens": 7,
        },
        NOTHING,
    ),
    (
        "LiteLLM of 2025, whose prompt lacks cache writes",
        {
            "prompt_tokens": 50,
            "completion_tokens": 5,
            "total_tokens": 55,
            "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": None, "text_tokens": None},
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 50,
        },
        {"input_tokens": 100, "output_tokens": 5, "cache_read_tokens": 40, "cache_write_tokens": 50},
        CACHE_WRITE,
    ),
    (
        "LiteLLM of 2026",
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "total_tokens": 105,
            "prompt_tokens_details": {
                "cached_tokens": 40,
                "cache_write_tokens": 50,
                "text_tokens": 10,
                "cache_creation_tokens": 50,
                "cache_creation_token_details": {
                    "ephemeral_5m_input_tokens": 30,
                    "ephemeral_1h_input_tokens": 20,
                },
            },
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 50,
        },
        {
            "input_tokens": 100,
            "output_tokens": 5,
            "cache_read_tokens": 40,
            "cache_write_tokens": 50,
            "cache_write_1h_tokens": 20,
        },
        NOTHING,
    ),
    (
        "Langfuse's JavaScript SDK, whose parts stand beside input and output",
        {
            "input": 50,
            "output": 15,
            "total": 150,
            "input_cached_tokens": 40,
            "input_audio_tokens": 10,
            "output_reasoning_tokens": 30,
            "output_accepted_prediction_tokens": 5,
        },
        {
            "input_tokens": 100,
            "output_tokens": 50,
            "cache_read_tokens": 40,
            "reasoning_tokens": 30,
            "input_audio_tokens": 10,
        },
        _ALL,
    ),
    (
        "Langfuse's JavaScript SDK in older versions, whose total shows that the parts stand inside",
        {"input": 100, "output": 50, "total": 150, "input_cached_tokens": 40, "output_reasoning_tokens": 30},
        {"input_tokens": 100, "output_tokens": 50, "cache_read_tokens": 40, "reasoning_tokens": 30},
        NOTHING,
    ),
    (
        "Langfuse's LangChain handler after a call to Anthropic",
        {
            "input": 10,
            "output": 5,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 50,
            "cache_creation_ephemeral_5m_input_tokens": 30,
            "cache_creation_ephemeral_1h_input_tokens": 20,
        },
        {
            "input_tokens": 100,
            "output_tokens": 5,
            "cache_read_tokens": 40,
            "cache_write_tokens": 50,
            "cache_write_1h_tokens": 20,
        },
        _ALL,
    ),
    (
        "Langfuse's LangChain handler after a stream, which took the writes off the input by lifetime",
        {
            "input": 10,
            "output": 5,
            "total": 105,
            "input_cache_read": 40,
            "input_cache_creation": 0,
            "input_ephemeral_5m_input_tokens": 30,
            "input_ephemeral_1h_input_tokens": 20,
        },
        {
            "input_tokens": 100,
            "output_tokens": 5,
            "cache_read_tokens": 40,
            "cache_write_tokens": 50,
            "cache_write_1h_tokens": 20,
        },
        _ALL,
    ),
    (
        "Langfuse's LangChain handler at the priority tier, whose parts are said twice",
        {"input": 60, "output": 20, "input_cache_read": 40, "input_priority": 60, "output_priority": 20},
        {"input_tokens": 100, "output_tokens": 20, "cache_read_tokens": 40},
        _ALL,
    ),
    ("Langfuse, an embedding", {"input": 100}, {"input_tokens": 100}, _ALL),
    (
        "OpenRouter's provider for the Vercel AI SDK",
        {"promptTokens": 100, "completionTokens": 50, "promptTokensDetails": {"cachedTokens": 40}},
        {"input_tokens": 100, "output_tokens": 50, "cache_read_tokens": 40},
        NOTHING,
    ),
    (
        "Vercel AI SDK 4, what its OpenAI provider adds",
        {"cachedPromptTokens": 40, "reasoningTokens": 0, "acceptedPredictionTokens": 0},
        {"cache_read_tokens": 40, "reasoning_tokens": 0},
        NOTHING,
    ),
    (
        "Vercel AI SDK 4, what its Anthropic provider adds",
        {"cacheCreationInputTokens": 50, "cacheReadInputTokens": 40},
        {"cache_read_tokens": 40, "cache_write_tokens": 50},
        CACHE,
    ),
]


@pytest.mark.parametrize(
    ("part", "counts", "lacks"), [each[1:] for each in _SPELLINGS], ids=[each[0] for each in _SPELLINGS]
)
def test_a_usage_object_becomes_inclusive_totals(
    part: dict[str, Any], counts: dict[str, int], lacks: Lacks
) -> None:
    usage = usage_object(part)
    assert usage is not None
    assert usage.counts == counts
    assert usage.lacks == lacks
    assert usage.invalid == frozenset()


@pytest.mark.parametrize(
    "part",
    [
        {},
        [],
        None,
        "input",
        7,
        {"tokens": 5},
        {"total_tokens": 5},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"input": 0, "output": 0, "total": 0},
        {"input_tokens": None, "output_tokens": None},
        {f"key {index}": 1 for index in range(MAX_ITEMS)} | {"input": 5},
    ],
)
def test_what_tells_of_no_tokens_is_no_usage(part: object) -> None:
    usage = usage_object(part)
    assert usage is None or usage.counts == {}


def test_a_reported_zero_beside_tokens_is_a_zero() -> None:
    usage = usage_object({"input_tokens": 0, "cache_read_input_tokens": 40, "output_tokens": 0})
    assert usage is not None
    assert usage.counts == {"input_tokens": 40, "cache_read_tokens": 40, "output_tokens": 0}


@pytest.mark.parametrize("count", [-1, 1.5, True, "many", MAX_TOKENS + 1, float("inf"), 10**400])
def test_what_is_no_count_is_invalid_and_spoils_the_total_it_is_a_part_of(count: object) -> None:
    usage = usage_object({"input": 10, "output": 5, "input_cached_tokens": count, "input_audio": 1})
    assert usage is not None
    assert usage.counts == {"output_tokens": 5, "input_audio_tokens": 1}
    assert usage.invalid == {"input_tokens", "cache_read_tokens"}
    assert usage.told == {"output_tokens": 5}


@pytest.mark.parametrize("count", [None, float("nan"), "", {}, [], {"input": 5}])
def test_what_has_no_value_is_not_reported(count: object) -> None:
    usage = usage_object({"input": 10, "output": 5, "input_cached_tokens": count})
    assert usage is not None
    assert usage.counts == {"input_tokens": 10, "output_tokens": 5}
    assert usage.invalid == frozenset()


def test_a_total_that_is_too_large_is_invalid() -> None:
    usage = usage_object({"input_tokens": MAX_TOKENS, "cache_read_input_tokens": 1, "output_tokens": 1})
    assert usage is not None
    assert usage.invalid == {"input_tokens"}


@pytest.mark.parametrize(
    ("part", "path", "found"),
    [
        ({"a": {"b": 1}}, "", [{"a": {"b": 1}}]),
        ({"a": {"b": 1}}, "a.b", [1]),
        ({"a": [{"b": 1}]}, "a.*.b", [1]),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.*.b", []),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.1.b", [2]),
        ({"a": [{"b": 1}]}, "a.1.b", []),
        ({"a": [{"b": 1}, {"b": 2, "c": "x"}]}, "a.c=x.b", [2]),
        ({"x": {"b": 1}, "y": {"b": 2}}, "*.b", [1, 2]),
        ({"a": "text"}, "a.b", []),
        ({str(key): {"b": 1} for key in range(MAX_ITEMS + 1)}, "*.b", []),
        ({"a": [{"b": 1}] * (MAX_ITEMS + 1)}, "a.0.b", []),
    ],
)
def test_a_path_leads_to_what_is_there(part: object, path: str, found: list[object]) -> None:
    assert list(at(part, path)) == found


_KEYS: Final = st.sampled_from(
    [
        *("input", "output", "total", "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens"),
        *("output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"),
        *("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens", "prompt_tokens_details", "cached_tokens"),
        *("text_tokens", "input_token_details", "cache_read", "input_cached_tokens", "output_reasoning"),
        *(
            "promptTokenCount",
            "candidatesTokenCount",
            "thoughtsTokenCount",
            "promptTokensDetails",
            "modality",
        ),
        *("tokenCount", "inputTokens", "cacheDetails", "ttl"),
        *("type", "seconds", "search_units", "server_tool_use", "web_search_requests"),
    ]
)
_JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 1_000)
    | st.floats()
    | st.sampled_from(["AUDIO", "1h", "7", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=8),
    max_leaves=20,
)


@given(part=st.dictionaries(_KEYS, _JSON, max_size=10))
@examples(300)
def test_any_object_is_read_without_an_error_and_only_counts_come_out(part: dict[str, Any]) -> None:
    usage = usage_object(part)
    if usage is None:
        return
    assert set(usage.counts) | usage.invalid <= {*TOKEN_COLUMNS, *QUANTITY_COLUMNS}
    assert not set(usage.counts) & usage.invalid
    for field, count in usage.counts.items():
        assert type(count) is int
        assert 0 <= count <= (MAX_AUDIO_NS if field == "input_audio_ns" else MAX_TOKENS)
    assert set(usage.told) == {"input_tokens", "output_tokens"} & set(usage.counts)
    assert all(usage.counts[field] >= count for field, count in usage.told.items())
