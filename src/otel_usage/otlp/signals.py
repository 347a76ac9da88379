"""What logs and metrics are decoded to: LOG_RECORDS and POINTS, with what they point to beside them.

As SPANS and `Spans` in `model`: one row per record or point, in columns; `resource` and `scope` are indexes
in the lists beside it; attributes stay encoded until one is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from otel_usage.model import NAME, Attributes, Resource, Scope

_ORIGIN: Final = [
    pa.field("request", pa.int64(), nullable=False),
    pa.field("resource", pa.int64(), nullable=False),
    pa.field("scope", pa.int64(), nullable=False),
]

LOG_RECORDS: Final = pa.schema(
    [
        *_ORIGIN,
        pa.field("time_unix_nano", pa.uint64()),
        pa.field("observed_time_unix_nano", pa.uint64()),
        pa.field("trace_id", pa.binary()),
        pa.field("span_id", pa.binary()),
        pa.field("event_name", pa.string()),
        pa.field("body", pa.binary()),
    ]
)
"""One row per log record, in wire order. A time that is not told is 0, an id or a name empty. `body` is the
encoded AnyValue, empty if there is none."""


@dataclass(frozen=True, slots=True)
class Records:
    """Decoded log requests: LOG_RECORDS, with the attributes, resources and scopes they point to."""

    rows: pa.RecordBatch
    attributes: Attributes
    resources: Sequence[Resource]
    scopes: Sequence[Scope]


GAUGE, SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY = KINDS = (
    "gauge",
    "sum",
    "histogram",
    "exponential_histogram",
    "summary",
)
"""The kinds of metrics."""

UNSPECIFIED, DELTA, CUMULATIVE = TEMPORALITIES = ("", "delta", "cumulative")
"""Aggregation temporalities, in the order of their numbers on the wire. Gauges and summaries have none."""

POINTS: Final = pa.schema(
    [
        *_ORIGIN,
        pa.field("name", NAME, nullable=False),
        pa.field("unit", NAME, nullable=False),
        pa.field("kind", NAME, nullable=False),
        pa.field("temporality", NAME, nullable=False),
        pa.field("is_monotonic", pa.bool_(), nullable=False),
        pa.field("start_time_unix_nano", pa.uint64(), nullable=False),
        pa.field("time_unix_nano", pa.uint64(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("count", pa.uint64()),
    ]
)
"""One row per data point of a metric, in wire order within a kind; the kinds follow each other as in KINDS.

- `name` and `unit` are the metric's, empty if not told. `kind` is one of KINDS, `temporality` one of
  TEMPORALITIES. `is_monotonic` is true of sums that say so, and of no other kind.
- `start_time_unix_nano` is when counting began, 0 if not told: a cumulative series has another after a reset.
- `value` is a number point's number, and the sum of a histogram's or a summary's measurements. Whole numbers
  are exact up to 2**53. NULL: none recorded (also by the point's flag). It may be negative or NaN: judge it.
- `count` is how many measurements a histogram or summary has. NULL of number points, and if none is recorded.
"""


@dataclass(frozen=True, slots=True)
class Points:
    """Decoded metric requests: POINTS, with the attributes, resources and scopes they point to.

    `attributes.owner` is the row in `rows`: `columns.pivot(points.attributes, points.rows.num_rows, wanted)`
    finds attributes of points as it does those of spans.
    """

    rows: pa.RecordBatch
    attributes: Attributes
    resources: Sequence[Resource]
    scopes: Sequence[Scope]
