"""The vocabulary: the Arrow schemas between the steps, the limits of a call, the errors.

Every step from the wire to ClickHouse is a pure function from one of these schemas to the next:
`Spans` (decode) -> `OBSERVATIONS` (extract) -> `USAGE` (pricing) -> store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Signal(StrEnum):
    """What an OTLP request carries."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


TOKENS: Final = pa.uint64()
MONEY: Final = pa.decimal128(38, 18)
"""US dollars. A price of a token quantized to 1e-18 times a whole number of tokens is exact in it."""
TIMESTAMP: Final = pa.timestamp("ns", "UTC")
NAME: Final = pa.dictionary(pa.int32(), pa.string())
"""A text with few distinct values: `LowCardinality(String)` in ClickHouse."""
CALL_ID: Final = pa.binary(16)

MAX_TOKENS: Final = 1_000_000_000
"""A count above this is a fault of the emitter, not a call: the largest context window sold is
a thousandth of it. It also bounds the money: 1e9 tokens at the dearest price fit MONEY."""
MAX_NAME: Final = 256
"""Characters kept of a model, provider, service or emitter name. Longer ones are cut and marked
with an ellipsis; no price book knows them, and they would bloat every dictionary."""

EARLIEST_NS: Final = 1_577_836_800_000_000_000
"""2020-01-01: no call to a priced model is older. A span that claims it has its times in the wrong unit."""

TOKEN_COLUMNS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "cache_read_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
)
"""Canonical counts, OTel's inclusive totals: input contains cache_read and cache_write,
cache_write contains cache_write_1h, output contains reasoning, a modality is part of its total.
NULL is 'not reported', which is not 0."""

QUANTITY_COLUMNS: Final = (
    "input_audio_ns",
    "output_audio_ns",
    "input_characters",
    "web_searches",
    "rerank_searches",
    "output_images",
)
"""What calls are paid by beside tokens. Durations are whole nanoseconds of audio heard (`input`) or made
(`output`); the others are counts. NULL is 'not reported'."""

MAX_AUDIO_NS: Final = 7 * 86_400 * 10**9
"""A week of audio in one call is a fault of its teller."""

_CALL: Final = [
    pa.field("tenant", NAME, nullable=False),
    pa.field("account_id", NAME, nullable=False),
    pa.field("started_at", TIMESTAMP, nullable=False),
    pa.field("call_id", CALL_ID, nullable=False),
    pa.field("version", pa.uint64(), nullable=False),
    pa.field("is_deleted", pa.uint8(), nullable=False),
    pa.field("role", NAME, nullable=False),
    pa.field("duplicate_of", CALL_ID),
    pa.field("signal", NAME, nullable=False),
    pa.field("trace_id", pa.binary(16), nullable=False),
    pa.field("span_id", pa.binary(8), nullable=False),
    pa.field("parent_span_id", pa.binary(8), nullable=False),
    pa.field("response_id", pa.string(), nullable=False),
    pa.field("duration_ns", pa.uint64(), nullable=False),
    pa.field("context", NAME, nullable=False),
    pa.field("attribution", NAME, nullable=False),
    pa.field("transaction_id", pa.string(), nullable=False),
    pa.field("usage_type", NAME, nullable=False),
    pa.field("operation", NAME, nullable=False),
    pa.field("provider", NAME, nullable=False),
    pa.field("request_model", NAME, nullable=False),
    pa.field("response_model", NAME, nullable=False),
    pa.field("service_tier", NAME, nullable=False),
    pa.field("region", NAME, nullable=False),
    pa.field("service_name", NAME, nullable=False),
    pa.field("scope_name", NAME, nullable=False),
    pa.field("scope_version", NAME, nullable=False),
    pa.field("error_type", NAME, nullable=False),
    pa.field("usage_status", NAME, nullable=False),
    pa.field("usage_convention", NAME, nullable=False),
    pa.field("convention_source", NAME, nullable=False),
    pa.field("other_usage", pa.string(), nullable=False),
    pa.field("writer", NAME, nullable=False),
    *(pa.field(name, TOKENS) for name in (*TOKEN_COLUMNS, *QUANTITY_COLUMNS)),
]

OBSERVATIONS: Final = pa.schema([pa.field("request", pa.int64(), nullable=False), *_CALL])
"""One row per candidate call as telemetry claims it. `request` is the index of the request in the
commit that carried it. An absent text or id is empty; an absent count is NULL."""

