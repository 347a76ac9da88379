"""The recipes: each question is asked of the real engine, and answered by plain Python beside it."""

import contextlib
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.coverage import TOKEN_POINTS
from otel_usage.store import Store
from otel_usage.store.client import connect, parse
from tests.chdb_server import ChdbServer
from tests.store import recipe_rows
from tests.store.recipe_rows import CALLS, DUPLICATES, EARLIER, FROM, REFUSED, TO, Row
from tests.store.rows import usage

_ROOT: Final = Path(__file__).parents[2]
_RECIPES: Final = {path.stem: path for path in (_ROOT / "clickhouse" / "recipes").glob("*.sql")}
_DATABASE: Final = "test_recipes"
_SECOND: Final = 10**9
_MILLION: Final = 1_000_000
_ENDS: Final = ("first_call", "last_call")
_SERVERS: Final = [
    pytest.param(os.environ[name], marks=pytest.mark.clickhouse, id="server")
    for name in ["OTEL_USAGE_TEST_DSN"]
    if name in os.environ
]

Answer = Sequence[Mapping[str, Any]]
Ask = Callable[..., Answer]


def _fill(dsn: str) -> None:
    with Store.open(Settings(dsn=dsn)) as store:
        store.insert(recipe_rows.now())
        store.insert(recipe_rows.before())
        store.insert(_metered_calls())
        store.insert_points(_points())


@pytest.fixture(scope="module")
def filled(chdb_path: Path, chdb_client: Client) -> Iterator[str]:
    """The DSN of one database for all recipes. What it has is never changed by a test."""
    dsn = f"chdb://{chdb_path}?database={_DATABASE}"
    _fill(dsn)
    yield dsn
    chdb_client.command(f"DROP DATABASE {_DATABASE} SYNC", use_database=False)


@pytest.fixture(scope="module", params=["chdb", "http", *_SERVERS])
def client(request: pytest.FixtureRequest, filled: str, one_server: ChdbServer) -> Iterator[Client]:
    """A client of that database, on each engine in turn; on a server of one of its own."""
    one_server.recover()
    dsn = {"chdb": filled, "http": one_server.dsn(_DATABASE)}.get(request.param)
    if dsn is None:
        dsn = f"{request.param.rstrip('/')}/{_DATABASE}_{os.getpid()}"
        _fill(dsn)
    with contextlib.closing(connect(parse(dsn), timeout=10)) as client:
        client.database = parse(dsn).database
        yield client
        if client.database != _DATABASE:
            client.command(f"DROP DATABASE {client.database} SYNC", use_database=False)


@pytest.fixture
def ask(client: Client) -> Ask:
    """The answer to a recipe about the fortnight, by column."""

    def ask(name: str, **parameters: object) -> Answer:
        told = {"tenant": "default", "from": FROM, "to": TO, **parameters}
        return list(client.query(_RECIPES[name].read_text(), parameters=told).named_results())

    return ask


def _by(*names: str, rows: Sequence[Row] = CALLS) -> Mapping[tuple[Any, ...], Sequence[Row]]:
    groups: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(_day(row) if name == "day" else row[name] for name in names)].append(row)
    return groups


def _at(row: Row) -> datetime:
    return datetime.fromtimestamp(row["started_at"] // _SECOND, UTC)


def _utc(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)


def _day(row: Row) -> date:
    return _at(row).date()


def _sum(rows: Sequence[Row], name: str = "billed_cost") -> Any:  # noqa: ANN401
    """Of what is known; None if nothing is."""
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) if known else None


def _tokens(rows: Sequence[Row]) -> int:
    return (_sum(rows, "input_tokens") or 0) + (_sum(rows, "output_tokens") or 0)


def _only(answer: Answer, *names: str) -> Mapping[tuple[Any, ...], Mapping[str, Any]]:
    """The lines of an answer by these columns. No two have the same."""
    lines = {tuple(line[name] for name in names): line for line in answer}
    assert len(lines) == len(answer)
    return lines


def _without_cost(rows: Sequence[Row]) -> int:
    return len([row for row in rows if row["billed_cost"] is None])


