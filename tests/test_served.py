"""Who served a call: hosts go before names, and frameworks are no providers."""

from typing import Final

import pytest

from otel_usage.dialects import providers
from tests.spans import Value, row

_CALL: Final[dict[str, Value]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.usage.input_tokens": 1,
    "gen_ai.usage.output_tokens": 1,
}


def _served(**told: Value) -> tuple[str, str]:
    found = row(_CALL | {name.replace("__", "."): value for name, value in told.items()})
    return found["provider"], found["region"]


@pytest.mark.parametrize(
    ("host", "provider", "region"),
    [
        ("api.openai.com", "openai", ""),
        ("eu.api.openai.com", "openai", "eu"),
        ("https://my.openai.azure.com/openai/deployments/x?api-version=1", "azure.ai.openai", ""),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock", "us-east-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "aws.bedrock", "us-gov-west-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "aws.bedrock", "cn-north-1"),
        ("vpce-0a.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "aws.bedrock", "eu-west-1"),
        ("us-central1-aiplatform.googleapis.com:443", "gcp.vertex_ai", "us-central1"),
        ("aiplatform.eu.rep.googleapis.com", "gcp.vertex_ai", "eu"),
        ("aiplatform.googleapis.com", "gcp.vertex_ai", ""),
        ("generativelanguage.googleapis.com", "gcp.gemini", ""),
        ("API.GROQ.COM.", "groq", ""),
        ("http://user:secret@api.x.ai:443/v1", "x_ai", ""),
        ("eu-west-1.api.x.ai", "x_ai", "eu-west-1"),
        ("codestral.mistral.ai", "mistral_ai", ""),
        ("openrouter.ai/api/v1", "openrouter", ""),
        ("notopenrouter.ai", "", ""),
        ("openrouter.ai.example", "", ""),
        ("s3.us-east-1.amazonaws.com", "", ""),
        ("127.0.0.1:8080", "", ""),
        ("[::1]:8080", "", ""),
        ("", "", ""),
        ("://", "", ""),
    ],
)
def test_a_host_tells_provider_and_region(host: str, provider: str, region: str) -> None:
    assert providers.by_host(host) == providers.Served(provider, region)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("OpenAI", "openai"),
        ("openai.responses", "openai"),
        ("anthropic.messages", "anthropic"),
        ("vertex.anthropic.messages", "gcp.vertex_ai"),
        ("google.generative-ai", "gcp.gemini"),
        ("google.vertex.chat", "gcp.vertex_ai"),
        ("google", "gcp.gen_ai"),
        ("amazon-bedrock", "aws.bedrock"),
        ("aws", "aws.bedrock"),
        ("Az.ai.openai", "azure.ai.openai"),
        ("azure-openai.chat", "azure.ai.openai"),
        ("aws.bedrock", "aws.bedrock"),
        ("strands-agents", ""),
        ("Langchain", ""),
        ("microsoft.agent_framework", ""),
        ("my.own.server", "my.own.server"),
        ("", ""),
    ],
)
def test_a_provider_has_one_name(name: str, provider: str) -> None:
    assert providers.by_name(name) == provider


def test_the_host_goes_before_the_name() -> None:
    assert _served(gen_ai__system="openai", server__address="api.groq.com") == ("groq", "")
    assert _served(gen_ai__system="openai", server__address="llm.example") == ("openai", "")


def test_the_region_of_the_host_goes_before_that_of_the_span() -> None:
    host = "bedrock-runtime.eu-central-1.amazonaws.com"
    assert _served(cloud__region="us-east-1", url__full=f"https://{host}/model") == (
        "aws.bedrock",
        "eu-central-1",
    )
    assert _served(cloud__region="us-east-1", gen_ai__system="aws.bedrock") == ("aws.bedrock", "us-east-1")


@pytest.mark.parametrize(
    ("scope", "model", "provider"),
    [
        ("codex_cli_rs", "", "openai"),
        ("com.anthropic.claude_code.tracing", "claude-opus-4-1", "anthropic"),
        ("com.anthropic.claude_code.tracing", "us.anthropic.claude-opus-4-1-v1:0", "aws.bedrock"),
        ("com.anthropic.claude_code.tracing", "claude-opus-4-1@20250805", "gcp.vertex_ai"),
        ("an.application", "us.anthropic.claude-opus-4-1-v1:0", ""),
    ],
)
def test_an_emitter_may_be_known_to_call_one_provider(scope: str, model: str, provider: str) -> None:
    assert row(_CALL | {"gen_ai.request.model": model}, scope=scope)["provider"] == provider


def test_a_failed_call_without_an_answer_was_answered_by_no_model() -> None:
    told: dict[str, Value] = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"}
    asked = row(told, failed=True)
    assert (asked["request_model"], asked["response_model"]) == ("gpt-4o", "")
    answered = row(told | {"llm.token_count.prompt": 1, "llm.token_count.completion": 1}, failed=True)
    assert (answered["request_model"], answered["response_model"]) == ("", "gpt-4o")


def test_a_tier_has_the_name_that_the_bill_has() -> None:
    assert row(_CALL | {"openai.response.service_tier": "normal"})["service_tier"] == "standard"
    assert row(_CALL | {"openai.response.service_tier": "flex"})["service_tier"] == "flex"
