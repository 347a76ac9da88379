"""Versions of emitters, as they compare."""

import re
from dataclasses import dataclass
from typing import Final

_PATTERN: Final = re.compile(r"[vV]?(\d{1,9}(?:\.\d{1,9}){0,9})(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Numbers, compared one by one, missing ones as 0; what is behind them makes it a version before."""

    numbers: tuple[int, ...]
    final: bool = True

    @classmethod
    def parse(cls, text: str) -> "Version | None":
        """`1.3b0`, `v2.0.1`, `0.1.20-rc.1`; None if it does not begin with numbers."""
        match = _PATTERN.match(text.strip())
        if match is None:
            return None
        numbers = [int(number) for number in match[1].split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        return cls(tuple(numbers), not match[2] or match[2].startswith(("+", ".post")))

    @classmethod
    def of(cls, text: str) -> "Version":
        """A version that is known to be one. Raises ValueError if it is not."""
        version = cls.parse(text)
        if version is None:
            raise ValueError(f"not a version: {text}")
        return version
