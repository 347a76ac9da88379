"""A process of its own whose chDB has one user, with the row policies that are given. It says what it sees.

The policies come as JSON on standard input: the condition, by table. chDB cannot make users and roles, but
reads them from the configuration in its working directory.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from otel_usage.config import Settings
from otel_usage.store import Store
from otel_usage.store.client import Embedded, connect
from tests.store.rows import NOON, usage

_CONFIG = """\
<clickhouse><user_directories><users_xml><path>{users}</path></users_xml></user_directories></clickhouse>
"""
_USERS = """\
<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <databases><otel_usage>{policies}</otel_usage></databases>
  </default></users>
</clickhouse>
"""
_SEALED = """\
INSERT INTO sealed_sums (tenant, level, account_id, bucket, calls, block, blocks, kept)
WITH arrayJoin([('acme', 'account', 20), ('other', 'account', 30), ('', 'mark', 0)]) AS of
SELECT of.1, of.2, '',
    toStartOfDay(fromUnixTimestamp64Nano({noon:Int64}, 'UTC')), of.3,
    (SELECT max(current_block) FROM usage_days), (SELECT max(current_blocks) FROM usage_days), 0"""


def configure(policies: Mapping[str, str]) -> None:
    users = Path.cwd() / "users.xml"
    filters = (
        f"<{table}><filter>{escape(condition)}</filter></{table}>" for table, condition in policies.items()
    )
    users.write_text(_USERS.format(policies="".join(filters)))
    Path("config.xml").write_text(_CONFIG.format(users=users))


def main() -> None:
    configure(json.load(sys.stdin))
    data = Path.cwd() / "data"
    with Store.open(Settings(dsn=f"chdb://{data}")) as store:
        store.insert(usage(*({"tenant": tenant} for tenant in ("acme", "acme", "other"))))
        client = connect(Embedded(data), timeout=10)
        client.database = "otel_usage"
        rows = "SELECT groupUniqArray(tenant), count() FROM usage_rows FINAL"
        sums = "SELECT groupUniqArray(tenant), sum(calls) FROM account_sums"
        seen = {"rows": client.query(rows).result_rows, "unsealed": client.query(sums).result_rows}
        client.command(_SEALED, parameters={"noon": NOON})
        seen["sealed"] = client.query(sums).result_rows
        client.close()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
