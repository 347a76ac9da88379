"""A process of its own whose chDB knows two clusters: of one shard, and of two. Each shard is itself.

It says what it saw, as JSON.

Run in a folder with CONFIG as config.xml, which chDB reads. ON CLUSTER takes a server and replicated tables
take a Keeper, so both are left out. Distributed tables, and the databases of all names, are as rendered.
"""

import asyncio
import contextlib
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from otel_usage.config import Settings
from otel_usage.erasure import Order, find
from otel_usage.expiry import expire
from otel_usage.model import Permanent
from otel_usage.sealing import seal
from otel_usage.store import Store, schema
from otel_usage.store.books import used_models
from otel_usage.store.client import Embedded, connect
from otel_usage.store.cluster import Cluster, cluster_of, rendered
from otel_usage.store.coverage import cover
from otel_usage.store.migrations import migrations, script
from otel_usage.store.queries import Statement, UsageFilter, find_record, list_usage
from otel_usage.store.receipts import find_versions
from otel_usage.store.rules import read_rules
from otel_usage.store.summary import summarize
from otel_usage.store.unpriced import unpriced_models
from otel_usage.store.unsettled import (
    Horizon,
    Unsettled,
    find_others,
    find_unsettled,
    read_claims,
    read_observations,
)
from tests.store.rows import NOON, usage

CONFIG = """\
<clickhouse>
  <tcp_port>9000</tcp_port>
  <remote_servers>
    <one><shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard></one>
    <two>
      <shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>
      <shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>
    </two>
  </remote_servers>
</clickhouse>
"""
_DAY_NS = 86_400 * 10**9
_REPLICATED = re.compile(r"Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?([^)]*)\)")


def make(client: Client, cluster: Cluster) -> None:
    for statement in [*cluster.create_databases(), *rendered(cluster, script(migrations()))]:
        client.command(_REPLICATED.sub(r"\1(\2)", statement.replace(f" {cluster.clause}", "")))


async def bill(dsn: str) -> list[str]:
    with Store.open(Settings(dsn=dsn)) as store:
        rows = usage(
            *(
                {"account_id": f"a{number % 7}", "started_at": NOON + number % 3 * _DAY_NS}
                for number in range(20)
            )
        )
        store.insert(rows)
        store.insert(rows)
        sums = await store.query(summarize(UsageFilter("default")))
    return [str(each) for each in sums]


async def upkeep(dsn: str) -> dict[str, object]:
    """What is sealed, and expires, of the shard that the DSN leads to; and what is told of an erasure."""
    now = datetime.fromtimestamp(NOON // 10**9, UTC) + timedelta(days=9)
    decide = Statement(
        "decide", "INSERT INTO retention SELECT 1, 'test', toDateTime64(0, 6)", {}, lambda *_: None
    )
    with Store.open(Settings(dsn=dsn)) as store:
        before = await store.query(summarize(UsageFilter("default")))
        sealed = [day.number async for month in seal(store, 0) for day in month.days]
        with contextlib.closing(connect(Embedded(Path.cwd() / "data"), timeout=10)) as client:
            client.database = "many"
            client.command(decide.sql)
        expired = [
            (each.day, each.rows_are_gone) for _ in range(2) async for each in expire(store, now, linger=0)
        ]
        after = await store.query(summarize(UsageFilter("default")))
        try:
            await find(store, Order("default", "a1"))
        except Permanent as error:
            told = str(error)
    return {"sealed": sealed, "expired": expired, "same bill": before == after, "erasure": told}


def refusal(client: Client, target: Embedded, cluster: str) -> str:
    try:
        cluster_of(client, target.database, cluster)
    except Permanent as error:
        return str(error)
    return ""


def faults(client: Client, database: str) -> list[str]:
    """What the engine says of each statement of ours that it does not take from several shards."""
    calls = [Unsettled("call", "default", "00" * 16, NOON, NOON)]
    horizon = Horizon(horizon_ms=0, since_ms=0, due_from_ms=0, due_to_ms=1)
    asked: list[Statement[Any]] = [
        list_usage(UsageFilter("default"), 10),
        summarize(UsageFilter("default")),
        find_record("default", bytes(16), NOON, NOON + 1),
        find_versions("default", bytes(16)),
        find_others("x", 0),
        find_unsettled(horizon, "x", 10, 10),
        read_observations("default", calls),
        read_claims("default", calls),
        cover("default", NOON, NOON + 1),
        unpriced_models(UsageFilter("default")),
        used_models(0),
        read_rules(),
    ]
    client.database = database
    told = []
    for statement in asked:
        try:
            client.query(
                statement.sql,
                parameters=dict(statement.parameters),
                settings={"distributed_product_mode": "global"},
            )
        except ClickHouseError as error:
            told.append(f"{statement.name}: {error}")
    return told


def main() -> None:
    data = Path.cwd() / "data"
    many = Embedded(data, "many")
    with contextlib.closing(connect(many, timeout=10)) as client:
        make(
            client, Cluster("one", "many")
        )  # the current database has no tables: a name without its database is not found
        seen: dict[str, object] = {
            "differences": schema.check(client, many, views=True),
            "pending": [str(each) for each in schema.apply(client, many)],
            "bill of one node": asyncio.run(bill(f"chdb://{data}?database=single")),
            "bill of the cluster": asyncio.run(bill(f"chdb://{data}?database=many")),
            "rows of the shard": client.command("SELECT count() FROM many_local.usage_rows FINAL"),
            "sums": client.command(
                "SELECT count(), sum(calls), uniqExact(account_id) FROM many.account_sums"
            ),
            "upkeep": asyncio.run(upkeep(f"chdb://{data}?database=many")),
            "rows left": client.command("SELECT count() FROM many_local.usage_rows"),
            "other cluster": refusal(client, many, "two"),
            "same cluster": refusal(client, many, "one"),
            "one node": refusal(client, Embedded(data, "single"), "one"),
        }
        make(client, Cluster("two", "several"))
        seen["faults"] = faults(client, "several")
        for change in (
            "ALTER TABLE many_local.usage_rows DROP COLUMN price_tier",
            "CREATE OR REPLACE TABLE many.claims ENGINE = Distributed(one, many_local, claims, rand())",
            "CREATE OR REPLACE VIEW many_local.summed_days AS SELECT * FROM single.summed_days",
        ):
            client.command(change)
        seen["drift"] = schema.check(client, many, views=True)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
