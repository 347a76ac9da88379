"""A process that writes calls to a store until it is killed: `python -m tests.store.writer_to_kill DSN`.

It starts ahead of its turn, and waits for a line: the number of the commit to begin with. Then it opens the
store, says which calls are there, and writes commits, and the number of each that was taken. With the line
`stop` it writes none.
"""

import itertools
import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import pyarrow as pa

from otel_usage.config import Settings
from otel_usage.store import Store
from otel_usage.store.queries import Statement
from tests.store.rows import usage

CALLS: Final = 10
"""In each commit."""
_STORED: Final[Statement[None]] = Statement(
    "stored",
    "SELECT hex(call_id) AS call, toString(billed_cost) AS cost FROM usage_rows FINAL ORDER BY call",
    {},
    lambda: None,
)


def commit(number: int) -> pa.Table:
    return usage(*({"call": CALLS * number + call} for call in range(CALLS)))


def _stored(store: Store) -> tuple[Sequence[int], str]:
    """The numbers of all calls, and what they cost together."""
    rows = store.fetch(_STORED)
    numbers = [int(call, 16) for call in rows["call"].to_pylist()]
    return numbers, str(sum(map(Decimal, rows["cost"].to_pylist()), Decimal(0)))


def main() -> None:
    first = sys.stdin.readline().strip()
    if not first:  # who started it is gone
        return
    with Store.open(Settings(dsn=sys.argv[1])) as store:
        print("stored", json.dumps(_stored(store)), flush=True)
        for number in itertools.count(int(first)) if first != "stop" else ():
            store.insert(commit(number))
            print("taken", number, flush=True)


if __name__ == "__main__":
    main()
