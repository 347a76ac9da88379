"""How rows are given to each engine, so that an insert that has returned is durable.

Why: docs/decisions/0015-inserts-are-synchronous.md.
"""

from collections.abc import Mapping
from typing import Final

from otel_usage.store.client import Server, Target

_ALWAYS: Final[Mapping[str, object]] = {
    # Acknowledged means durable: no buffer of the engine's in between. Our blocks are large by themselves.
    "async_insert": 0,
    # A late commit may be of many days, and the default refuses more than 100.
    "max_partitions_per_insert_block": 0,
    # Merges and FINAL keep the newest row of a key. To do that here too doubles the cost of an insert.
    "optimize_on_insert": 0,
}
_SERVER: Final[Mapping[str, object]] = {
    # A table may be set to buffer rows whatever an insert says: then it is answered when they are written.
    "wait_for_async_insert": 1,
    # Through a Distributed table: answered when the shards have the rows, not when they are queued for them.
    "distributed_foreground_insert": 1,
    # Of replicated tables: answered when most replicas have the rows. Others pay no heed to it.
    "insert_quorum": "auto",
}


def insert_settings(target: Target, timeout: float) -> dict[str, object]:
    """The settings of every statement that writes rows; it may take `timeout` seconds."""
    limits = {"max_execution_time": timeout}
    if isinstance(target, Server):
        return {**_ALWAYS, **_SERVER, **limits, "insert_quorum_timeout": int(timeout * 1_000)}
    return {**_ALWAYS, **limits}
