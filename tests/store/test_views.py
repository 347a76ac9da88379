"""The views for people: what they show is right whatever is asked, and their columns are as promised."""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.sealing import seal
from otel_usage.store import Store
from otel_usage.store.client import connect, parse
from tests.store import recipe_rows
from tests.store.recipe_rows import CALLS, DUPLICATES, EARLIER, REFUSED
from tests.store.rows import NOON, usage
from tools import views

_ROOT: Final = Path(__file__).parents[2]
_MINUTE: Final = 60 * 10**9
_DAY: Final = 24 * 60 * _MINUTE
_KEYS: Final = (
    "tenant, day, context, usage_type, provider, model_id, usage_status, attribution, unpriced_reason, "
    "currency"
)
_LACKING: Final = ("unpriced_calls", "missing_calls", "estimated_calls")
_UNTOLD: Final = {"input_tokens": None, "output_tokens": None}
_NOVEMBER: Final = (datetime(2025, 11, 1), datetime(2025, 12, 1))  # noqa: DTZ001 (as the client gives it)
_MANDATORY: Final = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart"),
    *("ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit"),
    *("ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
)
"""The columns that FOCUS 1.2 wants with a value in each row that is usage."""
_ALLOWED: Final = {
    "ChargeCategory": "Usage",
    "ChargeClass": None,
    "ChargeFrequency": "Usage-Based",
    "PricingCategory": "Standard",
    "ServiceCategory": "AI and Machine Learning",
    "ServiceSubcategory": "Generative AI",
    "BillingCurrency": "USD",
}
_HALF_PAST: Final = "toDateTime64('2025-11-23 12:30:00', 9, 'UTC')"


def _ask(client: Client, source: str, columns: str = "*") -> Sequence[Mapping[str, Any]]:
    return list(client.query(f"SELECT {columns} FROM {source}").named_results())  # noqa: S608 (ours)


def _run(function: Callable[..., Awaitable[Any]], *arguments: object) -> Any:  # noqa: ANN401
    """Its answer, from a thread of its own: that of the tests has a loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, function, *arguments).result()


async def _seal(store: Store) -> int:
    """How many days were sealed."""
    return sum([len(month.days) async for month in seal(store, 0)])


def test_columns_and_types_are_those_that_were_promised(chdb_client: Client, template: object) -> None:  # noqa: ARG001
    """Do not change a line of the file: people's dashboards have these names. Lines may be added."""
    promised = (_ROOT / "tests" / "golden" / "views.tsv").read_text().splitlines()
    found = [
        f"{view.name}\t{column.name}\t{column.type}"
        for view in views.read(chdb_client, "template")
        for column in view.columns
    ]
    assert found == promised


def test_the_reference_is_what_the_engine_says(chdb_client: Client, template: object) -> None:  # noqa: ARG001
    page = (_ROOT / "docs" / "reference" / "views.md").read_text()
    assert page == views.page(views.read(chdb_client, "template")), "Run: python -m tools.views"


def test_every_view_and_column_says_what_it_is(chdb_client: Client, template: object) -> None:  # noqa: ARG001
    for view in views.read(chdb_client, "template"):
        assert view.comment
        assert [column.name for column in view.columns if not column.comment] == []


@pytest.fixture
def corrected(any_store: Store, any_client: Client) -> Client:
    """A call of 12:45 in its first version; its newer one, in another part, started at 12:15."""
    any_client.command("SYSTEM STOP MERGES usage_rows")
    old = {"call": 1, "started_at": NOON + 45 * _MINUTE, "model_id": "old", "billed_cost": Decimal(1)}
    any_store.insert(usage({**old, "version": 1}))
    any_store.insert(usage({**old, "started_at": NOON + 15 * _MINUTE, "model_id": "new", "version": 2}))
    return any_client


