"""Counts in the canonical form: what is lacking is added, what is missing stays missing."""

import json
import math
from typing import Final

import pytest

from otel_usage.model import TOKEN_COLUMNS
from tests import spans
from tests.spans import Row, Value, row

_CHAT: Final[dict[str, Value]] = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
_INPUT, _OUTPUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
_READ, _WRITE = "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"
_REASONING, _TOTAL = "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.total_tokens"


def _counts(told: Row) -> dict[str, int]:
    return {name: told[name] for name in TOKEN_COLUMNS if told[name] is not None}


def _convention(told: Row) -> tuple[str, str]:
    return told["usage_convention"], told["convention_source"]


def test_an_emitter_that_is_not_known_follows_the_specification() -> None:
    told = row(_CHAT | {_INPUT: 100, _OUTPUT: 10, _READ: 40, _WRITE: 60, _REASONING: 10})
    assert _convention(told) == ("inclusive", "specification")
    assert (told["input_tokens"], told["output_tokens"]) == (100, 10)


@pytest.mark.parametrize(
    ("told", "convention", "input_tokens", "output_tokens"),
    [
        ({_READ: 41, _WRITE: 60}, "excludes_cache", 201, 10),
        ({_REASONING: 11}, "excludes_reasoning", 100, 21),
        ({_READ: 101, _REASONING: 11}, "excludes_cache_and_reasoning", 201, 21),
        ({_READ: 40, _TOTAL: 150}, "excludes_cache", 140, 10),
        ({_REASONING: 5, _TOTAL: 115}, "excludes_reasoning", 100, 15),
        ({_READ: 40, _REASONING: 5, _TOTAL: 155}, "excludes_cache_and_reasoning", 140, 15),
        ({_READ: 40, _REASONING: 5, _TOTAL: 150}, "excludes_cache", 140, 10),
    ],
)
def test_numbers_prove_what_an_emitter_that_is_not_known_leaves_out(
    told: dict[str, Value], convention: str, input_tokens: int, output_tokens: int
) -> None:
    found = row(_CHAT | {_INPUT: 100, _OUTPUT: 10} | told)
    assert _convention(found) == (convention, "arithmetic")
    assert (found["input_tokens"], found["output_tokens"]) == (input_tokens, output_tokens)


@pytest.mark.parametrize(
    "told", [{_READ: 40, _TOTAL: 111}, {_READ: 5, _REASONING: 5, _TOTAL: 115}, {_TOTAL: 999}]
)
def test_a_total_that_proves_nothing_changes_nothing(told: dict[str, Value]) -> None:
    found = row(_CHAT | {_INPUT: 100, _OUTPUT: 10} | told)
    assert _convention(found) == ("inclusive", "specification")
    assert (found["input_tokens"], found["output_tokens"]) == (100, 10)


def test_no_count_is_made_from_a_total() -> None:
    found = row(_CHAT | {_INPUT: 100, _TOTAL: 110})
    assert found["usage_status"] == "missing"
    assert _counts(found) == {"input_tokens": 100}


def test_an_impossible_count_of_a_known_emitter_stays_as_it_is() -> None:
    found = row(
        _CHAT | {_INPUT: 100, _OUTPUT: 10, _READ: 500, _REASONING: 50},
        scope="opentelemetry.instrumentation.genai.openai",
    )
    assert _convention(found) == ("inclusive", "emitter")
    assert (found["input_tokens"], found["output_tokens"]) == (100, 10)


@pytest.mark.parametrize(
    ("version", "convention", "input_tokens"),
    [
        ("0.1.9", ("excludes_cache", "emitter"), 103),
        ("0.1.45", ("excludes_cache", "emitter"), 103),
        ("0.1.46rc1", ("excludes_cache", "emitter"), 103),
        ("0.1.46", ("inclusive", "specification"), 100),
        ("0.1.61", ("inclusive", "emitter"), 100),
        ("0.1.100", ("inclusive", "emitter"), 100),
        ("v1.0", ("inclusive", "emitter"), 100),
        ("", ("inclusive", "specification"), 100),
        ("latest", ("inclusive", "specification"), 100),
    ],
)
def test_the_version_of_an_emitter_decides_what_its_input_lacks(
    version: str, convention: tuple[str, str], input_tokens: int
) -> None:
    call: dict[str, Value] = {
        "openinference.span.kind": "LLM",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 10,
        "llm.token_count.prompt_details.cache_read": 3,
    }
    found = row(call, scope="openinference.instrumentation.bedrock", version=version)
    assert _convention(found) == convention
    assert found["input_tokens"] == input_tokens


@pytest.mark.parametrize(
    ("provider", "more", "input_tokens"),
    [
        ("anthropic.messages", {}, 103),
        ("vertex.anthropic.messages", {}, 103),
        ("amazon-bedrock", {}, 103),
        ("openai.responses", {}, 100),
        ("anthropic.messages", {"ai.usage.inputTokenDetails.cacheReadTokens": 3}, 100),
    ],
)
def test_provider_and_attributes_decide_where_an_emitter_writes_no_version(
    provider: str, more: dict[str, Value], input_tokens: int
) -> None:
    call: dict[str, Value] = {
        "ai.operationId": "ai.generateText.doGenerate",
        "gen_ai.system": provider,
        "ai.usage.inputTokens": 100,
        "ai.usage.outputTokens": 10,
        "ai.usage.cachedInputTokens": 3,
    }
    found = row(call | more, scope="ai")
    assert found["input_tokens"] == input_tokens
    assert found["convention_source"] == "emitter"


