"""A call that its caller tells of, over REST, as an observation: the same kind of row as a span makes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from otel_usage import identity
from otel_usage.attributes import AUDIO_STT, AUDIO_TTS, CUSTOMER
from otel_usage.model import OBSERVATIONS

OPERATIONS: Final = {
    "text": "chat",
    "embedding": "embeddings",
    "audio_stt": "generate_content",
    "audio_tts": "generate_content",
}
"""`gen_ai.operation.name` by usage type."""

AUDIO: Final = {AUDIO_STT: "input_audio_ns", AUDIO_TTS: "output_audio_ns"}
"""The column of a call's audio, by usage type. No other call has any."""

_RANK: Final = 8  # as a call's own span, see identity.versions
_STATUSES: Final = ("missing", "estimated", "reported")  # in the order of identity.versions
_NO_ID: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class Record:
    """One call, as its caller states it. `key` is its identity within the tenant: told twice, it is one call.

    Counts are None where not given. `cached_tokens` and `cache_write_tokens` are part of `input_tokens`,
    `reasoning_tokens` are of `output_tokens`. `audio_ns`, nanoseconds, is of the usage types in AUDIO only.
    """

    key: bytes
    model: str
    account_id: str = ""
    transaction_id: str = ""
    context: str = CUSTOMER
    usage_type: str = "text"
    provider: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_ns: int | None = None
    input_characters: int | None = None
    web_searches: int | None = None
    rerank_searches: int | None = None
    output_images: int | None = None
    started_at_ns: int | None = None


def to_observation(record: Record, tenant: str, now_ns: int) -> pa.Table:
    """`record` as a table of one OBSERVATIONS row. A call without start is taken to start at `now_ns`."""
    usage = {
        "input_tokens": record.input_tokens,
        "output_tokens": record.output_tokens,
        **_quantities(record),
    }
    status = "missing" if all(count is None for count in usage.values()) else "reported"
    counts = usage | {
        "cache_read_tokens": record.cached_tokens,
        "cache_write_tokens": record.cache_write_tokens,
        "reasoning_tokens": record.reasoning_tokens,
    }
    told = {
        "tenant": tenant,
        "account_id": record.account_id,
        "started_at": now_ns if record.started_at_ns is None else record.started_at_ns,
        "call_id": identity.call_id(tenant, "record", record.key),
        "version": _version(status, sum(count is not None for count in counts.values())),
        "role": "inference",
        "signal": "record",
        "trace_id": _NO_ID,
        "span_id": _NO_ID[:8],
        "parent_span_id": _NO_ID[:8],
        "context": record.context,
        "attribution": "record",
        "transaction_id": record.transaction_id,
        "usage_type": record.usage_type,
        "operation": OPERATIONS[record.usage_type],
        "provider": record.provider,
        "response_model": record.model,
        "usage_status": status,
        "usage_convention": "inclusive",
        "convention_source": "api",
    }
    row = {field.name: _absent(field) for field in OBSERVATIONS} | counts | told
    return pa.Table.from_pylist([row], schema=OBSERVATIONS)


def _quantities(record: Record) -> dict[str, int | None]:
    """What it is paid by beside tokens."""
    quantities = {
        "input_characters": record.input_characters,
        "web_searches": record.web_searches,
        "rerank_searches": record.rerank_searches,
        "output_images": record.output_images,
    }
    return (
        quantities if record.audio_ns is None else {**quantities, AUDIO[record.usage_type]: record.audio_ns}
    )


def _version(status: str, detail: int) -> int:
    levels = {
        "status": _STATUSES.index(status),
        "detail": detail,
        "rank": _RANK,
        "payer": 1,
    }
    version = identity.versions(
        **{name: np.array([level], np.uint64) for name, level in levels.items()},
        span_ids=pa.array([_NO_ID[:8]], pa.binary(8)),
    )
    return int(version[0])


def _absent(field: pa.Field) -> str | int | None:
    """What a column says of a call that has nothing to say there."""
    if field.nullable:
        return None
    return 0 if pa.types.is_integer(field.type) else ""