def test_there_are_twenty_and_each_says_what_it_asks_who_asks_and_what_its_parameters_are() -> None:
    assert sorted(int(name[:2]) for name in _RECIPES) == list(range(1, 21))
    for path in _RECIPES.values():
        text = path.read_text()
        comment = "\n".join(line for line in text.splitlines() if line.startswith("--"))
        assert comment.splitlines()[0].endswith(("?", ".")), path
        assert "-- Asked by: " in comment, path
        for parameter in set(re.findall(r"\{(\w+):", text)):
            assert re.search(rf"^-- (?:.*[;,] )?{parameter}\b", comment, re.MULTILINE), (path, parameter)


def test_each_recipe_is_in_the_how_to_and_is_tested_here() -> None:
    how_to = (_ROOT / "docs" / "how-to" / "ask-clickhouse-and-grafana.md").read_text()
    here = Path(__file__).read_text()
    for name in _RECIPES:
        assert f"(../../clickhouse/recipes/{name}.sql)" in how_to
        assert f'ask("{name}"' in here


def test_no_recipe_reads_what_is_not_stable_but_points_and_days() -> None:
    read = {
        table for path in _RECIPES.values() for table in re.findall(r"(?:FROM|JOIN) (\w+)", path.read_text())
    }
    views = {"usage", "usage_observations", "usage_daily", "usage_by_account_daily"}
    assert read <= views | {"usage_days", "token_points"}


def test_spend_by_day(ask: Ask) -> None:
    assert ask("01_spend_by_day") == [
        {
            "day": day,
            "context": context,
            "currency": "USD",
            "calls": len(rows),
            "input_tokens": _sum(rows, "input_tokens"),
            "output_tokens": _sum(rows, "output_tokens"),
            "billed_cost": _sum(rows),
            "calls_without_cost": _without_cost(rows),
        }
        for (day, context), rows in sorted(_by("day", "context").items())
    ]


def test_days_are_whole_ones_that_the_time_touches(ask: Ask) -> None:
    noon = FROM + timedelta(days=3, hours=12)
    days = {line["day"] for line in ask("01_spend_by_day", **{"from": noon, "to": noon + timedelta(days=1)})}
    assert days == {noon.date(), noon.date() + timedelta(1)}
    midnight = FROM + timedelta(days=4)
    days = {line["day"] for line in ask("01_spend_by_day", **{"from": noon, "to": midnight})}
    assert days == {noon.date()}


def test_spend_by_account(ask: Ask) -> None:
    told = sorted(((_sum(rows), account) for (account,), rows in _by("account_id").items()), reverse=True)
    answer = ask("02_spend_by_account", limit=2)
    assert [(line["billed_cost"], line["account_id"]) for line in answer] == told[:2]
    assert [line["share"] for line in answer] == pytest.approx(
        [float(cost) / float(_sum(CALLS)) for cost, _ in told[:2]]
    )


def test_spend_by_model(ask: Ask) -> None:
    lines = _only(ask("03_spend_by_model"), "model_id")
    assert lines.keys() == _by("model_id").keys()
    o3 = _by("model_id")[("o3",)]
    assert lines[("o3",)]["billed_cost"] == _sum(o3)
    assert lines[("o3",)]["reasoning_share"] == _sum(o3, "reasoning_tokens") / _sum(o3, "output_tokens")
    priced = [row for row in o3 if row["billed_cost"] is not None]
    assert lines[("o3",)]["cost_per_million_tokens"] == pytest.approx(
        _sum(o3) * _MILLION / _tokens(priced), abs=Decimal("1e-17")
    )
    assert lines[("our-chat",)]["cost_per_million_tokens"] is None
    assert lines[("our-chat",)]["calls_without_cost"] == len(_by("model_id")[("our-chat",)])


