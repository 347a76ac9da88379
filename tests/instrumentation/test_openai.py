"""The real OpenAI SDK and its real instrumentor, against the stand-in provider."""

import asyncio
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI
from openai.types.chat import ChatCompletionMessageParam
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_usage import attribution
from otel_usage.demo.provider import StandInProvider, count_tokens

pytestmark = pytest.mark.anyio

LONG = "one two three four " * 300  # 1,200 tokens


@pytest.fixture
def stand_in() -> Iterator[StandInProvider]:
    with StandInProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def instrumented(provider: TracerProvider) -> Iterator[None]:
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    yield
    OpenAIInstrumentor().uninstrument()


@pytest.fixture
def openai(stand_in: StandInProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAI]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with OpenAI(base_url=stand_in.base_url, api_key="none") as client:
        yield client


def calls(exporter: InMemorySpanExporter) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in exporter.get_finished_spans()]


def ask(client: OpenAI, question: str, **more: Any) -> Any:  # noqa: ANN401
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question}]
    return client.chat.completions.create(model="gpt-4o", messages=messages, max_completion_tokens=11, **more)


def test_a_call_carries_its_usage_and_its_payer(openai: OpenAI, exporter: InMemorySpanExporter) -> None:
    with attribution(account_id="acme", transaction_id="t1"):
        reply = ask(openai, "Hello, you!")
    (call,) = calls(exporter)
    assert call["gen_ai.usage.input_tokens"] == 4
    assert call["gen_ai.usage.output_tokens"] == count_tokens(reply.choices[0].message.content) == 11
    assert call["gen_ai.response.model"] == "gpt-4o-2024-08-06"
    assert call["gen_ai.response.id"].startswith("chatcmpl-")
    assert len(call["gen_ai.response.id"]) == len("chatcmpl-") + 29
    assert call["otel_usage.account.id"] == "acme"
    assert call["otel_usage.transaction.id"] == "t1"
    assert call["otel_usage.context"] == "customer"


def test_a_stream_read_after_its_scope_belongs_to_the_scope_it_was_started_in(
    openai: OpenAI, exporter: InMemorySpanExporter
) -> None:
    with attribution(account_id="acme"):
        stream = ask(openai, "Hello", stream=True, stream_options={"include_usage": True})
    with attribution(account_id="globex"):
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    (call,) = calls(exporter)
    assert count_tokens(text) == call["gen_ai.usage.output_tokens"] == 11
    assert call["gen_ai.usage.input_tokens"] == 1
    assert call["otel_usage.account.id"] == "acme"


def test_a_stream_that_does_not_ask_for_usage_reports_none(
    openai: OpenAI, exporter: InMemorySpanExporter
) -> None:
    for _ in ask(openai, "Hello", stream=True):
        pass
    (call,) = calls(exporter)
    assert "gen_ai.usage.input_tokens" not in call


def test_a_prompt_that_begins_like_an_earlier_one_is_cached_in_steps(
    openai: OpenAI, exporter: InMemorySpanExporter
) -> None:
    for question in (LONG + "A?", LONG + "B?", "short", "short"):
        ask(openai, question)
    cached = [call.get("gen_ai.usage.cache_read.input_tokens") for call in calls(exporter)]
    assert cached == [None, 1152, None, None]  # 1,200 = 9 * 128 + 48


@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_embeddings_are_counted_and_come_as_vectors(
    openai: OpenAI, exporter: InMemorySpanExporter, encoding: Literal["base64", "float"]
) -> None:
    with attribution(account_id="acme", usage_type="embedding"):
        reply = openai.embeddings.create(
            model="text-embedding-3-small", input=["one two", "three"], encoding_format=encoding
        )
    (call,) = calls(exporter)
    assert len(reply.data) == 2
    assert call["gen_ai.operation.name"] == "embeddings"
    assert call["gen_ai.usage.input_tokens"] == 3
    assert call["otel_usage.usage_type"] == "embedding"


def test_the_stand_in_serves_nothing_else(openai: OpenAI, stand_in: StandInProvider) -> None:
    with pytest.raises(NotFoundError, match="Unknown request URL"):
        openai.responses.create(model="gpt-4o", input="Hello")
    assert stand_in.calls == 0


async def test_concurrent_tasks_each_pay_for_their_own_calls(
    stand_in: StandInProvider, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    async def serve(client: AsyncOpenAI, account: str) -> None:
        async with attribution(account_id=account):
            await client.chat.completions.create(
                model=account, messages=[{"role": "user", "content": "Hello"}], max_completion_tokens=3
            )

    accounts = [f"account-{n}" for n in range(6)]
    async with AsyncOpenAI(base_url=stand_in.base_url, api_key="none") as client:
        await asyncio.gather(*(serve(client, account) for account in accounts))
    paid = {call["gen_ai.request.model"]: call["otel_usage.account.id"] for call in calls(exporter)}
    assert paid == {account: account for account in accounts}
    assert stand_in.calls == len(accounts)
