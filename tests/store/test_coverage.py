"""Coverage: what counters counted, however they count, beside what was billed of the same."""

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pytest

from otel_usage.coverage import TOKEN_POINTS
from otel_usage.dialects.metrics import TOKEN_TYPES
from otel_usage.store import Store
from otel_usage.store.coverage import Coverage, cover
from tests.store.rows import NOON, usage

MINUTE: Final = 60 * 10**9
DAY: Final = 24 * 60 * MINUTE
NOW: Final = time.time_ns() // MINUTE * MINUTE
"""Points of metrics are kept for a month: a day of the past would be gone."""
YESTERDAY: Final = NOW - DAY


def test_the_coverage_as_it_is_asked_reads_whole_days_of_calls_and_an_hour_more_of_points() -> None:
    statement = cover("default", NOON, NOON + DAY)
    assert (
        "role = 'inference' AND unpriced_reason != 'call_failed' AND tenant = {tenant:String}"
        in statement.sql
    )
    assert statement.parameters == {
        "tenant": "default",
        "from_ns": NOON,
        "to_ns": NOON + DAY,
        "before_ns": NOON - 60 * MINUTE,
        "early_ns": NOON - 5 * MINUTE,
        "first_day_ns": NOON - 36 * 60 * MINUTE,
        "dated": "[-@]20[0-9]{2}-?[0-9]{2}-?[0-9]{2}$",
        "limit": 1000,
    }


def test_every_token_type_there_is_can_be_compared() -> None:
    sql = cover("default", 0, 1).sql
    assert ", ".join(f"'{name}'" for name in TOKEN_TYPES) in sql


@pytest.mark.anyio
async def test_coverage_is_what_was_metered_and_what_was_billed_of_it(any_store: Store) -> None:
    any_store.insert_points(_points({"value": 2000, "token_type": "input"}, {"value": 500, "series": 2}))
    any_store.insert(usage(_call(input_tokens=1500), _call(input_tokens=400, output_tokens=100)))
    assert await _coverage(any_store) == [
        Coverage("help-desk", "openai", "tokens", "gpt-4o", "input", 2000, 1900),
        Coverage("help-desk", "openai", "tokens", "gpt-4o", "output", 500, 600),
    ]
    ratios = [each.ratio for each in await _coverage(any_store)]
    assert ratios == [Decimal("0.95"), Decimal("1.2")]


@pytest.mark.anyio
async def test_an_export_that_is_repeated_is_metered_once(any_store: Store) -> None:
    for _ in range(3):
        any_store.insert_points(_points({"value": 500}))
    assert [each.metered for each in await _coverage(any_store)] == [500]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("values", "metered"),
    [
        ([10], 10),
        ([10, 20, 20, 30], 30),
        ([10, 20, 5, 15], 35),
        ([0, 0], 0),
        ([7, 0, 7], 14),
    ],
)
async def test_a_cumulative_counter_counts_by_what_it_grew(
    store: Store, values: list[int], metered: int
) -> None:
    points = [{"value": value, "at": NOW - (9 - number) * MINUTE} for number, value in enumerate(values)]
    store.insert_points(_points(*points[::-1]))
    assert sum(each.metered for each in await _coverage(store)) == metered


@pytest.mark.anyio
async def test_a_cumulative_counter_of_a_new_process_is_counted_from_its_start(store: Store) -> None:
    started = {"value": 40, "start_at": NOW - 5 * MINUTE}
    store.insert_points(_points({"value": 100, "at": NOW - 9 * MINUTE}, {"value": 110, "at": NOW}, started))
    assert [each.metered for each in await _coverage(store)] == [150]


@pytest.mark.anyio
@pytest.mark.parametrize("start_at", [0, YESTERDAY - 30 * DAY])
async def test_a_counter_from_before_is_counted_from_its_last_point_before(
    store: Store, start_at: int
) -> None:
    old = {"start_at": start_at}
    early = {**old, "value": 1000, "at": YESTERDAY - 30 * MINUTE}
    store.insert_points(_points({**old, "value": 1700, "at": NOW}))
    assert await _coverage(store) == []
    store.insert_points(_points({**old, "value": 1200, "at": YESTERDAY + MINUTE}))
    assert [each.metered for each in await _coverage(store)] == [500]
    store.insert_points(_points(early))
    assert [each.metered for each in await _coverage(store)] == [700]