def test_cost_per_transaction(ask: Ask) -> None:
    lines = _only(ask("04_cost_per_transaction"), "account_id")
    assert lines.keys() == {("acme",), ("beta",)}
    of_acme = _by("transaction_id", rows=_by("account_id")[("acme",)])
    complete = sorted(_sum(rows) for rows in of_acme.values() if not _without_cost(rows))
    line = lines[("acme",)]
    assert (line["transactions"], line["incomplete_transactions"]) == (
        len(of_acme),
        len(of_acme) - len(complete),
    )
    assert 1 < len(complete) < len(of_acme)
    assert line["highest_cost"] == complete[-1]
    assert line["mean_cost"] == pytest.approx(sum(complete) / len(complete), abs=Decimal("1e-17"))


@pytest.mark.parametrize("days", [0, 7])
def test_accounts_that_doubled(ask: Ask, days: int) -> None:
    to = TO - timedelta(days)
    expected = {}
    for (account,), rows in _by("account_id", rows=[*CALLS, EARLIER]).items():
        ages = [((to.date() - _day(row)).days, row) for row in rows]
        week = _sum([row for age, row in ages if 1 <= age <= 7])
        before = _sum([row for age, row in ages if 8 <= age <= 14])
        if week >= 2 * (before or 0):
            expected[account] = (week, before, week and before and float(week) / float(before))
    lines = _only(ask("05_accounts_that_doubled", to=to, least=Decimal("0.0001")), "account_id")
    assert {
        account: (line["this_week"], line["week_before"], line["times"]) for (account,), line in lines.items()
    } == expected
    assert len(expected) == (3 if days else 1)
    dear = ask("05_accounts_that_doubled", to=to, least=Decimal(10))
    assert dear == []


def test_month_end_forecast(ask: Ask) -> None:
    (line,) = ask("06_month_end_forecast")
    spent = _sum([*CALLS, EARLIER])
    mean = _sum([row for row in CALLS if _at(row) >= TO - timedelta(7)]) / 7
    assert (line["month"], line["spent"], line["days_left"]) == (date(2025, 11, 1), spent, 7)
    assert line["forecast"] == pytest.approx(spent + 7 * mean, abs=Decimal("1e-16"))


def test_failed_and_retried_calls(ask: Ask) -> None:
    rows = sorted([*CALLS, REFUSED], key=lambda row: (row["started_at"], row["call"]))
    expected: defaultdict[tuple[str, str], list[tuple[Row, Row | None]]] = defaultdict(list)
    for number, row in enumerate(rows):
        if row["error_type"]:
            same = ("trace_id", "service_name", "request_model")
            later = (each for each in rows[number + 1 :] if all(each[name] == row[name] for name in same))
            expected[row["error_type"], row["request_model"]].append((row, next(later, None)))
    lines = _only(ask("07_failed_and_retried_calls"), "error_type", "request_model")
    assert lines.keys() == expected.keys()
    for key, pairs in expected.items():
        retries = [retry for _, retry in pairs if retry]
        assert lines[key]["failed_calls"] == len(pairs)
        assert lines[key]["billed_cost"] == _sum([failed for failed, _ in pairs])
        assert (lines[key]["retried_calls"], lines[key]["retry_cost"]) == (len(retries), _sum(retries))
    assert lines["rate_limited", "gpt-4o"]["retried_calls"] == 1


def test_duplicates_that_were_not_billed(ask: Ask) -> None:
    lines = _only(ask("08_duplicates_that_were_not_billed"), "service_name")
    assert lines.keys() == _by("service_name", rows=DUPLICATES).keys()
    assert {line["cost_not_billed"] for line in lines.values()} == {CALLS[0]["billed_cost"]}
    assert {(line["duplicates"], line["calls"], line["tokens"]) for line in lines.values()} == {
        (1, 1, _tokens(CALLS[:1]))
    }


