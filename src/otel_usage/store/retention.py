"""How long usage rows are kept, for the sealer: no row goes before its day is sealed, and its sums stay."""

from typing import Final

from clickhouse_connect.driver.client import Client

TABLE: Final = "retention"

_LAST: Final = "SELECT days FROM retention ORDER BY at DESC LIMIT 1"


def days(client: Client) -> int | None:
    """Whole UTC days that rows are kept after their own; None: for good."""
    rows = client.query(_LAST).result_rows
    return None if not rows or rows[0][0] is None else int(rows[0][0])


def keep(client: Client, kept: int | None, *, author: str) -> bool:
    """Keep rows for `kept` days; None: for good. Whether that is a change: else nothing is written."""
    if days(client) == kept:
        return False
    client.insert(TABLE, [[kept, author]], column_names=["days", "author"])
    return True
