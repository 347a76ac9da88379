"""Token counts of the candidates, in the canonical form: OTel's inclusive totals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage import columns
from otel_usage.checks import Check
from otel_usage.columns import Pivot
from otel_usage.dialects import conventions
from otel_usage.dialects.otel_genai import TOKENS
from otel_usage.model import TOKEN_COLUMNS
from otel_usage.names import Mask, choose

_STATUSES: Final = ("reported", "missing")
_CONVENTIONS: Final = (conventions.INCLUSIVE, conventions.EXCLUSIVE)
_SOURCES: Final = (conventions.BY_SPECIFICATION, conventions.BY_EMITTER, conventions.BY_ARITHMETIC)


@dataclass(frozen=True, slots=True)
class Usage:
    """Columns of OBSERVATIONS, the checks on them, and how many counts each row reports."""

    columns: dict[str, pa.Array]
    checks: Sequence[Check]
    detail: npt.NDArray[np.uint64]


def read(found: Pivot, exclusive_emitter: Mask, embedding: Mask) -> Usage:
    """The counts of each row.

    `exclusive_emitter`: its input is known to lack the cached tokens. `embedding`: it has no output.
    """
    counts = columns.counts(found, TOKENS)
    value = dict(zip(counts.fields, counts.values, strict=True))
    reported = dict(zip(counts.fields, counts.reported, strict=True))
    none = np.zeros(found.rows, dtype=np.bool_)

    cached = value.get("cache_read_tokens", 0) + value.get(
        "cache_write_tokens", np.zeros(found.rows, np.int64)
    )
    has_input = reported.get("input_tokens", none)
    proven = has_input & (cached > value.get("input_tokens", 0))
    exclusive = proven | exclusive_emitter
    if "input_tokens" in value:
        value["input_tokens"] = value["input_tokens"] + np.where(exclusive & has_input, cached, 0)
    missing = ~has_input | ~(reported.get("output_tokens", none) | embedding)
    by = np.where(exclusive_emitter, 1, np.where(proven, 2, 0))
    return Usage(
        columns={
            "usage_status": choose(missing, _STATUSES).array(),
            "usage_convention": choose(exclusive, _CONVENTIONS).array(),
            "convention_source": choose(by, _SOURCES).array(),
        }
        | {
            name: pa.array(value[name].astype(np.uint64), mask=~reported[name])
            if name in value
            else pa.nulls(found.rows, pa.uint64())
            for name in TOKEN_COLUMNS
        },
        checks=[
            Check(name, counts.invalid[i], "is not a token count", TOKENS[name])
            for i, name in enumerate(counts.fields)
        ],
        detail=counts.reported.sum(axis=0, dtype=np.uint64),
    )