def test_cache_savings(ask: Ask) -> None:
    rows = [row for row in CALLS if row["model_id"] == "gpt-4o" and row["unit_prices"]]
    dearer = [row for row in rows if '"input_mtok":"3"' in row["unit_prices"]]
    cheaper = [row for row in rows if row not in dearer]
    reads = [_sum(some, "cache_read_tokens") for some in (cheaper, dearer)]
    writes = [_sum(some, "cache_write_tokens") for some in (cheaper, dearer)]
    saved = (Decimal("1.25") * reads[0] + Decimal("1.5") * reads[1]) / _MILLION
    paid = (Decimal("0.625") * writes[0] + Decimal("0.75") * writes[1]) / _MILLION
    line = _only(ask("09_cache_savings"), "model_id")[("gpt-4o",)]
    assert (line["saved_by_reads"], line["paid_for_writes"]) == (saved, paid)
    assert line["list_cost_without_cache"] == _sum(rows, "list_cost") + saved - paid
    assert line["hit_rate"] == sum(reads) / _sum(rows, "input_tokens")


def test_unpriced_calls(ask: Ask) -> None:
    rows = _by("unpriced_reason")[("unknown_model",)]
    (line,) = ask("10_unpriced_calls")
    assert (line["request_model"], line["calls"], line["tokens"]) == ("our-chat", len(rows), _tokens(rows))
    assert line["accounts"] == len(_by("account_id", rows=rows))
    assert _utc(line["first_call"]) == min(_at(row) for row in rows)


def test_usage_that_is_not_reported(ask: Ask) -> None:
    lines = _only(ask("11_usage_that_is_not_reported"), "scope_name", "service_name")
    groups = _by("scope_name", "service_name")
    assert lines.keys() == groups.keys()
    for key, rows in groups.items():
        states = [row["usage_status"] for row in rows]
        assert (lines[key]["calls"], lines[key]["missing_calls"], lines[key]["estimated_calls"]) == (
            len(rows),
            states.count("missing"),
            states.count("estimated"),
        )
    assert sum(line["unknown_share"] > 0 for line in lines.values()) > 0


def test_unattributed_spend(ask: Ask) -> None:
    groups = dict(_by("service_name", "scope_name"))
    for key, line in _only(ask("12_unattributed_spend"), "service_name", "scope_name").items():
        rows = [row for row in groups.pop(key) if row["attribution"] == "unattributed"]
        assert (line["unattributed_calls"], line["unattributed_cost"]) == (len(rows), _sum(rows))
    assert [row for rows in groups.values() for row in rows if row["attribution"] == "unattributed"] == []


