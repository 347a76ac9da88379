"""Which spans are calls, which sum up others, and which are none of ours."""

from typing import Final

import pytest

from tests.spans import Value, extraction, ignored, request, row

_USED: Final[dict[str, Value]] = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 3}
_CLAUDE_CODE: Final = "com.anthropic.claude_code.tracing"


def _role(told: dict[str, Value], *, name: str = "", scope: str = "") -> tuple[str, str]:
    found = row(told, name=name, scope=scope)
    return found["role"], found["operation"]


@pytest.mark.parametrize(
    ("attribute", "value", "operation"),
    [
        ("gen_ai.operation.name", "chat", "chat"),
        ("gen_ai.operation.name", "embeddings", "embeddings"),
        ("gen_ai.operation.name", "generate_content", "generate_content"),
        ("gen_ai.operation.name", "llm_call", "chat"),
        ("gen_ai.operation.name", "responses", "chat"),
        ("gen_ai.operation.name", "chat.streaming_completions", "chat"),
        ("openinference.span.kind", "LLM", "chat"),
        ("openinference.span.kind", "EMBEDDING", "embeddings"),
        ("llm.request.type", "completion", "text_completion"),
        ("langfuse.observation.type", "generation", "chat"),
        ("langsmith.span.kind", "llm", "chat"),
        ("ai.operationId", "ai.streamText.doStream", "chat"),
        ("ai.operationId", "ai.embedMany.doEmbed", "embeddings"),
    ],
)
def test_a_call_is_an_inference_with_and_without_usage(attribute: str, value: str, operation: str) -> None:
    assert _role({attribute: value}) == ("inference", operation)
    assert _role(_USED | {attribute: value}) == ("inference", operation)


@pytest.mark.parametrize(
    ("attribute", "value", "operation"),
    [
        ("gen_ai.operation.name", "invoke_agent", "invoke_agent"),
        ("gen_ai.operation.name", "agent_step", "agent_step"),
        ("gen_ai.operation.name", "fetch_response", "fetch_response"),
        ("gen_ai.operation.name", "retrieval", "retrieval"),
        ("openinference.span.kind", "CHAIN", "invoke_workflow"),
        ("openinference.span.kind", "GUARDRAIL", "guardrail"),
        ("traceloop.span.kind", "workflow", "invoke_workflow"),
        ("langfuse.observation.type", "span", "span"),
        ("langsmith.span.kind", "chain", "invoke_workflow"),
        ("ai.operationId", "ai.generateText", "invoke_agent"),
        ("ai.operationId", "ai.unheardOf", "ai.unheardOf"),
    ],
)
def test_what_is_around_calls_is_a_rollup_if_it_tells_tokens(
    attribute: str, value: str, operation: str
) -> None:
    assert _role(_USED | {attribute: value}) == ("rollup", operation)
    assert ignored({attribute: value})


@pytest.mark.parametrize("operation", ["rerank", "image_generation", "transcription"])
def test_what_is_seldom_paid_by_the_token_is_a_call_if_it_tells_tokens(operation: str) -> None:
    assert _role(_USED | {"gen_ai.operation.name": operation})[0] == "inference"
    assert ignored({"gen_ai.operation.name": operation})


@pytest.mark.parametrize(
    ("told", "role"),
    [
        ({"gen_ai.operation.name": "chat", "openinference.span.kind": "CHAIN"}, ("inference", "chat")),
        ({"gen_ai.operation.name": "invoke_agent", "langsmith.span.kind": "llm"}, ("rollup", "invoke_agent")),
        ({"gen_ai.operation.name": "unheard_of", "openinference.span.kind": "LLM"}, ("inference", "chat")),
        ({"llm.request.type": "chat", "traceloop.span.kind": "task"}, ("inference", "chat")),
        ({"gen_ai.operation.name": "unheard_of", "traceloop.span.kind": "x"}, ("rollup", "unheard_of")),
    ],
)
def test_the_first_attribute_with_a_value_that_is_known_decides(
    told: dict[str, Value], role: tuple[str, str]
) -> None:
    assert _role(told | _USED) == role


@pytest.mark.parametrize("named", ["gen_ai.system", "gen_ai.request.model", "llm.model_name"])
def test_a_span_that_says_nothing_of_what_it_is_is_a_call_if_it_names_whom_it_called(named: str) -> None:
    assert _role(_USED | {named: "openai"}) == ("inference", "chat")
    assert ignored({named: "openai"})


def test_tokens_of_nobody_are_a_rollup() -> None:
    assert _role(_USED) == ("rollup", "")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("handle_responses", ("inference", "chat")),
        ("litellm_request", ("inference", "chat")),
        ("agent run", ("rollup", "invoke_agent")),
        ("raw_gen_ai_request", ("rollup", "raw_payload")),
    ],
)
def test_the_name_of_a_span_says_what_it_is_where_no_attribute_does(name: str, role: tuple[str, str]) -> None:
    assert _role(_USED | {"gen_ai.request.model": "gpt-4o"}, name=name) == role
    assert ignored({"http.request.method": "GET", "otel_usage.account.id": "a"}, name=name)


def test_bare_names_are_read_only_where_they_mean_that() -> None:
    told: dict[str, Value] = {
        "gen_ai.system": "anthropic",
        "model": "claude-opus-4-1",
        "input_tokens": "10",
        "output_tokens": 3,
        "cache_read_tokens": 100,
    }
    found = row(told, name="claude_code.llm_request", scope=_CLAUDE_CODE)
    assert (found["role"], found["input_tokens"], found["request_model"]) == (
        "inference",
        110,
        "claude-opus-4-1",
    )
    assert ignored(told, name="GET")


def test_a_failed_call_of_a_coding_agent_is_seen() -> None:
    told: dict[str, Value] = {"gen_ai.system": "anthropic", "model": "claude-opus-4-1"}
    found = row(told, name="claude_code.llm_request", scope=_CLAUDE_CODE, failed=True)
    assert (found["usage_status"], found["error_type"]) == ("missing", "_OTHER")


def test_a_span_that_is_no_call_may_say_who_pays() -> None:
    found = extraction(
        request({"http.route": "/", "otel_usage.account.id": "a", "otel_usage.transaction.id": "t"})
    )
    assert found.ignored.tolist() == [1]
    (claim,) = found.claims.to_pylist()
    assert (claim["account_id"], claim["context"], claim["transaction_id"]) == ("a", "", "t")


@pytest.mark.parametrize(
    "told",
    [
        {"otel_usage.context": "nobody"},
        {"otel_usage.account.id": "a" * 257},
        {"otel_usage.account.id": "a", "otel_usage.transaction.id": 0.5},
        {"otel_usage.usage_type": "text"},
    ],
)
def test_a_claim_that_is_not_valid_or_names_nobody_is_none(told: dict[str, Value]) -> None:
    assert extraction(request(told)).claims.num_rows == 0
