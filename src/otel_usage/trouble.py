"""What is done again and again, and may fail: it goes on all the same, and is told once, until it works."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from otel_usage.model import Retryable


class Trouble:
    """Logs why: `not_now` is a warning, of what may pass; `never` an error, with its traceback."""

    def __init__(self, not_now: str, never: str) -> None:
        self._not_now = not_now
        self._never = never
        self._told = ""

    def over(self) -> None:
        """It worked."""
        self._told = ""

    def tell(self, error: Exception) -> None:
        """It failed. What it said the last time is not said again."""
        if str(error) == self._told:
            return
        self._told = str(error)
        log = structlog.get_logger()
        if isinstance(error, Retryable):
            log.warning(self._not_now, reason=str(error))
        else:
            log.error(self._never, exc_info=error)


async def repeat(job: Callable[[], Awaitable[None]], interval: float, trouble: Trouble) -> None:
    """Do a job every `interval` seconds, for ever. What fails changes nothing, and is tried again."""
    while True:
        await asyncio.sleep(interval)
        try:
            await job()
            trouble.over()
        except Exception as error:  # noqa: BLE001  whatever it is, the next time may be better
            trouble.tell(error)
