"""The statements of repricing: the rows of a page, and how far a run is."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from otel_usage.store.history import COLUMNS
from otel_usage.store.queries import Statement

RUNS: Final = "reprice_runs"
"""The table of the steps of runs."""
RUNNING, DONE = "running", "done"
"""The states of a run."""

_HOUR_NS: Final = 3_600 * 10**9

# The interval is asked for by whole hours, by which parts of the table are chosen, and then in a way that
# chooses none: a part of an hour could hold back the newer version of a row. All else that chooses parts is
# of the key, which the versions of a row have in common.
_PAGE: Final = f"""\
WITH toDateTime({{after_hour:UInt32}}, 'UTC') AS after_hour, toStartOfHour(started_at) AS hour
SELECT {COLUMNS} FROM usage_rows FINAL
WHERE tenant = {{tenant:String}}
    AND started_at >= fromUnixTimestamp64Nano({{first_hour_ns:Int64}}, 'UTC')
    AND started_at < fromUnixTimestamp64Nano({{last_hour_ns:Int64}}, 'UTC')
    AND greatest(started_at, fromUnixTimestamp64Nano({{from_ns:Int64}}, 'UTC')) = started_at
    AND greatest(started_at, fromUnixTimestamp64Nano({{to_ns:Int64}}, 'UTC')) != started_at
    AND account_id >= {{after_account:String}}
    AND
    (
        account_id > {{after_account:String}}
        OR hour > after_hour
        OR (hour = after_hour AND call_id > toFixedString(unhex({{after_call:String}}), 16))
    )
    AND role = 'inference'$conditions
ORDER BY tenant, account_id, toStartOfHour(started_at), call_id
LIMIT {{limit:UInt32}}"""  # noqa: S608 (names of ours)

_ACCOUNT: Final = "account_id = {account_id:String}"
_MODEL: Final = "{model_id:String} IN (model_id, request_model, response_model)"
_UNPRICED: Final = "billed_cost IS NULL"
# What a run has written is still meant by it, though it may have another model and a price now.
_OWN: Final = "price_run = {run_id:String}"

_STEPS: Final = """\
SELECT step, state, request, cursor, seen, changed, differences, author, reason FROM reprice_runs FINAL
WHERE tenant = {tenant:String} AND run_id = {run_id:String}
ORDER BY step"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprice:
    """Which calls to price again: those of a tenant that start in [from_ns, to_ns)."""

    tenant: str
    from_ns: int
    to_ns: int
    account_id: str | None = None
    model_id: str | None = None
    """The model as priced now, or the model of the request or response."""
    unpriced_only: bool = False
    """Only those whose cost is unknown."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order in which calls are priced again: within a UTC day, by account, hour and call."""

    day_ns: int
    account_id: str = ""
    hour: int = 0
    """Since 1970."""
    call_id: bytes = bytes(16)


@dataclass(frozen=True, slots=True)
class Step:
    """What a run did in one step: `seen`, `changed` and `differences` are of it alone."""

    step: int
    state: str
    request: str
    cursor: str
    """After it."""
    seen: int
    changed: int
    differences: str
    author: str
    reason: str


def read_page(
    reprice: Reprice, after: Cursor, until_ns: int, run_id: str, limit: int
) -> Statement[tuple[object, ...]]:
    """The next rows after a place, at most `limit` of them, of calls that start before `until_ns` on its day.

    As VERSIONS, in order. Rows that the run `run_id` wrote are among them; it may be empty.
    """
    from_ns, to_ns = max(reprice.from_ns, after.day_ns), min(reprice.to_ns, until_ns)
    chosen = [
        *([_MODEL] if reprice.model_id is not None else []),
        *([_UNPRICED] if reprice.unpriced_only else []),
    ]
    conditions = [_ACCOUNT] if reprice.account_id is not None else []
    if chosen:
        meant = " AND ".join(chosen)
        conditions.append(f"(({meant}) OR {_OWN})" if run_id else meant)
    parameters: dict[str, object] = {
        "tenant": reprice.tenant,
        "first_hour_ns": from_ns // _HOUR_NS * _HOUR_NS,
        "last_hour_ns": -(-to_ns // _HOUR_NS) * _HOUR_NS,
        "from_ns": from_ns,
        "to_ns": to_ns,
        "after_account": after.account_id,
        "after_hour": after.hour * 3_600,
        "after_call": after.call_id.hex(),
        "limit": limit,
    }
    given = {"account_id": reprice.account_id, "model_id": reprice.model_id, "run_id": run_id or None}
    sql = _PAGE.replace("$conditions", "".join(f"\n    AND {each}" for each in conditions))
    used = {name: value for name, value in given.items() if f"{{{name}:" in sql}
    return Statement("read_page", sql, parameters | used, lambda *values: values)


def find_steps(tenant: str, run_id: str) -> Statement[Step]:
    """The steps of a run, the first one first; none if there is no such run."""
    return Statement("find_steps", _STEPS, {"tenant": tenant, "run_id": run_id}, Step)


def step_row(tenant: str, run_id: str, step: Step) -> pa.Table:
    """A row of RUNS."""
    row = {"tenant": tenant, "run_id": run_id} | {name: getattr(step, name) for name in Step.__slots__}
    table = pa.Table.from_pylist([row])
    for name, of in (("step", pa.uint32()), ("seen", pa.uint64()), ("changed", pa.uint64())):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].cast(of))
    return table