def test_the_first_name_of_a_count_is_taken_not_the_largest() -> None:
    found = row(
        _CHAT | {"gen_ai.usage.prompt_tokens": 900, _INPUT: 100, _OUTPUT: 10, "llm.token_count.prompt": 7}
    )
    assert found["input_tokens"] == 100


@pytest.mark.parametrize("counts", [{_INPUT: 0, _OUTPUT: 0}, {_INPUT: 0, _OUTPUT: 0, _READ: 0}, {_INPUT: 0}])
def test_zeros_only_are_no_usage(counts: dict[str, Value]) -> None:
    found = row(_CHAT | counts)
    assert found["usage_status"] == "missing"
    assert _counts(found) == {}


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ({_INPUT: 0, _OUTPUT: 5}, {"input_tokens": 0, "output_tokens": 5}),
        ({_INPUT: 5, _OUTPUT: 0}, {"input_tokens": 5, "output_tokens": 0}),
        (
            {_INPUT: 0, _OUTPUT: 0, _READ: 7},
            {"input_tokens": 7, "output_tokens": 0, "cache_read_tokens": 7},
        ),
    ],
)
def test_a_zero_beside_a_count_is_a_zero(told: dict[str, Value], counts: dict[str, int]) -> None:
    found = row(_CHAT | told)
    assert found["usage_status"] == "reported"
    assert _counts(found) == counts


def test_an_embedding_may_report_zero() -> None:
    found = row({"gen_ai.operation.name": "embeddings", _INPUT: 0})
    assert (found["usage_status"], _counts(found)) == ("reported", {"input_tokens": 0})


def test_a_count_that_is_nan_is_not_reported() -> None:
    found = row(_CHAT | {_INPUT: math.nan, _OUTPUT: math.nan})
    assert (found["usage_status"], _counts(found)) == ("missing", {})


def test_counts_that_an_emitter_made_up_are_estimated() -> None:
    def status(told: dict[str, Value], scope: str = "openlit.instrumentation.openai") -> str:
        usage: dict[str, Value] = {"gen_ai.operation.name": "chat", _INPUT: 27, _OUTPUT: 15}
        text: str = row(usage | told, scope=scope)["usage_status"]
        return text

    assert status({"gen_ai.provider.name": "openai"}) == "estimated"
    assert status({"gen_ai.provider.name": "openai", _READ: 0}) == "reported"
    assert status({"gen_ai.system": "openai"}) == "reported"
    assert status({"gen_ai.provider.name": "openai"}, scope="openlit.instrumentation.groq") == "reported"


def test_a_stream_that_its_emitter_counts_wrong_is_estimated() -> None:
    def status(told: dict[str, Value]) -> str:
        found = row(_CHAT | {_INPUT: 27, _OUTPUT: 15} | told, scope="opentelemetry.instrumentation.anthropic")
        text: str = found["usage_status"]
        return text

    assert status({"gen_ai.is_streaming": True}) == "estimated"
    assert status({"gen_ai.is_streaming": False}) == "reported"
    assert status({}) == "reported"


def test_what_has_no_column_is_kept_aside_and_added_to_nothing() -> None:
    found = row(
        _CHAT
        | {
            _INPUT: 100,
            _OUTPUT: 10,
            "gen_ai.usage.quantum_tokens": 5,
            "gen_ai.usage.total_tokens": 115,
            "gen_ai.usage.cost": 0.25,
            "gen_ai.usage.note": "é" * 300,
            "gen_ai.usage.flag": True,
            "gen_ai.usage.odd": math.inf,
            "gen_ai.usages": 1,
        }
    )
    assert json.loads(found["other_usage"]) == {
        "gen_ai.usage.quantum_tokens": 5,
        "gen_ai.usage.total_tokens": 115,
        "gen_ai.usage.cost": 0.25,
        "gen_ai.usage.note": "é" * 256,
        "gen_ai.usage.flag": True,
    }
    assert _counts(found) == {"input_tokens": 100, "output_tokens": 10}


def test_only_so_many_things_are_kept_aside() -> None:
    told: dict[str, Value] = {f"gen_ai.usage.unknown_{number}": number for number in range(100)}
    assert len(json.loads(row(_CHAT | told)["other_usage"])) == 64


def test_what_is_told_twice_is_kept_aside_once() -> None:
    request = spans.request(_CHAT | {"gen_ai.usage.new": 1, "gen_ai.usage.other": 2})
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="gen_ai.usage.new", value=spans.value(3))
    (found,) = spans.extraction(request).observations.to_pylist()
    assert found["other_usage"] == '{"gen_ai.usage.other":2,"gen_ai.usage.new":3}'
