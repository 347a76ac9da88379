"""Log records as coding agents and OpenTelemetry's instrumentations write them, and what is made of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otel_usage import events
from otel_usage.extraction import Extraction
from otel_usage.model import TOKEN_COLUMNS
from otel_usage.otlp.decode import decode_logs
from tests import strategies

Row = Mapping[str, Any]
Value = str | int | float | bool

NOW_NS: Final = strategies.NOW_NS
AT: Final = "2026-11-23T04:13:24.000Z"
AT_NS: Final = 1_795_407_204_000_000_000
TRACE, SPAN = bytes(range(16)), bytes(range(8))
RESPONSE_ID: Final = "chatcmpl-0123456789abcdef"

CLAUDE: Final = "com.anthropic.claude_code.events"
CODEX_LOG, CODEX_TRACE = "codex_otel.log_only", "codex_cli_rs"
GEMINI: Final = "gemini-cli"
DETAILS: Final = "gen_ai.client.inference.operation.details"


def _value(value: Value) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)


def pairs(attributes: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def record(attributes: Mapping[str, Value], *, body: str = "", **fields: Any) -> LogRecord:  # noqa: ANN401
    """A log record of AT."""
    told = {"time_unix_nano": AT_NS, "observed_time_unix_nano": AT_NS + 5, **fields}
    return LogRecord(attributes=pairs(attributes), body=_value(body) if body else None, **told)


def request(
    scope: str, *records: LogRecord, resource: Mapping[str, Value] | None = None
) -> ExportLogsServiceRequest:
    return ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(
                resource=Resource(attributes=pairs(resource or {})),
                scope_logs=[ScopeLogs(scope=InstrumentationScope(name=scope), log_records=records)],
            )
        ]
    )


def extracted(*requests: ExportLogsServiceRequest) -> Extraction:
    records = decode_logs([request.SerializeToString() for request in requests])
    return events.observations(records, ["default"] * len(requests), now_ns=NOW_NS, max_clock_skew_ns=0)


def rows_of(scope: str, *records: LogRecord, resource: Mapping[str, Value] | None = None) -> list[Row]:
    return flat(extracted(request(scope, *records, resource=resource)))


def flat(extraction: Extraction) -> list[Row]:
    """The observations, with their start in nanoseconds."""
    rows: list[dict[str, Any]] = extraction.observations.drop(["started_at"]).to_pylist()
    starts = extraction.observations["started_at"].cast(pa.int64()).to_pylist()
    return [row | {"started_at": start} for row, start in zip(rows, starts, strict=True)]


def calls_of(rows: Sequence[Row]) -> list[Row]:
    """The observation of each call that wins, in order of their counts."""
    best: dict[bytes, Row] = {}
    for row in rows:
        if row["call_id"] not in best or row["version"] > best[row["call_id"]]["version"]:
            best[row["call_id"]] = row
    return sorted(best.values(), key=lambda row: (row["input_tokens"] or 0, row["output_tokens"] or 0))


def counts_of(row: Row) -> dict[str, int]:
    return {name.removesuffix("_tokens"): row[name] for name in TOKEN_COLUMNS if row[name] is not None}


def claude(**changed: Value) -> dict[str, Value]:
    told: dict[str, Value] = {
        "event.name": "api_request",
        "event.timestamp": AT,
        "event.sequence": 2,
        "session.id": "1c0ffee0-0000-4000-8000-000000000042",
        "model": "claude-opus-5",
        "cost_usd": 0.101225,
        "cost_usd_micros": 101225,
        "duration_ms": 871,
        "input_tokens": 348,
        "output_tokens": 777,
        "cache_read_tokens": 68246,
        "cache_creation_tokens": 7350,
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    }
    return told | changed


def codex(**changed: Value) -> dict[str, Value]:
    told: dict[str, Value] = {
        "event.name": "codex.sse_event",
        "event.kind": "response.completed",
        "event.timestamp": AT,
        "conversation.id": "0199c0de-0000-7000-8000-000000000042",
        "model": "gpt-5.1-codex",
        "input_token_count": "26456",
        "output_token_count": "1794",
        "cached_token_count": 16384,
        "cache_write_token_count": 790,
        "reasoning_token_count": 896,
        "tool_token_count": "28250",
    }
    return told | changed


def gemini(**changed: Value) -> dict[str, Value]:
    told: dict[str, Value] = {
        "event.name": "gemini_cli.api_response",
        "event.timestamp": AT,
        "session.id": "sess-42",
        "model": "gemini-2.5-pro",
        "duration_ms": 1900,
        "input_token_count": 21499,
        "output_token_count": 1169,
        "cached_content_token_count": 2758,
        "thoughts_token_count": 844,
        "tool_token_count": 0,
        "total_token_count": 23512,
        "status_code": 200,
    }
    return told | changed


def gemini_details(**changed: Value) -> dict[str, Value]:
    told: dict[str, Value] = {
        "event.name": DETAILS,
        "event.timestamp": AT,
        "session.id": "sess-42",
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gen_ai",
        "gen_ai.request.model": "gemini-2.5-pro",
        "gen_ai.response.model": "gemini-2.5-pro",
        "gen_ai.response.id": "xMUiaZ2hJ7-Z1MkP7dLZ4Ao",
        "gen_ai.usage.input_tokens": 21499,
        "gen_ai.usage.output_tokens": 1169,
    }
    return told | changed


def details(**changed: Value) -> dict[str, Value]:
    told: dict[str, Value] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": RESPONSE_ID,
        "gen_ai.usage.input_tokens": 1500,
        "gen_ai.usage.output_tokens": 500,
        "gen_ai.usage.cache_read.input_tokens": 200,
    }
    return told | changed