USAGE: Final = pa.schema(
    [
        *_CALL,
        pa.field("model_id", NAME, nullable=False),
        pa.field("list_cost", MONEY),
        pa.field("billed_cost", MONEY),
        pa.field("currency", NAME, nullable=False),
        pa.field("unpriced_reason", NAME, nullable=False),
        pa.field("price_book", NAME, nullable=False),
        pa.field("price_source", NAME, nullable=False),
        pa.field("price_key", NAME, nullable=False),
        pa.field("match_rule", NAME, nullable=False),
        pa.field("price_context", NAME, nullable=False),
        pa.field("price_tier", pa.uint32(), nullable=False),
        pa.field("effective_from", NAME, nullable=False),
        pa.field("unapplied_context", NAME, nullable=False),
        pa.field("unpriced_units", NAME, nullable=False),
        pa.field("unit_prices", NAME, nullable=False),
        pa.field("billed_unit_prices", NAME, nullable=False),
        pa.field("price_rule", NAME, nullable=False),
        pa.field("price_run", NAME, nullable=False),
    ]
)
"""One call's accepted, priced usage: the columns of the ClickHouse table `usage_rows`, in its order.

`billed_cost` is NULL if and only if `unpriced_reason` is not empty. `list_cost` is NULL then, and where only
a rule of the tenant's knows a price. `unit_prices` and `billed_unit_prices` are JSON objects, price key to
decimal text (see `pricing.rate`), of list and billed cost; empty where the cost is NULL.
"""

CLAIMS: Final = pa.schema(
    [
        pa.field("tenant", NAME, nullable=False),
        pa.field("trace_id", pa.binary(16), nullable=False),
        pa.field("span_id", pa.binary(8), nullable=False),
        pa.field("parent_span_id", pa.binary(8), nullable=False),
        pa.field("started_at", TIMESTAMP, nullable=False),
        pa.field("account_id", NAME, nullable=False),
        pa.field("context", NAME, nullable=False),
        pa.field("transaction_id", pa.string(), nullable=False),
    ]
)
"""One row per span that is no LLM call and whose own attributes say who pays or for what. What is not said is
empty."""

SPANS: Final = pa.schema(
    [
        pa.field("request", pa.int64(), nullable=False),
        pa.field("resource", pa.int64(), nullable=False),
        pa.field("scope", pa.int64(), nullable=False),
        pa.field("trace_id", pa.binary()),
        pa.field("span_id", pa.binary()),
        pa.field("parent_span_id", pa.binary()),
        pa.field("name", pa.string()),
        pa.field("start_time_unix_nano", pa.uint64()),
        pa.field("end_time_unix_nano", pa.uint64()),
        pa.field("status_code", pa.int32()),
    ]
)
"""One row per span, in wire order. `resource` and `scope` are indexes in the lists beside it."""

Scalar = str | bool | int | float | bytes | None
"""An attribute's value. None: none. Bytes, arrays and maps are bytes: there, but neither text nor number."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What produced spans: the attributes of an OTLP resource that have a value."""

    attributes: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Scope:
    """The emitter of spans: an instrumentation scope."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of many owners, end to end: entry i belongs to row `owner[i]`.

    `value` is the encoded AnyValue: it is decoded when it is read, and most never are.
    """

    owner: npt.NDArray[np.int64]
    key: pa.BinaryArray
    value: pa.BinaryArray


@dataclass(frozen=True, slots=True)
class Spans:
    """Decoded trace requests: SPANS, with the attributes, resources and scopes they point to."""

    rows: pa.RecordBatch
    attributes: Attributes
    resources: Sequence[Resource]
    scopes: Sequence[Scope]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request's spans: received = stored + duplicate + rollup + ignored + rejected."""

    received: int = 0
    stored: int = 0
    duplicate: int = 0
    rollup: int = 0
    ignored: int = 0
    rejected: int = 0
    message: str = ""
    """Why spans were rejected: the first reasons, naming span and field. Empty if none were."""


class Permanent(Exception):
    """The request is at fault; sending it again cannot help. `field` names the culprit, if one is."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TooLarge(Permanent):
    """The request is over a limit, which the message names."""


class Unauthenticated(Permanent):
    """No key, or not one we know."""


class Retryable(Exception):
    """We could not take the request now; the sender still owns it. `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