def test_a_start_that_chooses_parts_would_show_what_is_not_so(corrected: Client) -> None:
    """The reason why the views have `started_at` as an expression, and `day` and `hour` beside it."""
    merging = "SETTINGS do_not_merge_across_partitions_select_final = 1"
    shown = _ask(corrected, f"usage_rows FINAL WHERE started_at >= {_HALF_PAST} {merging}", "model_id")
    assert shown == [{"model_id": "old"}]


@pytest.mark.parametrize("view", ["usage", "usage_observations"])
def test_no_condition_shows_a_version_that_was_replaced(corrected: Client, view: str) -> None:
    first = "(SELECT min(inserted_at) FROM usage_rows)"
    for condition in (
        f"started_at >= {_HALF_PAST}",
        f"tenant = 'default' AND started_at BETWEEN {_HALF_PAST} AND {_HALF_PAST} + INTERVAL 1 DAY",
        f"day = '2025-11-23' AND started_at >= {_HALF_PAST}",
        f"hour = toDateTime('2025-11-23 12:00:00', 'UTC') AND started_at >= {_HALF_PAST}",
        f"toStartOfMinute(started_at) > {_HALF_PAST}",
        "toDate(started_at) = '2025-11-23' AND toMinute(started_at) = 45",
        "model_id = 'old'",
        "account_id = 'acme' AND model_id != 'new'",
        f"inserted_at <= {first} AND version = 1",
        "version < 2",
    ):
        assert _ask(corrected, f"{view} WHERE {condition}") == [], condition
    shown = _ask(corrected, f"{view} WHERE day = '2025-11-23'", "model_id, day, hour, started_at")
    assert [{**line, "hour": str(line["hour"]), "started_at": str(line["started_at"])} for line in shown] == [
        {
            "model_id": "new",
            "day": date(2025, 11, 23),
            "hour": "2025-11-23 12:00:00",
            "started_at": "2025-11-23 12:15:00",
        }
    ]


@pytest.fixture
def migrated_client(migrated_dsn: str) -> Iterator[Client]:
    """A client that looks behind `store`."""
    with contextlib.closing(connect(parse(migrated_dsn), timeout=10)) as client:
        client.database = parse(migrated_dsn).database
        yield client


def test_what_is_asked_chooses_what_is_read(store: Store, migrated_client: Client) -> None:
    for number in range(5):
        store.insert(usage({"started_at": NOON + number * _DAY, "tenant": f"t{number % 3}"}))
    for asked, read in (
        ("usage WHERE day = '2025-11-24'", 1),
        ("usage WHERE hour >= toDateTime('2025-11-26 12:00:00', 'UTC')", 2),
        ("usage WHERE toStartOfMonth(day) = '2025-12-01'", 0),
        ("usage WHERE tenant = 't1'", 2),
        ("usage WHERE tenant = 't1' AND account_id = 'beta'", 0),
        ("usage_observations WHERE tenant = 't1' AND day <= '2025-11-24'", 1),
        ("usage_daily WHERE day = '2025-11-24'", 1),
        ("usage_by_account_daily WHERE tenant = 't1' AND account_id = 'acme' AND day < '2025-11-25'", 1),
        ("focus_usage WHERE ChargePeriodStart >= toDateTime('2025-11-26', 'UTC')", 2),
        ("focus_usage WHERE BillingPeriodStart = toDateTime('2025-12-01', 'UTC')", 0),
        ("usage WHERE started_at >= toDateTime64('2025-11-26 00:00:00', 9, 'UTC')", 5),  # chooses nothing
    ):
        sql = f"EXPLAIN indexes = 1 SELECT count() FROM {asked}"  # noqa: S608 (ours)
        plan = migrated_client.query(sql).result_columns[0]
        parts = re.search(r"ReadFromMergeTree \(\w+\.usage_rows\).*?Parts: (\d+)", "\n".join(plan), re.DOTALL)
        assert parts, plan
        assert int(parts[1]) == read, asked


@pytest.fixture(scope="module")
def fortnight(chdb_path: Path) -> Iterator[Client]:
    """A database with the calls of a fortnight. What it has is never changed by a test."""
    dsn = f"chdb://{chdb_path}?database=test_views"
    with contextlib.closing(connect(parse(dsn), timeout=10)) as client:
        with Store.open(Settings(dsn=dsn)) as store:
            _fill(store)
        client.database = "test_views"
        yield client
        client.command("DROP DATABASE test_views SYNC", use_database=False)


