"""The questions of the sweep: which stored observations have not been resolved together, and what they are.

They read by `inserted_at`, the clock of the store, and never with FINAL: what was superseded only makes a
trace be looked at in vain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from otel_usage.model import OBSERVATIONS
from otel_usage.store.queries import Statement


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Observations to be looked at together: those of a trace, of a call, or with equal numbers."""

    by: str
    """`trace`, `call` or `numbers`."""
    tenant: str
    key: str
    """The trace id or call id in hex, or service and input tokens."""
    from_ns: int
    to_ns: int
    """They start in [from_ns, to_ns]."""
    due: int = 0
    """1: its roll-ups have waited long enough for the calls below them."""


EQUAL: Final = 16_384
"""Stored rows with equal numbers that are looked at together: the latest. Those before stay as they were
decided; what one of them would have been a duplicate of stays a call."""

_HOUR_NS: Final = 3_600 * 1_000_000_000

_OTHERS: Final = """\
SELECT count() FROM
(
    SELECT writer FROM usage_rows WHERE inserted_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
    UNION ALL
    SELECT writer FROM claims WHERE inserted_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
)
WHERE writer NOT IN ('', {writer:String})"""

_FIND: Final = """\
WITH
    fromUnixTimestamp64Milli({horizon_ms:Int64}, 'UTC') AS horizon,
    fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC') AS since
SELECT
    'trace' AS by, tenant, lower(hex(trace_id)) AS key,
    toUnixTimestamp64Nano(min(started)), toUnixTimestamp64Nano(max(started)), 0
FROM
(
    SELECT tenant, trace_id, writer, inserted_at, started_at AS started
    FROM usage_rows
    WHERE inserted_at >= horizon AND trace_id != toFixedString('', 16)
    UNION ALL
    SELECT tenant, trace_id, writer, inserted_at, toDateTime64(inserted_at, 9, 'UTC') AS started
    FROM claims
    WHERE inserted_at >= horizon
)
GROUP BY tenant, trace_id
HAVING uniqExact(writer) > 1 AND max(inserted_at) >= since
LIMIT {limit:UInt32}
UNION ALL
SELECT
    'trace', tenant, lower(hex(trace_id)) AS key,
    toUnixTimestamp64Nano(min(started_at)), toUnixTimestamp64Nano(max(started_at)), 1
FROM usage_rows
WHERE writer != {writer:String} AND inserted_at >= fromUnixTimestamp64Milli({due_from_ms:Int64}, 'UTC')
    AND inserted_at < fromUnixTimestamp64Milli({due_to_ms:Int64}, 'UTC')
    AND role = 'rollup' AND usage_status = 'reported' AND attribution != 'erased'
GROUP BY tenant, trace_id
LIMIT {limit:UInt32}
UNION ALL
SELECT
    'call', tenant, lower(hex(call_id)) AS key,
    toUnixTimestamp64Nano(min(started_at)), toUnixTimestamp64Nano(max(started_at)), 0
FROM usage_rows
WHERE inserted_at >= horizon
GROUP BY tenant, call_id
HAVING uniqExact(account_id, toStartOfHour(started_at)) > 1 AND max(inserted_at) >= since
    AND uniqExact(writer) > 1
LIMIT {limit:UInt32}
UNION ALL
SELECT
    'numbers', tenant, concat(service_name, '/', toString(input_tokens)) AS key,
    toUnixTimestamp64Nano(min(started_at)), toUnixTimestamp64Nano(max(started_at)), 0
FROM usage_rows
WHERE inserted_at >= horizon AND usage_status = 'reported' AND role != 'rollup' AND signal != 'record'
    AND input_tokens IS NOT NULL AND attribution != 'erased'
GROUP BY tenant, key
HAVING uniqExact(writer) > 1 AND uniqExact(scope_name, signal) > 1 AND max(inserted_at) >= since
    AND countIf(lengthUTF8(response_id) < {unique:UInt32}) > 0
LIMIT {limit:UInt32}"""

_OBSERVED: Final = ", ".join(OBSERVATIONS.names[1:])

