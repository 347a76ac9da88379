"""Sums of money: the lines of a receipt are its cost, and rows, accounts and days are the total, exactly."""

import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, localcontext
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.config import Settings
from otel_usage.model import OBSERVATIONS, QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.pricing import PriceBook, Pricer, price, rate
from otel_usage.pricing.rules import Kind, Rule, Rules
from tests import model_calls, strategies
from tests.api.conftest import Api, serving

_COUNTS: Final = (*TOKEN_COLUMNS, *QUANTITY_COLUMNS)
_TENANT: Final = "default"
_FROM: Final = datetime(2026, 11, 20, tzinfo=UTC)
_DAYS: Final = 4
_ACCOUNTS: Final = ("list", "times", "own", "free", "reported")
_COSTS: Final = (("list_cost", "unit_prices"), ("billed_cost", "billed_unit_prices"))
_EXACT: Final = Context(prec=80)
"""More digits than any sum of money has."""

Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


@pytest.fixture
async def api(book: PriceBook, migrated_dsn: str) -> AsyncIterator[Api]:
    pricer = Pricer(book, _rules(random.Random(7)))
    async with serving(pricer, Settings(dsn=migrated_dsn)) as running:
        yield running


@strategies.examples(12)
@given(seed=st.integers(0, 2**32))
def test_the_lines_of_a_receipt_add_up_to_the_cost_of_every_row(book: PriceBook, seed: int) -> None:
    rng = random.Random(seed)
    rows = price(_calls(rng, 500), Pricer(book, _rules(rng))).to_pylist()
    for row in rows:
        for cost, prices in _COSTS:
            if row[cost] is None or row[prices] == "{}":  # unknown, or what the emitter reports
                assert (row[cost] is None) == (row[prices] == ""), row
                continue
            assert _sum(line.amount for line in _lines(row, prices)) == row[cost], (row, _lines(row, prices))
    assert sum(row["billed_cost"] is not None for row in rows) > len(rows) / 2


@strategies.examples(4)
@given(seed=st.integers(0, 2**32))
def test_no_line_of_a_list_price_is_negative(book: PriceBook, seed: int) -> None:
    rows = price(_calls(random.Random(seed), 1_000), Pricer(book)).to_pylist()
    lines = [line for row in rows if row["list_cost"] is not None for line in _lines(row, "unit_prices")]
    assert all(line.quantity > 0 and line.price >= 0 for line in lines)
    assert len(lines) > len(rows)


@pytest.mark.anyio
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_rows_components_accounts_models_and_days_add_up_to_the_summary(
    api: Api, chdb_client: Client, database: str, seed: int
) -> None:
    priced = price(_calls(random.Random(seed), 900), api.ingest.pricer)
    api.store.insert(priced)
    rows = [*chdb_client.query(f"SELECT * FROM {database}.usage_rows FINAL").named_results()]  # noqa: S608 (ours)
    assert len(rows) == 900
    total = await _summary(api)
    billed, listed = total["totalCostUsd"], total["totalListCostUsd"]
    assert billed > 1
    assert billed == _known(priced.to_pylist(), "billed_cost") == _known(rows, "billed_cost")
    assert listed == _known(rows, "list_cost")
    assert billed == _sum(amount for row in rows for amount in _components(row, *_COSTS[1]))
    assert listed == _sum(amount for row in rows for amount in _components(row, *_COSTS[0]))
    asked = (await _get(api, limit=1_000))["usageRecords"]
    assert billed == _sum(each["estimatedCostUsd"] for each in asked if each["estimatedCostUsd"] is not None)
    accounts = [await _summary(api, accountId=account) for account in _ACCOUNTS]
    unattributed = total["unattributed"]["costUsd"]
    assert unattributed > 0
    assert billed == _sum(each["totalCostUsd"] for each in accounts) + unattributed
    days = [_FROM + timedelta(days=day) for day in range(_DAYS + 1)]
    spans = [{"from": start.isoformat(), "to": end.isoformat()} for start, end in pairwise(days)]
    by_day = [await _summary(api, **span) for span in spans]
    assert billed == _sum(each["totalCostUsd"] for each in by_day)
    assert listed == _sum(each["totalListCostUsd"] for each in by_day)
    assert all(0 < each["totalCostUsd"] < billed for each in by_day)
    assert billed == _sum(total["byContext"].values())
    assert billed == _sum(each["costUsd"] or Decimal(0) for each in total["byModel"].values())


