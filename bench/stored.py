"""Asks the table of usage in a chDB directory: `python -m bench.stored DATA_DIR QUERY` prints JSON lines.

`{table}` in the query is the table. A program, because one process may open a directory once, and only
after the receiver has closed it.
"""

import json
import sys

import clickhouse_connect


def _rows(data_dir: str, query: str) -> list[dict[str, object]]:
    client = clickhouse_connect.get_client(interface="chdb", path=data_dir)
    tables = client.query(
        "SELECT database, name FROM system.tables "
        "WHERE name IN ('usage', 'usage_rows') AND engine LIKE '%MergeTree'"
    ).result_rows
    ((database, name),) = tables
    result = client.query(query.replace("{table}", f"`{database}`.`{name}`"))
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


if __name__ == "__main__":
    for row in _rows(sys.argv[1], sys.argv[2]):
        print(json.dumps(row))
