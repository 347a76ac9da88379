"""The worked examples of the research into prices: each price that was looked up by hand, with its number.

Dollars for a million tokens: input/output/cache read/cache write, as far as they are told.
The prices are those of noon on 2026-11-20, unless another time is told.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pytest

from otel_usage.model import OBSERVATIONS
from otel_usage.pricing import Pricer, price
from tests import model_calls

_AT: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
_TOKENS: Final = 1_000
"""Of each kind, a call of its own: fewer than any tier of prices begins at."""
_MINUTE: Final = 60 * 10**9
_KINDS: Final = (
    {"input_tokens": _TOKENS},
    {"output_tokens": _TOKENS},
    {"input_tokens": _TOKENS, "cache_read_tokens": _TOKENS},
    {"input_tokens": _TOKENS, "cache_write_tokens": _TOKENS},
)
_AUDIO: Final = (
    {"input_tokens": _TOKENS, "input_audio_tokens": _TOKENS},
    {"output_tokens": _TOKENS, "output_audio_tokens": _TOKENS},
)

_AGREED: Final = {
    "openai": {
        "2.5/10/1.25": "gpt-4o gpt-4o-2024-08-06",
        "5/15": "gpt-4o-2024-05-13",
        ".15/.6/.075": "gpt-4o-mini gpt-4o-mini-2024-07-18",
        "2/8/.5": "gpt-4.1 o3",
        ".4/1.6/.1": "gpt-4.1-mini-2025-04-14",
        ".1/.4/.025": "gpt-4.1-nano",
        "15/60/7.5": "o1",
        "20/80": "o3-pro",
        "1.1/4.4/.275": "o4-mini",
        "10/40/2.5": "o3-deep-research",
        "1.25/10/.125": "gpt-5 gpt-5-2025-08-07 gpt-5-codex gpt-5-chat-latest gpt-5.1",
        ".25/2/.025": "gpt-5-mini",
        ".05/.4/.005": "gpt-5-nano",
        "1.75/14/.175": "gpt-5.2",
        "2.5/15/.25": "gpt-5.4",
        "5/30/.5": "gpt-5.5",
        "4/20/.4/5": "gpt-5.6-sol",
        ".2/1.2/.02/.25": "gpt-5.6-luna",
        "10/50/1/12.5": "gpt-6-astra",
        "2/10/.2/2.5": "gpt-6-sol",
        ".1/.5/.01/.125": "gpt-6-luna",
        "2/10/.1/2.5": "gpt-6.1-sol",
        "1/5/.05/1.25": "gpt-6.1-terra",
        ".5/1.5": "gpt-3.5-turbo gpt-3.5-turbo-0125",
        "10/30": "gpt-4-turbo",
        "30/60": "gpt-4-0613",
        "3/12": "computer-use-preview",
        ".02": "text-embedding-3-small",
        ".13": "text-embedding-3-large",
        ".1": "text-embedding-ada-002",
    },
    "anthropic": {
        "3/15/.3/3.75": "claude-sonnet-4-5 claude-sonnet-4-5-20250929 claude-sonnet-4-6",
        "1/5/.1/1.25": "claude-haiku-4-5",
        "5/25/.5/6.25": "claude-opus-4-5 claude-opus-4-6 claude-opus-4-8 claude-opus-5",
        "2/10/.2/2.5": "claude-sonnet-5",
        "2/10/.1/2.5": "claude-sonnet-5-5",
        "4/20/.2/5": "claude-opus-5-5",
        ".1/.5/.01/.125": "claude-haiku-5-5",
    },
    "aws.bedrock": {
        "3/15/.3/3.75": "anthropic.claude-3-5-sonnet-20241022-v2:0 us.anthropic.claude-sonnet-4-20250514-v1:0"
        " global.anthropic.claude-sonnet-4-5-20250929-v1:0"
        " arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-5-sonnet-20241022-v2:0",
        "3.3/16.5/.33/4.125": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "4.4/22/.22/5.5": "us.anthropic.claude-opus-5-5"
        " arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5-5",
        ".8/3.2/.2": "amazon.nova-pro-v1:0",
        ".06/.24/.015": "us.amazon.nova-lite-v1:0",
        ".72/.72": "us.meta.llama3-3-70b-instruct-v1:0",
        ".02": "amazon.titan-embed-text-v2:0",
    },
    "gcp.gemini": {
        "1.25/10/.125": "gemini-2.5-pro publishers/google/models/gemini-2.5-pro",
        ".3/2.5/.03": "gemini-2.5-flash models/gemini-2.5-flash",
        ".1/.4/.01": "gemini-2.5-flash-lite",
        "2/12/.2": "gemini-3.1-pro-preview",
        "1.5/9/.15": "gemini-3.5-flash",
        ".75/3.75/.075": "gemini-3.8-flash",
        "2/10/.1": "gemini-4-argon",
        ".15": "gemini-embedding-001",
        ".5/10": "gemini-2.5-flash-preview-tts",
    },
    "gcp.vertex_ai": {"5/25/.5/6.25": "claude-opus-4-5@20251101"},
    "azure.ai.openai": {
        "2.5/10/1.25": "gpt-4o gpt-4o-2024-11-20",
        ".5/1.5": "gpt-35-turbo",
        "4/20/.4/5": "gpt-5.6-sol",
    },
    "azure.ai.inference": {".125/.5": "Phi-4"},
    "groq": {".15/.6/.075": "openai/gpt-oss-120b"},
    "fireworks_ai": {"3/15/.3": "accounts/fireworks/models/kimi-k3"},
    "x_ai": {"2/6/.5": "grok-4.7"},
    "mistral_ai": {".15/.6/.015": "mistral-small-latest"},
    "cohere": {"2.5/10": "command-r-plus-08-2024 command-a-03-2025", ".12": "embed-v4.0"},
    "voyage": {".06": "voyage-3.5", ".12": "voyage-4-large"},
    "moonshot_ai": {"3/15/.3/3": "kimi-k3"},
    "cerebras": {".85/1.2": "llama-3.3-70b"},
}
"""Section 3a: by provider and price the models on which two sources agree."""

_DECIDED: Final = {
    "openai": {
        "5/40/1.25": "gpt-image-1",
        "5/30/1.25": "gpt-image-2",
        "5/20/2.5": "gpt-4o-realtime-preview",
        ".3/1.2/.15": "ft:gpt-4o-mini:org::id",
        "3/12/.75": "ft:gpt-4.1-2025-04-14:org::id",
    },
    "anthropic": {
        "3/15/.3/3.75": "claude-3-5-sonnet-20241022 claude-3-7-sonnet-20250219 claude-sonnet-4-20250514",
        ".8/4/.08/1": "claude-3-5-haiku-20241022",
        ".25/1.25/.03/.3": "claude-3-haiku-20240307",
        "15/75/1.5/18.75": "claude-3-opus-20240229 claude-opus-4-1",
        "8/40/.2/10": "claude-fable-5-2",
    },
    "aws.bedrock": {".1": "cohere.embed-english-v3"},
    "gcp.vertex_ai": {".1": "text-embedding-005"},
    "gcp.gemini": {
        ".1/.4/.025": "gemini-2.0-flash",
        "1.25/5": "gemini-1.5-pro",
        "2/12/.2": "gemini-3-pro-preview",
    },
    "azure.ai.inference": {"1.35/5.4": "DeepSeek-R1", ".71/.71": "Llama-3.3-70B-Instruct"},
    "groq": {".59/.79": "llama-3.3-70b-versatile", ".05/.08": "llama-3.1-8b-instant"},
    "together_ai": {"1.25": "deepseek-ai/DeepSeek-V3", "1.2": "Qwen/Qwen2.5-72B-Instruct-Turbo"},
    "fireworks_ai": {
        ".9/.9": "accounts/fireworks/models/llama-v3p3-70b-instruct accounts/fireworks/models/deepseek-v3"
    },
    "deepseek": {".28/.42/.028": "deepseek-chat deepseek-reasoner", ".66/1.98/.022": "deepseek-v4-pro"},
    "x_ai": {"3/15/.75": "grok-4 grok-4-0709", ".2/.5/.05": "grok-4-fast-reasoning"},
    "mistral_ai": {".5/1.5/.05": "mistral-large-latest", "2/6": "mistral-large-2411", ".1": "mistral-embed"},
    "cohere": {"2.5/10": "command-r-plus", ".1": "embed-english-v3.0"},
    "voyage": {".05": "rerank-2.5"},
    "openrouter": {
        "3/15/.3/3.75": "anthropic/claude-sonnet-4",
        "4/20/.2/5": "anthropic/claude-opus-5.5",
        "2.5/10/1.25": "openai/gpt-4o",
        "1.25/10/.125/.375": "google/gemini-2.5-pro",
    },
    "dashscope": {"1.6/6.4": "qwen-max", "1.2/6": "qwen3-max", ".4/1.2": "qwen-plus"},
    "moonshot_ai": {".6/2.5/.15": "kimi-k2-0905-preview"},
}
"""Section 3b: those on which they do not, as decided there."""

Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def pricer() -> Pricer:
    return Pricer.bundled()


def _examples(section: Mapping[str, Mapping[str, str]]) -> Iterator[Any]:
    for provider, prices in section.items():
        for told, models in prices.items():
            yield from (
                pytest.param(provider, model, told, id=f"{provider} {model}") for model in models.split()
            )


@pytest.mark.parametrize(("provider", "model", "prices"), [*_examples(_AGREED)])
def test_section_3a_a_price_on_which_two_sources_agree(
    pricer: Pricer, provider: str, model: str, prices: str
) -> None:
    assert _costs(pricer, provider, model, prices) == _told(prices)


@pytest.mark.parametrize(("provider", "model", "prices"), [*_examples(_DECIDED)])
def test_section_3b_a_price_on_which_sources_differ_is_the_one_decided_on(
    pricer: Pricer, provider: str, model: str, prices: str
) -> None:
    assert _costs(pricer, provider, model, prices) == _told(prices)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("azure.ai.openai", "my-gpt4o-deployment"),
        ("azure.ai.openai", "gpt-4o-prod"),
        ("aws.bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc123"),
        ("openai", "gpt-5.9"),
        ("openai", "gpt-4o-foo"),
        ("anthropic", "claude-sonnet-9"),
        ("jina", "jina-embeddings-v3"),
    ],
)
def test_sections_1_3_and_3b_a_name_that_nobody_knows_is_no_model(
    pricer: Pricer, provider: str, model: str
) -> None:
    row = _row(pricer, provider, model, input_tokens=1)
    assert (row["billed_cost"], row["unpriced_reason"]) == (None, "unknown_model")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("ollama", "llama3.2"),
        ("ollama", "qwen2.5:7b"),
        ("openrouter", "meta-llama/llama-3.3-70b-instruct:free"),
    ],
)
def test_section_3b_what_is_free_is_free_by_policy(pricer: Pricer, provider: str, model: str) -> None:
    row = _row(pricer, provider, model, input_tokens=1_000_000, output_tokens=1_000_000)
    assert row["billed_cost"] == 0
    assert row["price_source"].startswith("policy@")


@pytest.mark.parametrize(
    ("provider", "model", "heard", "made"),
    [
        ("openai", "gpt-realtime", "32", "64"),
        ("openai", "gpt-realtime-2", "32", "64"),
        ("openai", "gpt-audio", "32", "64"),
        ("openai", "gpt-4o-realtime-preview", "40", "80"),
        ("openai", "gpt-4o-audio-preview", "40", "80"),
        ("gcp.gemini", "gemini-2.5-flash-native-audio-preview-12-2025", "3", "12"),
    ],
)
def test_sections_3a_and_3b_audio_has_its_own_price(
    pricer: Pricer, provider: str, model: str, heard: str, made: str
) -> None:
    costs = [_cost(pricer, provider, model, **counts) for counts in _AUDIO]
    assert costs == [Decimal(each) / 1_000 for each in (heard, made)]


@pytest.mark.parametrize(
    ("provider", "model", "dollars"),
    [
        ("openai", "whisper-1", "0.006"),
        ("openai", "gpt-4o-transcribe", "0.006"),
        ("openai", "gpt-4o-mini-transcribe", "0.003"),
        ("openai", "gpt-transcribe", "0.0045"),
        ("groq", "whisper-large-v3", "0.00185"),
        ("groq", "whisper-large-v3-turbo", "0.00067"),
        ("mistral_ai", "voxtral-mini-transcribe-3-0", "0.0035"),
        ("deepgram", "nova-3", "0.0043"),
        ("deepgram", "nova-2", "0.0043"),
        ("elevenlabs", "scribe_v1", "0.00367"),
        ("assemblyai", "universal", "0.0025"),
    ],
)
def test_section_5_a_minute_of_audio_that_is_heard(
    pricer: Pricer, provider: str, model: str, dollars: str
) -> None:
    # The table there is rounded to three digits; so is the price by the second of some.
    cost = _cost(pricer, provider, model, input_audio_ns=_MINUTE)
    assert abs(cost - Decimal(dollars)) < Decimal("0.000005")


@pytest.mark.parametrize(
    ("provider", "model", "dollars"),
    [
        ("openai", "tts-1", "15"),
        ("openai", "tts-1-hd", "30"),
        ("elevenlabs", "eleven_multilingual_v2", "80"),
        ("groq", "canopylabs/orpheus-v1-english", "22"),
        ("groq", "canopylabs/orpheus-arabic-saudi", "40"),
    ],
)
def test_section_5_a_million_characters_that_are_spoken(
    pricer: Pricer, provider: str, model: str, dollars: str
) -> None:
    assert _cost(pricer, provider, model, input_characters=1_000_000) == Decimal(dollars)


def test_section_5_speech_that_is_told_by_its_duration_only(pricer: Pricer) -> None:
    assert _cost(pricer, "openai", "gpt-4o-mini-tts", output_audio_ns=_MINUTE) == Decimal("0.015")


@pytest.mark.parametrize(
    ("provider", "model"), [("cohere", "rerank-v3.5"), ("aws.bedrock", "cohere.rerank-v3-5:0")]
)
def test_section_3b_a_query_of_a_reranker(pricer: Pricer, provider: str, model: str) -> None:
    assert _cost(pricer, provider, model, rerank_searches=1) == Decimal("0.002")


def test_section_1_4_exclusive_counts_are_174_percent_of_what_they_look_like(pricer: Pricer) -> None:
    told = {"input_tokens": 50_000, "cache_read_tokens": 40_000}
    true = told | {"input_tokens": 90_000}
    costs = [_cost(pricer, "anthropic", "claude-sonnet-4-5", **each) for each in (told, true)]
    assert costs == [Decimal("0.042"), Decimal("0.162")]


def test_section_1_4_five_seconds_of_groq_are_ten(pricer: Pricer) -> None:
    cost = _cost(pricer, "groq", "whisper-large-v3", input_audio_ns=5 * 10**9)
    assert cost == Decimal("0.000308333333333333")


@pytest.mark.parametrize(
    ("model", "inputs", "dollars"),
    [
        ("gemini-2.5-pro", 200_000, "1.25/10/.125"),
        ("gemini-2.5-pro", 200_001, "2.5/15/.25"),
    ],
)
def test_section_1_4_a_tier_begins_above_its_start(
    pricer: Pricer, model: str, inputs: int, dollars: str
) -> None:
    read, made = 50_000, 1_000
    counts = {"input_tokens": inputs, "cache_read_tokens": read, "output_tokens": made}
    per_input, per_output, per_read = (Decimal(each) / 1_000_000 for each in dollars.split("/"))
    expected = (inputs - read) * per_input + read * per_read + made * per_output
    assert _cost(pricer, "gcp.gemini", model, **counts) == expected


@pytest.mark.parametrize(
    ("at", "dollars"),
    [
        (datetime(2025, 6, 9, 23, 59, 59, 999_999, UTC), "10/40/2.5"),
        (datetime(2025, 6, 10, tzinfo=UTC), "2/8/.5"),
    ],
)
def test_section_1_4_o3_before_it_became_cheaper(pricer: Pricer, at: datetime, dollars: str) -> None:
    costs = [_cost(pricer, "openai", "o3", started_at=at, **counts) for counts in _KINDS[:3]]
    assert costs == _told(dollars)


def test_section_1_4_a_long_prompt_of_sonnet_4_costs_double(pricer: Pricer) -> None:
    at = datetime(2025, 9, 1, tzinfo=UTC)
    counts = {"input_tokens": 200_001, "output_tokens": 1_000}
    expected = 200_001 * Decimal("6e-6") + 1_000 * Decimal("22.5e-6")
    assert _cost(pricer, "anthropic", "claude-sonnet-4-20250514", started_at=at, **counts) == expected


def test_section_1_4_a_batch_of_gpt_5_in_january_has_the_price_of_a_batch(pricer: Pricer) -> None:
    row = _row(
        pricer,
        "openai",
        "gpt-5",
        started_at=datetime(2026, 1, 15, tzinfo=UTC),
        input_tokens=1_000_000,
        service_tier="batch",
    )
    assert (row["billed_cost"], row["price_context"]) == (Decimal("0.625"), "processing=batch")


@pytest.mark.parametrize("counts", [{"input_characters": 100_000}, {"input_audio_ns": _MINUTE}], ids=str)
def test_section_1_4_usage_in_a_unit_without_a_price_is_not_free(
    pricer: Pricer, counts: dict[str, int]
) -> None:
    row = _row(pricer, "openai", "gpt-4o", **counts)
    (used,) = counts
    assert (row["billed_cost"], row["unpriced_reason"]) == (None, "unpriced_units")
    assert row["unpriced_units"] == used.removesuffix("_ns")


def _told(prices: str) -> list[Decimal]:
    """What a thousand tokens of each kind cost."""
    return [Decimal(each) / 1_000 for each in prices.split("/")]


def _costs(pricer: Pricer, provider: str, model: str, prices: str) -> list[Decimal]:
    return [
        _cost(pricer, provider, model, **counts) for counts, _ in zip(_KINDS, prices.split("/"), strict=False)
    ]


def _cost(pricer: Pricer, provider: str, model: str, **told: Any) -> Decimal:  # noqa: ANN401
    row = _row(pricer, provider, model, **told)
    assert row["unpriced_reason"] == "", row
    cost: Decimal = row["billed_cost"]
    return cost


def _row(pricer: Pricer, provider: str, model: str, **told: Any) -> Row:  # noqa: ANN401
    call = {**model_calls.CALL, "started_at": _AT, "provider": provider, "response_model": model, **told}
    row: Row = price(pa.Table.from_pylist([call], schema=OBSERVATIONS), pricer).to_pylist()[0]
    return row