@pytest.mark.anyio
async def test_the_lines_of_receipts_add_up_to_the_summary(api: Api) -> None:
    api.store.insert(price(_calls(random.Random(4), 60), api.ingest.pricer))
    receipts = [
        (await _get(api, f"/{each['id']}"))["receipt"]
        for each in (await _get(api, limit=1_000))["usageRecords"]
    ]
    total = await _summary(api)
    lines = [line["amount"] for each in receipts for line in each["lineItems"] or ()]
    assert len(receipts) > 30
    assert _sum(lines) == _sum(each["billedCost"] or Decimal(0) for each in receipts) == total["totalCostUsd"]


def _components(row: Row, cost: str, prices: str) -> Iterable[Decimal]:
    """What the parts of a stored row's usage cost, by its own unit prices."""
    if row[cost] is None or row["role"] != "inference":
        return []
    if row[prices] == "{}":  # as the emitter reports it
        return [row[cost]]
    return [line.amount for line in _lines(row, prices)]


def _lines(row: Row, prices: str) -> Sequence[rate.Line]:
    counts = {name: row[name] for name in _COUNTS if row[name] is not None}
    return rate.lines(counts, rate.from_text(row[prices]))


def _known(rows: Iterable[Row], cost: str) -> Decimal:
    return _sum(row[cost] for row in rows if row[cost] is not None)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    with localcontext(_EXACT):
        return sum(amounts, Decimal(0))


async def _summary(api: Api, **query: str) -> Any:  # noqa: ANN401
    return (await _get(api, summary="true", **query))["summary"]


async def _get(api: Api, path: str = "", **query: str | int) -> Any:  # noqa: ANN401
    response = await api.http.get(f"/v1/usage{path}", params=query)
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_float=Decimal, parse_int=Decimal)


def _rules(rng: random.Random) -> Rules:
    """A rule of each kind, for an account of its own; prices and the multiplier are made up."""
    keys = rng.sample(sorted(set(rate.price_keys()) - {"output_tokens"}), 6)
    own = {"input_mtok": "0.3", "output_mtok": "7.000000000001", "audio_hours": "0.37"}
    prices = {key: Decimal(value) for key, value in own.items()}
    prices |= {key: Decimal(rng.randrange(10**9)).scaleb(-7) for key in keys}
    return Rules.of(
        [
            _rule("times", kind=Kind.MULTIPLIER, multiplier=_number(rng)),
            _rule("own", kind=Kind.PRICES, prices=prices),
            _rule("free", kind=Kind.FREE),
            _rule("reported", kind=Kind.REPORTED),
        ]
    )


def _rule(account: str, **effect: Any) -> Rule:  # noqa: ANN401
    return Rule(rule_id=account, tenant=_TENANT, account_id=account, model="*", **effect)


def _number(rng: random.Random) -> Decimal:
    return Decimal(rng.randrange(1, 3 * 10**9)).scaleb(-rng.choice([6, 9, 12]))


def _calls(rng: random.Random, number: int) -> pa.Table:
    """Calls of all models, of four days, of accounts with rules and without; some of an unknown payer."""
    span = timedelta(days=_DAYS) // timedelta(microseconds=1)
    rows = []
    for each in range(number):
        named = rng.choice(model_calls.models())
        account = rng.choice([*_ACCOUNTS, ""])
        told = {
            "call_id": each.to_bytes(16, "big"),
            "tenant": _TENANT,
            "account_id": account,
            "attribution": "span" if account else "unattributed",
            "context": "customer" if account else "system",
            "started_at": _FROM + timedelta(microseconds=rng.randrange(span)),
            "provider": named.provider,
            "response_model": named.name,
            "service_tier": rng.choice(["", "", *model_calls.tiers(named.model)]),
            "role": rng.choice(["inference"] * 9 + ["rollup"]),
            "other_usage": rng.choice(["", '{"gen_ai.usage.cost":0.012345678901}']),
        }
        rows.append({**model_calls.CALL, **told, **model_calls.counts(rng, named.model)})
    return pa.Table.from_pylist(rows, schema=OBSERVATIONS)
