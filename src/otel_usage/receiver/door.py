"""What both wires do with a request: hand it in, and answer in time whatever happens behind the door."""

import asyncio

import structlog

from otel_usage.ingest import Ingest
from otel_usage.model import Outcome, Permanent, Retryable, Signal


async def export(  # noqa: PLR0913 (what a wire knows of a request)
    ingest: Ingest, body: bytes, *, tenant: str, signal: Signal, within: float, retry_after: float
) -> Outcome:
    """What became of `body`, once it is durable; the sender waits at most `within` seconds for that.

    A commit that has begun goes on when the sender has left or the time is up: sent again, its
    spans land on themselves. Raises what `Ingest.export` raises, and Retryable when time is up.
    """
    taken = asyncio.ensure_future(ingest.export(body, tenant=tenant, signal=signal))
    taken.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        async with asyncio.timeout(within):
            return await asyncio.shield(taken)
    except TimeoutError:
        raise Retryable(
            f"Not durable within {within:.1f} s: send it again.", retry_after=retry_after
        ) from None


def log_bug(error: Exception, wire: str) -> None:
    """Log an error that is no one's but ours. What a sender did wrong is told to the sender alone."""
    if not isinstance(error, Permanent | Retryable):
        structlog.get_logger().error("request failed", wire=wire, exc_info=error)
