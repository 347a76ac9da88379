"""Rows of erased accounts among others: they are stored as they are to stay.

They have no ids any more, so they are never resolved again: they would all seem to be one. What is told of
their calls once more is known by its call id alone.
"""

import pyarrow as pa
import pyarrow.compute as pc

from otel_usage import identity
from otel_usage.drafts import KEYS, no_keys, replace
from otel_usage.erased import Erased, is_erased


def apart(known: pa.Table, erased: Erased) -> tuple[pa.Table, pa.Table]:
    """Of stored OBSERVATIONS those to be resolved; and KEYS of those whose calls are stored as erased."""
    gone = is_erased(known)
    if not gone.any():
        return known, no_keys()
    again = pc.is_in(known["call_id"], value_set=_calls(known.filter(pa.array(gone))))
    again = again.to_numpy() & ~gone
    # Those that name the account still are moved by its erasure.
    mine = again & ~is_erased(erased.rows(known))
    keys = known.filter(pa.array(mine)).select(KEYS.names)
    version = identity.revised(keys["version"].to_numpy())
    tombstones = replace(keys, "version", pa.array(version, pa.uint64())).cast(KEYS)
    return known.filter(pa.array(~gone & ~again)).combine_chunks(), tombstones


def recalled(rows: pa.Table, known: pa.Table) -> pa.Table:
    """Stored `rows` as they are remembered: erased ones as they were `known`, with their ids.

    Their versions are no lower than those that are stored.
    """
    gone = is_erased(rows)
    if not gone.any():
        return rows.combine_chunks()
    others = rows.filter(pa.array(~gone))
    return (
        pa.concat_tables([others, _lifted(known, rows.filter(pa.array(gone)))])
        .unify_dictionaries()
        .combine_chunks()
    )


def _lifted(known: pa.Table, stored: pa.Table) -> pa.Table:
    known = known.filter(pc.is_in(known["call_id"], value_set=_calls(stored)))
    versions = dict(zip(stored["call_id"].to_pylist(), stored["version"].to_pylist(), strict=True))
    # Row by row: of calls of erased accounts that another process wrote meanwhile.
    higher = [
        max(version, versions[call])
        for call, version in zip(known["call_id"].to_pylist(), known["version"].to_pylist(), strict=True)
    ]
    return replace(known, "version", pa.array(higher, pa.uint64()))


def _calls(rows: pa.Table) -> pa.Array:
    return pc.unique(rows["call_id"])
