"""The store alone: questions of the API as ratios to the same over all rows with FINAL, in one run.

The rows are made up by the engine: 90 days, 5,000 accounts of which few have most of the calls, 24 models.
Today is dirty, as it always is: rows of the last day came after it was sealed. Plain sums are the sums alone,
without looking which are valid.
"""

import random
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import pyarrow as pa

from bench.report import Budget, table
from otel_usage.api.paging import page
from otel_usage.config import Settings
from otel_usage.model import USAGE
from otel_usage.sealing import seal
from otel_usage.store import Store
from otel_usage.store.groups import Grouping, group_usage
from otel_usage.store.queries import Place, Statement, UsageFilter
from otel_usage.store.summary import summarize

DIRTY: Final = 0.1
"""Of FINAL: a summary of all, with today dirty."""
SMALL: Final = 0.05
"""Seconds: a summary of one small account."""
DEEP: Final = 1.5
"""Of the first page: a page deep in the list."""
BYTES: Final = 80
"""On disk, of a row."""
RATE: Final = 150_000
"""Rows a second through `Store.insert`."""
LOADED: Final = 5
"""Of idle: p95 under eight clients and a writer."""

_DAYS: Final = 90
_BEGIN: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
_END_NS: Final = (_BEGIN + _DAYS * 86_400) * 10**9
_STEP: Final = 500_000
_ANY: Final = UsageFilter("default")
_SMALL_ACCOUNT: Final = UsageFilter("default", account_id="acct-4990")
_CLIENTS: Final = 8

_FILL: Final = """\
INSERT INTO usage_rows (
    tenant, account_id, started_at, call_id, version, role, signal, trace_id, span_id, parent_span_id,
    response_id, duration_ns, context, attribution, usage_type, operation, provider, request_model,
    response_model, service_name, scope_name, scope_version, usage_status, usage_convention,
    convention_source, writer, input_tokens, output_tokens, cache_read_tokens, model_id, list_cost,
    billed_cost, currency, price_book, price_source, price_key, match_rule, unit_prices, billed_unit_prices)
WITH
    cityHash64(number) AS h, toUInt32(5000 * pow((cityHash64(number, 1) % 1000000) / 1e6, 2)) AS acc,
    toUInt8(24 * pow((cityHash64(number, 2) % 100000) / 1e5, 2)) AS m,
    toUInt64(200 + (cityHash64(number, 3) % 8000) * (cityHash64(number, 4) % 10) / 4) AS i,
    toUInt64(1 + cityHash64(number, 5) % 900) AS o,
    intDiv(number, 3) AS trace
SELECT
    'default', if(acc % 7 = 0, '', concat('acct-', toString(acc))),
    fromUnixTimestamp64Nano(toInt64({begin:UInt64} * 1000000000
        + intDiv(number * {days:UInt64} * 86400, {rows:UInt64}) * 1000000000 + h % 1000000000), 'UTC'),
    reinterpretAsFixedString(toUInt128(cityHash64(number, 6)) * 18446744073709551557 + cityHash64(number, 7)),
    4611686018427387904 + (h % 65536) * 65536, 'inference', 'span',
    reinterpretAsFixedString(toUInt128(cityHash64(trace, 8)) * 18446744073709551557 + cityHash64(trace, 9)),
    reinterpretAsFixedString(cityHash64(number, 10)), reinterpretAsFixedString(cityHash64(trace, 11)),
    if(h % 10 < 9, concat('chatcmpl-', base64Encode(concat(reinterpretAsFixedString(cityHash64(number, 12)),
        reinterpretAsFixedString(cityHash64(number, 13)), 'abcde'))), ''),
    300000000 + h % 9000000000, if(acc % 7 = 0, 'system', 'customer'),
    if(acc % 7 = 0, 'unattributed', 'span'), if(m = 7, 'embedding', 'text'), 'chat',
    ['openai', 'anthropic', 'gcp.gemini'][m % 3 + 1], concat('model-', toString(m)),
    concat('model-', toString(m), '-2026-01-01'), concat('svc-', toString(h % 12)),
    'opentelemetry.instrumentation.openai_v2', '2.1b0', 'reported', 'inclusive', 'emitter', 'w1', i, o,
    if(h % 3 = 0, toUInt64(i / 2), 0), concat('model-', toString(m)),
    toDecimal128(i * (m + 1), 18) / 10000000 + toDecimal128(o * (m + 1), 18) / 2000000 AS cost, cost,
    'USD', 'sha256:d8d13cea1e58', 'genai-prices', concat('openai/model-', toString(m)), 'exact',
    concat('{"input_mtok":"', toString(m), '"}'), concat('{"input_mtok":"', toString(m), '"}')
FROM numbers({first:UInt64}, {count:UInt64})"""
_SIZE: Final = "SELECT sum(stored_bytes) / sum(stored_versions), sum(stored_versions) FROM usage_days"
_FINAL: Final = "(SELECT *, toDate(started_at) AS day, toUInt64(1) AS calls FROM usage_rows FINAL)"
_PLAIN: Final = "(SELECT *, toDate(bucket) AS day FROM sealed_sums WHERE level = '{level}')"
_LEVELS: Final = {"day_sums": "day", "account_model_sums": "account_model", "quarter_sums": "quarter"}


