"""The naive receiver: what a competent engineer writes first, and the baseline of `bench.e2e`.

Generated gRPC classes, a dict per span, `calc_price` per span, one insert per request, ack after it.
Run as `python -m bench.naive DATA_DIR PORT`.
"""

import asyncio
import datetime as dt
import signal
import sys
import time
from typing import Any, Final

import clickhouse_connect
import grpc
from genai_prices import Usage, calc_price
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from bench.walk import attributes

COLUMNS: Final = (
    *("started_at", "account_id", "trace_id", "span_id", "response_id", "transaction_id"),
    *("provider", "model", "operation", "service_name"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cost", "version"),
)
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS bench.usage
(
    started_at DateTime64(6, 'UTC'), account_id LowCardinality(String),
    trace_id FixedString(16), span_id FixedString(8), response_id String, transaction_id String,
    provider LowCardinality(String), model LowCardinality(String), operation LowCardinality(String),
    service_name LowCardinality(String),
    input_tokens UInt64, output_tokens UInt64, cache_read_tokens UInt64, cost Decimal(38, 18), version UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(started_at)
ORDER BY (account_id, toStartOfHour(started_at), trace_id, span_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, default_compression_codec = 'ZSTD(1)'
"""


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    """One insert per request, one at a time: the client has one session."""

    def __init__(self, data_dir: str) -> None:
        self._client = clickhouse_connect.get_client(interface="chdb", path=data_dir)
        self._client.command("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
        self._client.command(_TABLE)
        self._lock = asyncio.Lock()

    async def Export(  # noqa: N802 (the name is gRPC's)
        self,
        request: trace_service_pb2.ExportTraceServiceRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        del context
        found = rows(request)
        if found:
            async with self._lock:
                await asyncio.to_thread(
                    self._client.insert, "usage", found, column_names=COLUMNS, database="bench"
                )
        return trace_service_pb2.ExportTraceServiceResponse()


def rows(request: trace_service_pb2.ExportTraceServiceRequest) -> list[tuple[Any, ...]]:
    """One row of COLUMNS per LLM span."""
    version = time.time_ns()
    result = []
    for resource_spans in request.resource_spans:
        service = attributes(resource_spans.resource.attributes).get("service.name", "")
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                found = attributes(span.attributes)
                if "gen_ai.operation.name" not in found:
                    continue
                started_at = dt.datetime.fromtimestamp(span.start_time_unix_nano / 1e9, dt.UTC)
                provider = found.get("gen_ai.provider.name", "")
                model = found.get("gen_ai.response.model") or found.get("gen_ai.request.model", "")
                counts = [
                    found.get(f"gen_ai.usage.{name}", 0)
                    for name in ("input_tokens", "output_tokens", "cache_read.input_tokens")
                ]
                cost = calc_price(
                    Usage(input_tokens=counts[0], output_tokens=counts[1], cache_read_tokens=counts[2]),
                    model,
                    provider_id="google" if provider == "gcp.gemini" else provider,
                    genai_request_timestamp=started_at,
                ).total_price
                result.append(
                    (
                        started_at,
                        found.get("otel_usage.account.id", ""),
                        span.trace_id,
                        span.span_id,
                        found.get("gen_ai.response.id", ""),
                        found.get("otel_usage.transaction.id", ""),
                        provider,
                        model,
                        found["gen_ai.operation.name"],
                        service,
                        *counts,
                        cost,
                        version,
                    )
                )
    return result


async def _serve(data_dir: str, port: int) -> None:
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(data_dir), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: asyncio.ensure_future(server.stop(grace=5))
    )
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
