"""The load: exporters that send raw OTLP bodies over gRPC, each on a connection of its own."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bench import bodies

_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", -1),
)
_TIMEOUT: Final = 60.0
_RETRY_PAUSE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """What the exporters saw. Times are seconds, from sending to the ack, refusals included."""

    requests: int
    refused: int
    seconds: float
    ack_seconds: list[float]

    def ack_ms(self, quantile: float) -> float:
        """A quantile of the time to the ack, in milliseconds."""
        ordered = sorted(self.ack_seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


def send(
    port: int, templates: Sequence[bytes], numbers: range, *, exporters: int = 1, pause: float = 0.0
) -> Load:
    """Sends one request per number; each must be acknowledged with no span rejected.

    Raises:
        grpc.RpcError: answered with anything but success or UNAVAILABLE (which is sent again).
        RuntimeError: spans were rejected.
    """
    return asyncio.run(_send(port, templates, numbers, exporters, pause))


async def _send(port: int, templates: Sequence[bytes], numbers: range, exporters: int, pause: float) -> Load:
    queue = iter(numbers)
    cycle = itertools.cycle(templates)
    started = time.perf_counter()
    done = await asyncio.gather(*(_exporter(port, queue, cycle, pause) for _ in range(exporters)))
    seconds = time.perf_counter() - started
    return Load(
        requests=len(numbers),
        refused=sum(refused for refused, _ in done),
        seconds=seconds,
        ack_seconds=[ack for _, acks in done for ack in acks],
    )


async def _exporter(
    port: int, numbers: Iterator[int], templates: Iterator[bytes], pause: float
) -> tuple[int, list[float]]:
    refused = 0
    acks = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS) as channel:
        await channel.channel_ready()
        export = channel.unary_unary(_EXPORT, None, None)
        for number in numbers:
            body = bodies.stamp(next(templates), number)
            sent = time.perf_counter()
            while True:
                try:
                    _check(await export(body, timeout=_TIMEOUT))
                    break
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    refused += 1
                    await asyncio.sleep(_RETRY_PAUSE)
            acks.append(time.perf_counter() - sent)
            if pause:
                await asyncio.sleep(pause)
    return refused, acks


def _check(answer: bytes) -> None:
    response = ExportTraceServiceResponse.FromString(answer)
    if response.partial_success.rejected_spans:
        raise RuntimeError(f"spans were rejected: {response.partial_success.error_message}")
