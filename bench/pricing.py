"""Pricing alone: `price` of a batch of calls of many models, as a ratio to `calc_price` of each of them.

Warm is a pricer that has seen such calls, as one that serves has; cold is a new one, with a book just loaded.
Unknown are calls each of another model that no price source has: whoever sends may make names up.
"""

import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
from genai_prices import Usage, calc_price

from bench import machine
from bench.report import Budget, table
from otel_usage.model import OBSERVATIONS
from otel_usage.pricing import PriceBook, Pricer, price

WARM: Final = 0.05
UNKNOWN: Final = 1.0

_ROWS: Final = 10_000
_UNKNOWN: Final = 2_000
_MODELS: Final = {
    "openai": "gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-5 gpt-5-mini gpt-5-nano gpt-5.1 "
    "gpt-5.2 gpt-5.4 gpt-5.4-mini gpt-5.5 gpt-6-sol gpt-6-luna o1 o4-mini gpt-realtime gpt-4-turbo "
    "text-embedding-3-small",
    "anthropic": "claude-sonnet-4-5 claude-haiku-4-5 claude-opus-4-5 claude-opus-4-6 claude-opus-4-8 "
    "claude-opus-5 claude-opus-5-5 claude-sonnet-5 claude-sonnet-5-5 claude-haiku-5-5",
    "google": "gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-3.5-flash gemini-3.8-flash",
    "mistral": "mistral-small-latest mistral-medium-latest mistral-large-2411 mistral-embed",
    "deepseek": "deepseek-v4-pro deepseek-v4-flash",
    "groq": "llama-3.3-70b-versatile llama-3.1-8b-instant openai/gpt-oss-120b",
    "x-ai": "grok-4-0709 grok-4.7",
    "cohere": "command-a-03-2025 command-r-plus-08-2024",
    "moonshotai": "kimi-k3",
    "perplexity": "sonar",
}
"""Fifty, by provider."""
_CALL: Final = {field.name: "" for field in OBSERVATIONS if not field.nullable} | {
    "request": 0,
    "call_id": bytes(16),
    "version": 1,
    "is_deleted": 0,
    "trace_id": bytes(16),
    "span_id": bytes(8),
    "parent_span_id": bytes(8),
    "duration_ns": 1,
    "role": "inference",
    "usage_status": "reported",
}
_UNITS: Final = {
    **{name: name for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")},
    "reasoning_tokens": "output_reasoning_tokens",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call as both are told it."""

    provider: str
    model: str
    at: datetime
    tier: str
    counts: dict[str, int]

    @property
    def row(self) -> dict[str, Any]:
        """The observation."""
        about = {"provider": self.provider, "response_model": self.model, "service_tier": self.tier}
        return {**_CALL, **about, "started_at": self.at, **self.counts}

    def dollars(self) -> Decimal:
        """What genai-prices says, as one who calls it for each call would ask."""
        return calc_price(
            Usage(**{_UNITS[name]: count for name, count in self.counts.items()}),
            self.model,
            provider_id=self.provider,
            genai_request_timestamp=self.at,
            price_context={"service_tier": self.tier} if self.tier else None,
        ).total_price

    def is_known(self) -> bool:
        """Whether genai-prices has a price for it."""
        try:
            self.dollars()
        except LookupError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of CPU per call."""

    theirs: float
    warm: float
    cold: float
    theirs_unknown: float
    unknown: float


def run(*, rounds: int) -> list[Budget]:
    """Measures, prints, and returns the budget."""
    costs = measure(calls(_ROWS, seed=1), rounds)
    table(
        f"pricing: µs per call, and as a share of calc_price; {_ROWS:,} calls of {_models()} models",
        ["calc_price", "price, warm", "price, cold"],
        [
            [
                f"{costs.theirs:.2f}",
                *(f"{each:.2f} ({each / costs.theirs:.3f})" for each in (costs.warm, costs.cold)),
            ]
        ],
    )
    table(
        f"calls of models that no source has: µs per call, and as a share of calc_price; {_UNKNOWN:,} names",
        ["calc_price", "price, cold"],
        [
            [
                f"{costs.theirs_unknown:.2f}",
                f"{costs.unknown:.2f} ({costs.unknown / costs.theirs_unknown:.3f})",
            ]
        ],
    )
    return [
        Budget("pricing of a call, of calc_price", costs.warm / costs.theirs, WARM),
        Budget(
            "pricing of a call of an unknown model, of calc_price",
            costs.unknown / costs.theirs_unknown,
            UNKNOWN,
        ),
    ]


def measure(told: Sequence[Call], rounds: int) -> Costs:
    """Both on the same calls, in turn; the best of each. They must come to the same."""
    observations = pa.Table.from_pylist([call.row for call in told], schema=OBSERVATIONS)
    book = PriceBook.bundled()
    warm = Pricer(book)
    ours = price(observations, warm)["billed_cost"].to_pylist()
    assert ours == [call.dollars() for call in told]
    unknown = [replace(call, model=f"my-{number:06}-model") for number, call in enumerate(told[:_UNKNOWN])]
    of_nothing = pa.Table.from_pylist([call.row for call in unknown], schema=OBSERVATIONS)
    stages: dict[str, Callable[[], object]] = {
        "theirs": lambda: [call.dollars() for call in told],
        "warm": lambda: price(observations, warm),
        "cold": lambda: price(observations, Pricer(book)),
        "theirs_unknown": lambda: [call.is_known() for call in unknown],
        "unknown": lambda: price(of_nothing, Pricer(book)),
    }
    best = dict.fromkeys(stages, float("inf"))
    gc.collect()
    gc.freeze()
    with machine.on_core(machine.cores()[0]):
        for _ in range(rounds):
            for name, stage in stages.items():
                best[name] = min(best[name], _cpu_seconds(stage))
    calls_of = {name: len(unknown if "unknown" in name else told) for name in stages}
    return Costs(**{name: seconds * 1e6 / calls_of[name] for name, seconds in best.items()})


def calls(number: int, *, seed: int) -> Sequence[Call]:
    """Calls of November 2026, of all the models: most with a cache, some that think, some in another tier."""
    rng = random.Random(seed)
    models = [(provider, model) for provider, names in _MODELS.items() for model in names.split()]
    return [_call(rng, *models[each % len(models)]) for each in range(number)]


def _call(rng: random.Random, provider: str, model: str) -> Call:
    inputs = rng.choice([rng.randrange(50, 20_000)] * 9 + [rng.randrange(200_000, 400_000)])
    counts = {"input_tokens": inputs}
    if "embed" not in model:
        counts["output_tokens"] = made = rng.randrange(1, 4_000)
        counts["cache_read_tokens"] = read = rng.randrange(inputs)
        if provider == "anthropic":
            counts["cache_write_tokens"] = rng.randrange(inputs - read)
        if rng.random() < 0.3:
            counts["reasoning_tokens"] = rng.randrange(made)
    started = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(milliseconds=rng.randrange(20 * 86_400_000))
    tier = rng.choice(["", "default", "flex"]) if model in {"gpt-5", "gpt-5.5"} else ""
    return Call(provider, model, started, tier, counts)


def _models() -> int:
    return sum(len(names.split()) for names in _MODELS.values())


def _cpu_seconds(stage: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    result = stage()
    seconds = time.process_time() - started
    del result
    return seconds
