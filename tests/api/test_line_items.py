"""Line items: for every row there is, what they come to is its cost, to the last digit."""

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_usage.api.line_items import line_items
from otel_usage.model import OBSERVATIONS, QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.pricing import PriceBook, Pricer, price
from otel_usage.pricing.rules import Kind, Rule, Rules
from tests.store.rows import NOON

COUNTS: Final = (*TOKEN_COLUMNS, *QUANTITY_COLUMNS)
TIERS: Final = ("", "", "default", "flex", "priority", "batch", "fast")
RULES: Final = (
    Rule(rule_id="m", tenant="times", model="*", kind=Kind.MULTIPLIER, multiplier=Decimal("1.234567")),
    Rule(
        rule_id="p",
        tenant="own",
        model="*",
        kind=Kind.PRICES,
        prices={"input_mtok": Decimal("0.3"), "output_mtok": Decimal(7), "audio_hours": Decimal("0.37")},
    ),
    Rule(rule_id="f", tenant="free", model="*", kind=Kind.FREE),
    Rule(rule_id="r", tenant="reported", model="*", kind=Kind.REPORTED),
)


@pytest.fixture(scope="module")
def pricer() -> Pricer:
    return Pricer(PriceBook.bundled(), Rules.of(RULES))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_line_items_add_up_to_the_cost_exactly(pricer: Pricer, seed: int) -> None:
    priced = price(_observations(pricer.book, random.Random(seed), 1_000), pricer).to_pylist()
    known = 0
    for row in priced:
        counts = {name: row[name] for name in COUNTS}
        for cost, prices in ((row["billed_cost"], "billed_unit_prices"), (row["list_cost"], "unit_prices")):
            lines = line_items(counts, row[prices], cost)
            if cost is None:
                assert lines is None
            else:
                known += 1
                assert _sum(lines) == cost, (row, lines)
    assert known > len(priced) / 2


@pytest.mark.parametrize("per_second", [1, 3])
def test_audio_is_shown_in_seconds_at_the_price_of_an_hour(per_second: int) -> None:
    (line,) = (
        line_items({"input_audio_ns": 10**9 // per_second}, '{"audio_hours":"0.36"}', Decimal("0.0001")) or []
    )
    assert isinstance(line, Mapping)
    assert line["unit"] == "input_audio_seconds"
    assert line["quantity"] == Decimal(10**9 // per_second) / 10**9
    assert (line["price"], line["per"], line["unitPrice"]) == (Decimal("0.36"), 3600, None)


def test_a_cost_that_the_emitter_reports_is_one_line() -> None:
    (line,) = line_items({"input_tokens": 5}, "{}", Decimal("0.7")) or []
    assert line == {
        "unit": "reported",
        "quantity": 1,
        "price": Decimal("0.7"),
        "per": 1,
        "unitPrice": Decimal("0.7"),
        "amount": Decimal("0.7"),
    }


def test_an_unknown_cost_and_a_row_without_unit_prices_have_no_lines() -> None:
    assert line_items({"input_tokens": 5}, '{"input_mtok":"1"}', None) is None
    assert line_items({"input_tokens": 5}, "", Decimal(1)) is None


def test_a_part_with_a_price_of_its_own_is_not_in_the_line_of_its_whole() -> None:
    prices = '{"cache_read_mtok":"1.25","input_mtok":"2.5","output_mtok":"10"}'
    lines = line_items(
        {"input_tokens": 5000, "output_tokens": 1000, "cache_read_tokens": 2000}, prices, Decimal(1)
    )
    assert [
        (each["unit"], each["quantity"], each["amount"]) for each in lines or [] if isinstance(each, Mapping)
    ] == [
        ("input_tokens", 3000, Decimal("0.0075")),
        ("output_tokens", 1000, Decimal("0.01")),
        ("cache_read_tokens", 2000, Decimal("0.0025")),
    ]


def _sum(lines: Sequence[Any] | None) -> Decimal:
    assert lines is not None
    return sum((line["amount"] for line in lines), Decimal(0))


def _observations(book: PriceBook, rng: random.Random, rows: int) -> pa.Table:
    models = [
        (provider.id, model.id)
        for source in book.sources
        for provider in source.providers
        for model in provider.models
    ]
    texts = {field.name: "" for field in OBSERVATIONS if not field.nullable and field.name not in _ROW}
    told = []
    for number in range(rows):
        provider, model = rng.choice(models)
        counts = _counts(rng) if number % 4 else _measures(rng)
        told.append(
            {
                **texts,
                **_ROW,
                **counts,
                "tenant": rng.choice(["none", "times", "own", "free", "reported"]),
                "provider": provider,
                "response_model": model,
                "service_tier": rng.choice(TIERS),
                "started_at": NOON + rng.randrange(-300, 365) * 86_400 * 10**9,
                "other_usage": rng.choice(["", '{"gen_ai.usage.cost":0.012345678901}']),
            }
        )
    return pa.Table.from_pylist(told, schema=OBSERVATIONS)


def _counts(rng: random.Random) -> dict[str, int]:
    """Counts whose parts fit into their wholes."""
    top = rng.choice([10, 1_000, 250_000, 1_000_000_000])
    whole, made = rng.randrange(top), rng.randrange(top)
    read = rng.randrange(whole + 1)
    wrote = rng.randrange(whole - read + 1)
    counts = {"input_tokens": whole, "output_tokens": made, "cache_read_tokens": read}
    counts |= {"reasoning_tokens": rng.randrange(made + 1), "cache_write_tokens": wrote}
    if rng.random() < 0.5:
        counts["cache_write_1h_tokens"] = rng.randrange(wrote + 1)
        rest = whole - read - wrote
        counts["input_audio_tokens"] = rng.randrange(rest + 1)
        counts["output_audio_tokens"] = rng.randrange(made - counts["reasoning_tokens"] + 1)
        counts["web_searches"] = rng.randrange(4)
    return counts


def _measures(rng: random.Random) -> dict[str, int]:
    """What is used beside tokens, or in place of them."""
    counts = {"input_audio_ns": rng.randrange(10**13), "output_audio_ns": rng.randrange(10**12)}
    counts |= {"input_characters": rng.randrange(10**6), "rerank_searches": rng.randrange(9)}
    chosen = rng.sample(sorted(counts), rng.randrange(1, 4))
    return {name: counts[name] for name in chosen} | ({"input_tokens": 7} if rng.random() < 0.3 else {})


_ROW: Final[Mapping[str, Any]] = {
    "request": 0,
    "started_at": NOON,
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
