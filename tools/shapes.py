"""Write what the migrations make, as the real engine tells it: `otel-usage schema check` compares with it.

`python -m tools.shapes`, after a migration was added; tests/store/test_shape.py fails if it is stale.
"""

import contextlib
import json
import tempfile
from pathlib import Path

from clickhouse_connect.driver.client import Client

from otel_usage.store import shape
from otel_usage.store.client import Embedded, connect
from otel_usage.store.migrations import ledger, migrations, statements

PATH = Path(shape.__file__).with_name("sql") / "shapes.json"


def recorded(client: Client, database: str) -> str:
    """The text of the file. `database` is made, and must not be there yet."""
    client.command(f"CREATE DATABASE {database} ENGINE = Atomic")
    client.database = database
    before: dict[str, shape.Shape] = {}
    result = {}
    for migration in migrations():
        for sql in (ledger(), migration.sql):
            for statement in statements(sql):
                client.command(statement)
        after = dict(shape.found(client, database))
        result[migration.number] = shape.changes(before, after)
        before = after
    return json.dumps(result, indent=1) + "\n"


def write() -> None:
    """Bring the file up to date."""
    with tempfile.TemporaryDirectory() as path:
        with contextlib.closing(connect(Embedded(Path(path)), timeout=60)) as client:
            text = recorded(client, "otel_usage")
        PATH.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