_READ: Final = f"""\
WITH
    fromUnixTimestamp64Nano({{from_ns:Int64}}, 'UTC') AS first,
    fromUnixTimestamp64Nano({{to_ns:Int64}}, 'UTC') AS last
SELECT {_OBSERVED}
FROM
(
    SELECT * FROM usage_rows
    WHERE started_at >= first AND started_at < last
        AND (tenant, account_id, toStartOfHour(started_at), call_id) IN
        (
            SELECT tenant, account_id, toStartOfHour(started_at), call_id FROM usage_rows
            WHERE started_at >= first AND started_at < last AND tenant = {{tenant:String}}
                AND
                (
                    trace_id IN (SELECT toFixedString(unhex(arrayJoin({{traces:Array(String)}})), 16))
                    OR call_id IN (SELECT toFixedString(unhex(arrayJoin({{calls:Array(String)}})), 16))
                )
            UNION ALL
            SELECT tenant, account_id, toStartOfHour(started_at), call_id FROM usage_rows
            WHERE started_at >= first AND started_at < last AND tenant = {{tenant:String}}
                AND concat(service_name, '/', toString(input_tokens))
                    IN (SELECT arrayJoin({{numbers:Array(String)}}))
            ORDER BY started_at DESC
            LIMIT {{equal:UInt32}} BY service_name, input_tokens
        )
    ORDER BY version DESC, inserted_at DESC
    LIMIT 1 BY tenant, account_id, toStartOfHour(started_at), call_id
)
WHERE is_deleted = 0"""  # noqa: S608 (names of ours)

_CLAIMS: Final = """\
SELECT DISTINCT trace_id, account_id, context, transaction_id FROM claims
WHERE tenant = {tenant:String}
    AND trace_id IN (SELECT toFixedString(unhex(arrayJoin({traces:Array(String)})), 16))"""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Which rows a sweep looks at, by when they were inserted, in milliseconds.

    What came since `since_ms` is compared with what came since `horizon_ms`; roll-ups that came in
    [due_from_ms, due_to_ms) are due.
    """

    horizon_ms: int
    since_ms: int
    due_from_ms: int
    due_to_ms: int


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """What a trace says of who pays."""

    trace_id: bytes
    account_id: str
    context: str
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Others:
    """How many rows other processes wrote."""

    rows: int


def find_others(writer: str, since_ms: int) -> Statement[Others]:
    """Whether any process but `writer` has written since then."""
    return Statement("find_others", _OTHERS, {"writer": writer, "since_ms": since_ms}, Others)


def find_unsettled(
    horizon: Horizon, writer: str, unique_response_id: int, limit: int
) -> Statement[Unsettled]:
    """What has rows of several writers; and what has roll-ups that are due, of any but `writer`."""
    parameters = {
        "horizon_ms": horizon.horizon_ms,
        "since_ms": horizon.since_ms,
        "due_from_ms": horizon.due_from_ms,
        "due_to_ms": horizon.due_to_ms,
        "writer": writer,
        "unique": unique_response_id,
        "limit": limit,
    }
    return Statement("find_unsettled", _FIND, parameters, Unsettled)


def read_observations(tenant: str, unsettled: Sequence[Unsettled]) -> Statement[tuple[object, ...]]:
    """The stored observations of these, of one tenant: OBSERVATIONS without `request`."""
    keys = {by: [each.key for each in unsettled if each.by == by] for by in ("trace", "call", "numbers")}
    parameters = {
        "tenant": tenant,
        "traces": keys["trace"],
        "calls": keys["call"],
        "numbers": keys["numbers"],
        "equal": EQUAL,
        # Whole hours: a part of one could hold back the newer row of a key.
        "from_ns": min(each.from_ns for each in unsettled) // _HOUR_NS * _HOUR_NS,
        "to_ns": (max(each.to_ns for each in unsettled) // _HOUR_NS + 1) * _HOUR_NS,
    }
    return Statement("read_observations", _READ, parameters, lambda *values: values)


def read_claims(tenant: str, unsettled: Sequence[Unsettled]) -> Statement[ClaimRow]:
    """The claims of their traces."""
    traces = [each.key for each in unsettled if each.by == "trace"]
    return Statement("read_claims", _CLAIMS, {"tenant": tenant, "traces": traces}, ClaimRow)