@pytest.mark.anyio
async def test_delta_points_are_added_up(store: Store) -> None:
    deltas = [
        {"value": 5, "start_at": NOW - number * MINUTE, "at": NOW - (number - 1) * MINUTE}
        | {"temporality": "delta"}
        for number in range(1, 5)
    ]
    store.insert_points(_points(*deltas, {"value": 3, "temporality": "delta", "series": 9}))
    assert [each.metered for each in await _coverage(store)] == [23]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("token_type", "billed"),
    [
        ("input", 1500),
        ("uncached_input", 1000),
        ("cache_read", 300),
        ("cache_write", 200),
        ("output", 500),
        ("visible_output", 420),
        ("reasoning", 80),
    ],
)
async def test_each_token_type_is_compared_with_its_like(store: Store, token_type: str, billed: int) -> None:
    counts = {"cache_read_tokens": 300, "cache_write_tokens": 200, "reasoning_tokens": 80}
    store.insert(usage(_call(**counts)))
    store.insert_points(_points({"token_type": token_type}))
    assert [each.billed for each in await _coverage(store)] == [billed]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("call", "model", "billed"),
    [
        ({}, "gpt-4o-2024-08-06", 500),
        ({}, "", 500),
        ({}, "gpt-4", 0),
        ({"request_model": "azure", "model_id": "x", "response_model": ""}, "azure", 500),
        ({}, "gpt-4o-2024-05-13", 0),
        ({"response_model": ""}, "gpt-4o-2024-05-13", 500),
        ({"response_model": "gpt-4o"}, "gpt-4o-2024-05-13", 500),
        ({"response_model": "claude-sonnet-4-5"}, "claude-sonnet-4-5-20250929", 500),
        ({"response_model": "claude-sonnet-4-5"}, "claude-sonnet-4-5@20250929", 500),
        ({"response_model": "gpt-4o"}, "gpt-4o-mini", 0),
        ({"service_name": "other"}, "gpt-4o", 0),
        ({"tenant": "other"}, "gpt-4o", 0),
        ({"role": "rollup"}, "gpt-4o", 0),
        ({"role": "duplicate"}, "gpt-4o", 0),
        ({"output_tokens": None}, "gpt-4o", None),
        ({"started_at": YESTERDAY - 4 * MINUTE}, "gpt-4o", 500),
        ({"started_at": YESTERDAY - 6 * MINUTE}, "gpt-4o", 0),
        ({"started_at": YESTERDAY - 6 * MINUTE, "duration_ns": 5 * MINUTE}, "gpt-4o", 500),
        ({"started_at": NOW + MINUTE}, "gpt-4o", 0),
    ],
)
async def test_what_was_billed_is_of_the_same_tenant_service_model_and_time(
    store: Store, call: dict[str, Any], model: str, billed: int | None
) -> None:
    store.insert(usage(_call(**call)))
    store.insert_points(_points({"model": model, "value": 1000}))
    (coverage,) = await _coverage(store)
    assert coverage.billed == billed
    assert coverage.ratio == (None if billed is None else Decimal(billed) / 1000)


@pytest.mark.anyio
async def test_a_call_that_names_the_date_counts_before_those_that_name_none(store: Store) -> None:
    store.insert(usage(_call(output_tokens=7), _call(output_tokens=20, response_model="gpt-4o")))
    store.insert_points(_points({"model": "gpt-4o-2024-08-06"}))
    assert [each.billed for each in await _coverage(store)] == [7]


@pytest.mark.anyio
async def test_the_largest_gap_is_told_first_and_no_other_tenant_is_told_of_it(store: Store) -> None:
    values = [number % 7 + 1 for number in range(20)]
    gaps = [{"model": f"m{i}", "series": i, "value": value} for i, value in enumerate(values)]
    store.insert_points(_points(*gaps, {"tenant": "other", "value": 99}))
    assert [each.metered for each in await _coverage(store)] == sorted(values, reverse=True)
    assert [each.metered for each in await store.query(cover("other", YESTERDAY, NOW))] == [99]


async def _coverage(store: Store) -> Sequence[Coverage]:
    return await store.query(cover("default", YESTERDAY, NOW))


def _call(**told: Any) -> dict[str, Any]:  # noqa: ANN401 (a row's values)
    return {"started_at": NOW - 5 * MINUTE, "service_name": "help-desk", **told}


def _points(*told: dict[str, Any]) -> pa.Table:
    """TOKEN_POINTS, made by saying only what matters."""
    usual = {
        "tenant": "default",
        "service_name": "help-desk",
        "scope_name": "openai",
        "metric": "tokens",
        "model": "gpt-4o",
        "token_type": "output",
        "temporality": "cumulative",
        "series": 1,
        "start_at": NOW - 10 * MINUTE,
        "at": NOW - MINUTE,
        "value": 500,
    }
    return pa.Table.from_pylist([{**usual, **each} for each in told], schema=TOKEN_POINTS)
