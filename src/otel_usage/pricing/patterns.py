"""Patterns of model names: a text in any case, in which `*` stands for any text, also none."""

from dataclasses import dataclass
from typing import Final, Self

_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a name must be. Everything but `*` is literal: `?`, `[` and `.` too.

    Matching takes time linear in the name, whatever the pattern: names come from outside.
    """

    parts: tuple[str, ...]
    """The literal texts between the `*`, folded."""

    @classmethod
    def of(cls, text: str) -> Self:
        """The pattern that is written so."""
        return cls(tuple(text.casefold().split(_ANY)))

    @property
    def exact(self) -> bool:
        """Whether it means one name only."""
        return len(self.parts) == 1

    @property
    def literal(self) -> int:
        """How many characters of a name it says."""
        return sum(map(len, self.parts))

    def matches(self, name: str) -> bool:
        """Whether it means this name."""
        text = name.casefold()
        first, *middle = self.parts
        if not middle:
            return text == first
        last = middle.pop()
        if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
            return False
        at, end = len(first), len(text) - len(last)
        for part in middle:  # the leftmost place of each leaves the most room for those after it
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    def meets(self, other: Self) -> bool:
        """Whether there is a name that both mean."""
        if self.exact:
            return other.matches(self.parts[0])
        if other.exact:
            return self.matches(other.parts[0])
        ones, others = _ANY.join(self.parts), _ANY.join(other.parts)
        # meets[j]: whether what is left of `ones` and `others[j:]` mean a name in common. From the end on.
        meets = [not others[at:].strip(_ANY) for at in range(len(others) + 1)]
        for mine in reversed(ones):
            below, meets = meets, [False] * len(meets)
            meets[-1] = below[-1] and mine == _ANY
            for at in reversed(range(len(others))):
                if _ANY in (mine, others[at]):
                    # A `*` ends here, or takes what the other has here.
                    meets[at] = below[at] or meets[at + 1]
                else:
                    meets[at] = mine == others[at] and below[at + 1]
        return meets[0]