def test_latency_and_speed(ask: Ask) -> None:
    lines = _only(ask("13_latency_and_speed"), "model_id")
    for key, some in _by("model_id").items():
        rows = [row for row in some if not row["error_type"]]
        times = sorted(row["duration_ns"] / 1e6 for row in rows)
        assert lines[key]["calls"] == len(rows)
        assert times[len(times) // 2 - 1] <= lines[key]["p50_ms"] <= times[len(times) // 2 + 1]
        assert lines[key]["p50_ms"] < lines[key]["p95_ms"] <= lines[key]["p99_ms"] <= times[-1]
        told = [row for row in rows if row["output_tokens"] is not None]
        speed = _sum(told, "output_tokens") / (_sum(told, "duration_ns") / 1e9)
        assert lines[key]["tokens_per_second"] == pytest.approx(speed)


def test_price_changes(ask: Ask) -> None:
    rows = [row for row in CALLS if row["billed_unit_prices"]]
    expected = {
        key: (
            len(some),
            len(_by("account_id", rows=some)),
            _sum(some),
            min(map(_at, some)),
            max(map(_at, some)),
        )
        for key, some in _by("model_id", "billed_unit_prices", rows=rows).items()
    }
    answer = _only(ask("14_price_changes"), "model_id", "billed_unit_prices")
    assert {
        key: (line["calls"], line["accounts"], line["billed_cost"], *(_utc(line[name]) for name in _ENDS))
        for key, line in answer.items()
    } == expected
    assert {line["effective_from"] for line in answer.values()} == {"", "2025-11-17"}
    # In the first days nothing changed.
    assert ask("14_price_changes", to=FROM + timedelta(5)) == []


def test_margin(ask: Ask) -> None:
    lines = _only(ask("15_margin"), "account_id")
    for key, rows in _by("account_id").items():
        billed, listed = _sum(rows), _sum(rows, "list_cost")
        assert (lines[key]["billed_cost"], lines[key]["margin"]) == (billed, billed - listed)
        assert lines[key]["calls_left_out"] == _without_cost(rows)
    assert lines[("beta",)]["margin_ratio"] == pytest.approx(0.2)


def test_late_telemetry(ask: Ask) -> None:
    lines = _only(ask("16_late_telemetry"), "service_name", "scope_name")
    groups = _by("service_name", "scope_name")
    assert lines.keys() == groups.keys()
    for key, rows in groups.items():
        latest = time.time() - min(row["started_at"] + row["duration_ns"] for row in rows) / _SECOND
        assert latest - 300 < lines[key]["latest_seconds"] <= latest
        assert lines[key]["after_the_day"] == lines[key]["calls"] == len(rows)
        assert lines[key]["cost_after_the_day"] == _sum(rows)


def test_hours_of_the_week(ask: Ask) -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    groups: defaultdict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in CALLS:
        local = _at(row).astimezone(zone)
        groups[local.isoweekday(), local.hour].append(row)
    lines = _only(ask("17_hours_of_the_week", timezone=str(zone)), "weekday", "local_hour")
    assert {key: (line["calls"], line["billed_cost"]) for key, line in lines.items()} == {
        key: (len(rows), _sum(rows)) for key, rows in groups.items()
    }


_NOW: Final = time.time_ns() // (3600 * _SECOND) * 3600 * _SECOND
"""Points of metrics are kept for a month: those of the fortnight would be gone."""


def _metered_calls() -> pa.Table:
    call = {"tenant": "metered", "service_name": "help-desk", "started_at": _NOW - 1800 * _SECOND}
    return usage({**call, "input_tokens": 1500}, {**call, "input_tokens": 400}, {**call, "service_name": "x"})


def _points() -> pa.Table:
    """A counter that grew by 2,000 within the hour before now, and by 700 before that."""
    counter = dict.fromkeys(TOKEN_POINTS.names, "") | {
        "tenant": "metered",
        "service_name": "help-desk",
        "metric": "tokens",
        "model": "gpt-4o",
        "token_type": "input",
        "temporality": "cumulative",
        "series": 1,
        "start_at": _NOW - 10**13,
    }
    told = ((4000, 700), (1800, 1700), (60, 2700))
    points = [{**counter, "at": _NOW - ago * _SECOND, "value": value} for ago, value in told]
    return pa.Table.from_pylist(points, schema=TOKEN_POINTS)


def test_metered_and_not_billed(ask: Ask) -> None:
    to = datetime.fromtimestamp(_NOW // _SECOND, UTC)
    told = {"tenant": "metered", "from": to - timedelta(hours=1), "to": to}
    (line,) = ask("18_metered_and_not_billed", **told)
    assert (line["service_name"], line["model"], line["token_type"]) == ("help-desk", "gpt-4o", "input")
    assert (line["metered"], line["billed"], line["missing"]) == (2000, 1900, 100)


def test_dearest_traces(ask: Ask) -> None:
    costs = sorted(
        ((_sum(rows), trace.hex()) for (trace,), rows in _by("trace_id").items()),
        key=lambda told: (-told[0], told[1]),
    )
    answer = ask("19_dearest_traces", limit=3)
    assert [(line["billed_cost"], line["trace_id"]) for line in answer] == costs[:3]
    rows = _by("trace_id")[(bytes.fromhex(answer[0]["trace_id"]),)]
    end = max(row["started_at"] + row["duration_ns"] for row in rows)
    start = min(row["started_at"] for row in rows)
    assert answer[0]["seconds"] == pytest.approx((end - start) / 1e9)
    assert answer[0]["accounts"] == sorted({row["account_id"] for row in rows})


def test_storage_by_day(ask: Ask) -> None:
    answer = ask("20_storage_by_day")
    assert {line["date"] for line in answer} == set(next(zip(*_by("day"), strict=True)))
    for line in answer:
        assert line["stored_versions"] >= len(_by("day")[(line["date"],)])
        assert line["bytes_per_version"] == line["stored_bytes"] / line["stored_versions"] > 0
        assert (line["is_sealed"], line["is_expired"]) == (0, 0)
