"""What spans tell of usage and cost that has no canonical column: kept as JSON, added to nothing.

Counts of a kind that is not known, the totals and the costs that emitters report. Only a few emitters write
any. Whole numbers, the usual kind, are spelled in columns; others one by one.
"""

import json
from math import isfinite
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.columns import Pivot, empty
from otel_usage.model import MAX_NAME
from otel_usage.names import Rows
from otel_usage.otlp.values import decode_integers, scalar

_MOST: Final = 64  # kept of a row


def read(found: Pivot) -> pa.StringArray:
    """Per row, a JSON object of the attributes that are wanted by a prefix only; empty if it has none.

    Texts are cut to MAX_NAME characters. Bytes, arrays and maps are left out.
    """
    others = found.others
    if others is None:
        return empty(found.rows)
    rank = np.arange(len(others.owner)) - np.searchsorted(others.owner, others.owner)
    kept = np.flatnonzero(rank < _MOST)
    names = [json.dumps(key.decode(errors="replace"), ensure_ascii=False) for key in others.keys]
    spelled = _spelled(found.values, others.position[kept])
    told = np.flatnonzero(spelled.is_valid().to_numpy(zero_copy_only=False))
    kept = kept[told]
    name = pa.array(names, pa.string()).take(pa.array(others.key[kept]))
    entries = pc.binary_join_element_wise(name, spelled.take(pa.array(told)), ":")
    return _objects(entries, others.owner[kept], found.rows)


def _objects(entries: pa.StringArray, owner: Rows, rows: int) -> pa.StringArray:
    """The entries of each row as one object."""
    ends = np.searchsorted(owner, np.arange(rows + 1)).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), entries), ",")
    objects = pc.binary_join_element_wise("{", joined, "}", "")
    return pc.if_else(pa.array(ends[1:] > ends[:-1]), objects, "")


def _spelled(values: pa.BinaryArray, positions: Rows) -> pa.StringArray:
    """The values in JSON; null: left out."""
    numbers, usual = decode_integers(values, positions)
    texts = pa.array(numbers, mask=~usual).cast(pa.string())
    if usual.all():
        return texts
    spelled = texts.to_pylist()
    for row in np.flatnonzero(~usual).tolist():
        spelled[row] = _json(values[int(positions[row])].as_py())
    return pa.array(spelled, pa.string())


def _json(encoded: bytes) -> str | None:
    value = scalar(encoded)
    if value is None or isinstance(value, bytes) or (isinstance(value, float) and not isfinite(value)):
        return None
    return json.dumps(value[:MAX_NAME] if isinstance(value, str) else value, ensure_ascii=False)