def _fill(store: Store) -> None:
    store.insert(recipe_rows.before())
    store.insert(recipe_rows.now())


def test_usage_is_the_billable_calls_as_they_are_now(fortnight: Client) -> None:
    shown = _ask(fortnight, "usage WHERE tenant = 'default' AND day BETWEEN '2025-11-10' AND '2025-11-23'")
    told = {line["call_id"]: line for line in shown}
    assert len(shown) == len(told) == len(CALLS)
    for row in CALLS:
        line = told[row["call"].to_bytes(16, "big").hex()]
        same = ("account_id", "model_id", "billed_cost", "input_tokens", "unpriced_reason", "usage_status")
        assert [line[name] for name in same] == [row[name] for name in same]
        assert (line["trace_id"], line["span_id"]) == (row["trace_id"].hex(), "")


def test_observations_are_all_there_is(fortnight: Client) -> None:
    shown = _ask(fortnight, "usage_observations WHERE tenant = 'default'")
    assert Counter((line["role"], line["unpriced_reason"] == "call_failed") for line in shown) == {
        ("inference", False): len(CALLS) + 2,
        ("inference", True): len([REFUSED]),
        ("duplicate", False): len(DUPLICATES),
        ("rollup", False): 1,
    }
    assert {line["duplicate_of"] for line in shown} == {"", bytes(16).hex()}


def test_sums_are_those_of_the_calls_to_the_last_digit_whether_days_are_sealed_or_not(
    store: Store, migrated_client: Client
) -> None:
    _fill(store)
    costs = "sum(billed_cost) AS billed, sum(list_cost) AS listed"
    told = f"{_KEYS}, sum({{0}}) AS number, sum(reasoning_tokens) AS reasoned, {costs}"
    by_day, by_account = (
        f"{{0}} GROUP BY {keys} ORDER BY {keys}" for keys in (_KEYS, f"account_id, {_KEYS}")
    )
    of_days = _ask(migrated_client, by_day.format("usage"), told.format(1))
    of_accounts = _ask(migrated_client, by_account.format("usage"), "account_id, " + told.format(1))
    (all_costs,) = _ask(migrated_client, "usage", costs)
    assert all_costs["billed"] == sum(
        row["billed_cost"] or 0 for row in [*CALLS, EARLIER, CALLS[0], CALLS[0]]
    )
    in_focus = [all_costs["billed"]] * 3 + [all_costs["listed"]]
    for sealed in (0, 15):
        assert _ask(migrated_client, "usage_days", "sum(is_sealed) AS days") == [{"days": sealed}]
        assert _ask(migrated_client, by_day.format("usage_daily"), told.format("calls")) == of_days
        accounts = by_account.format("usage_by_account_daily")
        assert _ask(migrated_client, accounts, "account_id, " + told.format("calls")) == of_accounts
        focus = "sum(BilledCost), sum(EffectiveCost), sum(ContractedCost), sum(ListCost)"
        assert list(_ask(migrated_client, "focus_usage", focus)[0].values()) == in_focus
        if not sealed:
            _run(_seal, store)


def test_a_sum_of_a_day_says_what_it_lacks(fortnight: Client) -> None:
    for view in ("usage_daily", "usage_by_account_daily"):
        shown = _ask(fortnight, f"{view} WHERE tenant = 'default'")
        assert {(line["unpriced_reason"] == "", line["billed_cost"] is not None) for line in shown} == {
            (True, True),
            (False, False),
        }
        assert [line for line in shown if line["complete"] != (line["unpriced_reason"] == "")] == []
        reasons = Counter(row["unpriced_reason"] for row in CALLS)
        assert {name: sum(line[name] for line in shown) for name in _LACKING} == {
            "unpriced_calls": reasons["unknown_model"],
            "missing_calls": reasons["usage_missing"],
            "estimated_calls": reasons["estimated_usage"],
        }


