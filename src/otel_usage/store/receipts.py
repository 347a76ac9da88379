"""One call with everything that is stored of it: its version in force, and those before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from string import Template
from typing import Any, Final

from otel_usage.model import QUANTITY_COLUMNS, TOKEN_COLUMNS
from otel_usage.store.queries import Statement

MAX_VERSIONS: Final = 1_000
"""Versions that are read of one call, the newest first."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a usage row: the columns of the table in their words. Times are in nanoseconds.

    `quantities` are tokens and other counts by column; None: not reported.
    """

    started_at_ns: int
    stored_at_ns: int
    duration_ns: int
    call_id: bytes
    version: int
    is_deleted: int
    role: str
    duplicate_of: bytes | None
    account_id: str
    context: str
    attribution: str
    transaction_id: str
    usage_type: str
    provider: str
    request_model: str
    response_model: str
    service_tier: str
    region: str
    usage_status: str
    usage_convention: str
    convention_source: str
    other_usage: str
    model_id: str
    list_cost: Decimal | None
    billed_cost: Decimal | None
    currency: str
    unpriced_reason: str
    unpriced_units: str
    price_book: str
    price_source: str
    price_key: str
    match_rule: str
    effective_from: str
    price_context: str
    price_tier: int
    unapplied_context: str
    unit_prices: str
    billed_unit_prices: str
    price_rule: str
    price_run: str
    quantities: Mapping[str, int | None]


_QUANTITIES: Final = (*TOKEN_COLUMNS, *QUANTITY_COLUMNS)
_TIMES: Final = {
    "started_at_ns": "toUnixTimestamp64Nano(started_at)",
    "stored_at_ns": "toUnixTimestamp64Milli(inserted_at) * 1000000",
}
_PLAIN: Final = tuple(name for name in Version.__dataclass_fields__ if name not in {*_TIMES, "quantities"})
_NAMES: Final = (*_TIMES, *_PLAIN)
_HOUR_NS: Final = 3_600 * 10**9

# Without FINAL, which would read every column of every row: so the identity is read first.
_FIND: Final = Template("""\
SELECT
    $told
FROM
(
    SELECT $stored FROM usage_rows WHERE $conditions
    UNION ALL
    SELECT $stored FROM usage_history WHERE $conditions
)
ORDER BY version DESC, inserted_at DESC
LIMIT 1 BY account_id, toStartOfHour(started_at), version
LIMIT {limit:UInt32}""").substitute(
    told=", ".join((*_TIMES.values(), *_PLAIN, *_QUANTITIES)),
    stored=", ".join(("started_at", "inserted_at", *_PLAIN, *_QUANTITIES)),
    conditions="tenant = {tenant:String} AND call_id = unhex({call_id:String})",
)


def find_versions(tenant: str, call_id: bytes) -> Statement[Version]:
    """All versions of the call with this identity, tombstones too, the highest first."""
    parameters = {"tenant": tenant, "call_id": call_id.hex(), "limit": MAX_VERSIONS}
    return Statement("find_versions", _FIND, parameters, _version)


def in_force(versions: Sequence[Version]) -> Version | None:
    """The version that counts; None if the call is no longer stored.

    A call whose payer or hour was corrected has had several keys: of each the highest version counts, if it
    is no tombstone. Of several that are left, as until a sweep has seen them, an inference comes first.
    """
    newest: dict[tuple[str, int], Version] = {}
    for version in sorted(versions, key=lambda each: (each.version, each.stored_at_ns)):
        newest[version.account_id, version.started_at_ns // _HOUR_NS] = version
    kept = [version for version in newest.values() if not version.is_deleted]
    return max(kept, key=lambda each: (each.role == "inference", each.version), default=None)


def _version(*values: Any) -> Version:  # noqa: ANN401 (the columns, as they come)
    told = dict(zip(_NAMES, values, strict=False))
    return Version(**told, quantities=dict(zip(_QUANTITIES, values[len(_NAMES) :], strict=True)))