@dataclass(frozen=True, slots=True)
class _Timed:
    """Seconds that a question took, sorted."""

    seconds: Sequence[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        return self.seconds[int(0.95 * (len(self.seconds) - 1))]


def run(rows: int, rounds: int, data: Path | None) -> Sequence[Budget]:
    """Fill a store with `rows` rows, or take the one in `data`; measure it, and print."""
    with tempfile.TemporaryDirectory(prefix="otel-usage-bench-") as folder:
        settings = Settings(dsn=f"chdb://{data or folder}", query_timeout=300, seal_memory_bytes=4 << 30)
        with Store.open(settings) as store:
            return anyio.run(_measure, store, rows, rounds)


async def _measure(store: Store, rows: int, rounds: int) -> Sequence[Budget]:
    await _fill(store, rows)
    ((size, stored),) = await _ask(store, _SIZE)
    dirty = await _questions(store, rounds)
    rate = _insert_rate(store)
    loaded = await _loaded(store, rounds)
    table(
        f"store: {int(stored):,} versions, {size:.0f} bytes each; {rate:,.0f} rows/s inserted",
        ["question", "p50 ms", "p95 ms", "of FINAL", "of plain sums"],
        [_line(name, *each) for name, each in dirty.items()],
    )
    all_, final = dirty["summary: all"][:2]
    first, deep = dirty["list: first page"][0], dirty["list: deep page"][0]
    assert final is not None
    return [
        Budget("summary of all, today dirty, of FINAL", all_.p50 / final.p50, DIRTY),
        Budget("summary of a small account, s", dirty["summary: one account"][0].p50, SMALL),
        Budget("deep page, of the first page", deep.p50 / first.p50, DEEP),
        Budget("bytes a row", size, BYTES),
        Budget("rows inserted a second", rate, RATE, at_least=True),
        Budget("p95 with 8 clients and a writer, of idle", loaded.p95 / all_.p95, LOADED),
    ]


async def _fill(store: Store, rows: int) -> None:
    ((stored,),) = await _ask(store, "SELECT count() FROM usage_rows")
    for first in range(int(stored), rows, _STEP):
        told = {
            "begin": _BEGIN,
            "days": _DAYS,
            "rows": rows,
            "first": first,
            "count": min(_STEP, rows - first),
        }
        await store.command(Statement("fill", _FILL, told, lambda *_: None))
    begun = time.monotonic()
    days = [day async for month in seal(store, 0) for day in month.days]
    print(f"sealed {len(days)} days in {time.monotonic() - begun:.1f} s")
    store.insert(_usage(1_000, _END_NS - 3_600 * 10**9, seed=1))  # today is dirty


async def _questions(store: Store, rounds: int) -> dict[str, tuple[_Timed, _Timed | None, _Timed | None]]:
    last_30 = UsageFilter("default", from_ns=_END_NS - 30 * 86_400 * 10**9, to_ns=_END_NS)
    asked: dict[str, Statement[Any]] = {
        "summary: all": summarize(_ANY),
        "summary: one account": summarize(_SMALL_ACCOUNT),
        "last 30 days by day": group_usage(last_30, Grouping((), "day")),
        "last 30 days by day of Kathmandu": group_usage(last_30, Grouping((), "day", "Asia/Kathmandu")),
        "by account": group_usage(_ANY, Grouping(("account",), limit=100)),
    }
    result: dict[str, tuple[_Timed, _Timed | None, _Timed | None]] = {}
    for name, statement in asked.items():
        times = [await _timed(store, each, rounds) for each in (statement, *_baselines(statement))]
        result[name] = (times[0], times[1], times[2])
    places = [None, await _deep(store)]
    for name, after in zip(("list: first page", "list: deep page"), places, strict=True):
        taken: list[float] = []
        for _ in range(rounds):
            begun = time.perf_counter()
            await page(store, _ANY, 101, after, _END_NS - 1)
            taken.append(time.perf_counter() - begun)
        result[name] = (_Timed(sorted(taken)), None, None)
    return result


def _baselines(statement: Statement[Any]) -> Sequence[Statement[Any]]:
    """The same question of all rows with FINAL, and of the sums alone."""
    final = plain = statement.sql
    for view, level in _LEVELS.items():
        final = final.replace(f"FROM {view} ", f"FROM {_FINAL} ")
        plain = plain.replace(f"FROM {view} ", f"FROM {_PLAIN.format(level=level)} ")
    quarter = "toStartOfInterval(started_at, INTERVAL 15 MINUTE, 'UTC') AS quarter"
    final = final.replace("toDate(started_at) AS day", f"toDate(started_at) AS day, {quarter}")
    plain = plain.replace("toDate(bucket) AS day", "toDate(bucket) AS day, bucket AS quarter")
    return [Statement("bench", sql, statement.parameters, statement.row) for sql in (final, plain)]


async def _timed(store: Store, statement: Statement[Any], rounds: int) -> _Timed:
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        await store.query(statement)
        times.append(time.perf_counter() - begun)
    return _Timed(sorted(times[1:]))  # the first one warms up


async def _deep(store: Store) -> Place:
    """Where a page is in the middle of the list."""
    middle = _END_NS - _DAYS // 2 * 86_400 * 10**9
    (row, *_) = await page(store, UsageFilter("default", to_ns=middle), 1, None, middle)
    return Place(row.started_at_ns, row.call_id)


def _insert_rate(store: Store) -> float:
    tables = [_usage(65_536, _END_NS - number * 3_600 * 10**9, seed=100 + number) for number in range(8)]
    begun = time.perf_counter()
    for each in tables:
        store.insert(each)
    return sum(map(len, tables)) / (time.perf_counter() - begun)


async def _loaded(store: Store, rounds: int) -> _Timed:
    """Summaries of all by eight clients at once, while rows come."""
    times: list[float] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            store.insert(_usage(2_000, _END_NS - 1_800 * 10**9, seed=1_000 + number))
            number += 1

    async def ask() -> None:
        for _ in range(rounds):
            begun = time.perf_counter()
            await store.query(summarize(_ANY))
            times.append(time.perf_counter() - begun)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        async with anyio.create_task_group() as clients:
            for _ in range(_CLIENTS):
                clients.start_soon(ask)
    finally:
        stop.set()
        writer.join()
    return _Timed(sorted(times))


def _usage(count: int, around_ns: int, seed: int) -> pa.Table:
    """Rows like those of the store, of one hour."""
    rng = random.Random(seed)
    columns = {}
    for field in USAGE:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.nullable:
            values: list[Any] = [None] * count
        elif pa.types.is_string(kind):
            values = [""] * count
        elif pa.types.is_fixed_size_binary(kind):
            values = [rng.randbytes(kind.byte_width) for _ in range(count)]
        else:
            values = [0] * count
        columns[field.name] = values
    columns["tenant"] = ["default"] * count
    columns["account_id"] = [f"acct-{rng.randrange(5_000)}" for _ in range(count)]
    columns["started_at"] = [around_ns + rng.randrange(1_800 * 10**9) for _ in range(count)]
    columns["version"] = [1] * count
    columns["role"] = ["inference"] * count
    columns["context"] = ["customer"] * count
    columns["model_id"] = [f"model-{rng.randrange(24)}" for _ in range(count)]
    columns["input_tokens"] = [rng.randrange(20_000) for _ in range(count)]
    columns["output_tokens"] = [rng.randrange(900) for _ in range(count)]
    return pa.table(columns, schema=USAGE)


async def _ask(store: Store, sql: str) -> Sequence[Any]:
    return await store.query(Statement("bench", sql, {}, lambda *row: row))


def _line(name: str, timed: _Timed, final: _Timed | None, plain: _Timed | None) -> Sequence[str]:
    return [
        name,
        f"{timed.p50 * 1_000:.0f}",
        f"{timed.p95 * 1_000:.0f}",
        "" if final is None else f"{timed.p50 / final.p50:.3f}",
        "" if plain is None else f"{timed.p50 / plain.p50:.2f}",
    ]