def test_focus_has_no_call_without_a_cost(fortnight: Client) -> None:
    lines = _ask(fortnight, "focus_usage WHERE BillingAccountId = 'default'")
    assert {line["x_ModelId"] for line in lines} == {"gpt-4o", "o3"}
    priced = [row for row in [*CALLS, EARLIER, EARLIER] if row["billed_cost"] is not None]
    assert sum(line["x_Calls"] for line in lines) == len(priced)
    assert sum(line["ConsumedQuantity"] for line in lines) == sum(
        row["input_tokens"] + row["output_tokens"] for row in priced
    )


def test_focus_has_the_columns_and_values_that_the_specification_wants(
    store: Store, migrated_client: Client
) -> None:
    store.insert(
        usage(
            {"account_id": "", "context": "system", "provider": ""},
            {"usage_type": "audio_stt", **_UNTOLD, "input_audio_ns": 90 * 10**9 + 1},
            {"usage_type": "audio_tts", **_UNTOLD, "input_characters": 70, "output_audio_ns": 1},
            {"usage_type": "image", **_UNTOLD, "output_images": 3, "list_cost": None},
            {"usage_type": "rerank", **_UNTOLD, "rerank_searches": 4, "provider": "cohere"},
            {"usage_type": "other", **_UNTOLD},
        )
    )
    lines = _ask(migrated_client, "focus_usage")
    for line in lines:
        assert [name for name in _MANDATORY if line[name] is None or line[name] == ""] == []
        assert _ALLOWED.items() <= line.items()
        assert json.loads(line["Tags"])["context"] == line["x_Context"]
        assert line["ChargePeriodEnd"] - line["ChargePeriodStart"] == timedelta(1)
        assert (line["BillingPeriodStart"], line["BillingPeriodEnd"]) == _NOVEMBER
        assert line["ListCost"] == line["BilledCost"] == Decimal("0.0085")
        assert (line["SubAccountId"] is None) == (line["SubAccountType"] is None)
    assert {(line["SkuMeter"], line["ConsumedQuantity"], line["ConsumedUnit"]) for line in lines} == {
        ("text", 2000, "Tokens"),
        ("audio_stt", Decimal("90.000000001"), "Seconds"),
        ("audio_tts", 70, "Characters"),
        ("image", 3, "Images"),
        ("rerank", 4, "Searches"),
        ("other", 1, "Requests"),
    }
    assert {(line["SubAccountId"], line["ProviderName"]) for line in lines} == {
        (None, "Unknown"),
        ("acme", "openai"),
        ("acme", "cohere"),
    }


def test_the_list_cost_of_a_call_that_only_a_rule_has_a_price_for_is_what_is_billed(
    store: Store, migrated_client: Client
) -> None:
    ruled = {"list_cost": None, "billed_cost": Decimal("0.5")}
    unpriced = {"list_cost": None, "billed_cost": None, "unpriced_reason": "unknown_model"}
    store.insert(usage({}, {"billed_cost": Decimal("0.01")}, ruled, ruled, unpriced))
    costs = {"BilledCost": Decimal("1.0185"), "ListCost": Decimal("1.017")}
    assert _ask(migrated_client, "focus_usage", "BilledCost, ListCost") == [costs]
    _run(_seal, store)
    assert _ask(migrated_client, "usage_days", "sum(is_sealed) AS days") == [{"days": 1}]
    assert _ask(migrated_client, "focus_usage", "BilledCost, ListCost") == [costs]


def test_no_column_of_focus_that_is_mandatory_is_missing(chdb_client: Client, template: object) -> None:  # noqa: ARG001
    (focus,) = (view for view in views.read(chdb_client, "template") if view.name == "focus_usage")
    types = {column.name: column.type for column in focus.columns}
    assert {*_MANDATORY, "ChargeClass"} - types.keys() == set()
    assert [name for name in _MANDATORY if "Nullable" in types[name]] == []
