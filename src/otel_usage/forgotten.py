"""The keys of observations that were remembered once: of a key that is in here it may be true."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from otel_usage.chains import Keys
from otel_usage.index import Index
from otel_usage.names import Mask

KEYS: Final = 1 << 20
"""Keys of a kind that are remembered when the observations are forgotten (8 MB a kind, and of numbers as much
for who saw them). A key takes the place that it names."""

_SEVERAL: Final = np.uint64(0)


@dataclass(frozen=True, slots=True)
class Held:
    """The keys of observations: see `Index`."""

    trace: Keys
    call: Keys
    numbers: Keys
    identified: Mask
    emitter: Keys


class Forgotten:
    """The traces, calls and numbers of observations that are remembered no more."""

    def __init__(self, slots: int = KEYS) -> None:
        self._traces, self._calls, self._numbers, self._unidentified = (_Seen(slots) for _ in range(4))
        self._any = self._any_unidentified = False

    def add(self, keys: Held) -> None:
        """Take note of observations."""
        if not len(keys.call):
            return
        lone = ~keys.identified
        self._any = True
        self._any_unidentified |= bool(lone.any())
        self._traces.add(keys.trace)
        self._calls.add(keys.call)
        self._numbers.add(keys.numbers, keys.emitter)
        self._unidentified.add(keys.numbers[lone], keys.emitter[lone])

    def hold(self, keys: Index) -> tuple[Mask, Mask, Mask]:
        """Which of these may be of a trace that is here, which of a call, and which kin by equal numbers."""
        if not self._any:
            none = np.zeros(len(keys.call), np.bool_)
            return none, none, none
        traces, calls = self._traces.hold(keys.trace), self._calls.hold(keys.call)
        if keys.identified.all() and not self._any_unidentified:
            return traces, calls, np.zeros(len(keys.call), np.bool_)
        numbers = keys.numbers[0]
        equal = np.where(
            keys.identified,
            self._unidentified.hold(numbers, keys.emitter),
            self._numbers.hold(numbers, keys.emitter),
        )
        return traces, calls, equal & (numbers != 0)


class _Seen:
    """Keys, and for each the emitter that saw it, if it is one."""

    def __init__(self, slots: int) -> None:
        self._mask = np.uint64(slots - 1)
        self._keys = np.zeros(slots, np.uint64)
        self._emitters: Keys | None = None

    def add(self, keys: Keys, emitter: Keys | None = None) -> None:
        slot = self._slots(keys)
        before = self._keys[slot] == keys
        self._keys[slot] = keys
        if emitter is None:
            return
        if self._emitters is None:
            self._emitters = np.zeros(len(self._keys), np.uint64)
        known = self._emitters[slot]
        self._emitters[slot] = emitter
        other = (self._emitters[slot] != emitter) | (before & (known != emitter))
        self._emitters[slot[other]] = _SEVERAL

    def hold(self, keys: Keys, emitter: Keys | None = None) -> Mask:
        """Which of the keys are here; of those with an emitter, which another emitter saw too."""
        slot = self._slots(keys)
        held: Mask = self._keys[slot] == keys
        if emitter is not None and self._emitters is not None:
            held &= self._emitters[slot] != emitter
        return held

    def _slots(self, keys: Keys) -> Keys:
        return (keys & self._mask).astype(np.int64)
