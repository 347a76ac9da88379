"""What fails again and again, in a loop that goes on all the same: told once, until it works or differs."""

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
