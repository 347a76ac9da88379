"""What an event is: a log record that tells a call to a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from otel_usage.dialects.dialect import CHAT, Aliases, Dialect

EVENT_NAME: Final = "event.name"
"""The name of an event, from before records had a field for it."""
EVENT_TIME: Final = "event.timestamp"
"""When the event happened, in ISO 8601: from emitters whose record has no time, or one of its own."""
DURATION_MS: Final = "duration_ms"
"""How long the call took that the event is the end of."""

MILLISECOND: Final = 1_000_000
"""In nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What makes two records one event, where no response id does: its family, its time, its own attributes.

    Nothing in it differs between the records of an event, nor when one is sent again.
    """

    family: str
    """Events of one family may tell one call."""
    attributes: Sequence[Aliases]
    """Of each group the first that is there."""
    step_ns: int = MILLISECOND
    """To what the time is exact. It is EVENT_TIME, or the record's if that is not there."""
    in_trace: bool = False
    """Whether trace id and span id are part of it."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Who serves a call if a text fits a pattern, as of `fnmatch`."""

    attribute: str
    pattern: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One kind of log record that tells a call."""

    dialect: Dialect
    """What its attributes mean."""
    identity: Identity
    names: Aliases
    """Its names: the record's event name, EVENT_NAME or the body."""
    scopes: Aliases = ()
    """Patterns of the emitters (as of `fnmatch`) by whom the names are meant so; none: by any."""
    short_names: Aliases = ()
    short_scopes: Aliases = ()
    """Names that only these emitters mean so."""
    when: Mapping[str, str] = field(default_factory=dict)
    """Attributes, and the value that each must have."""
    tells: Aliases = ()
    """Attributes of which it must have one; none: it tells a call in any case."""
    failed: bool = False
    """Whether the call failed."""
    operation: str = CHAT
    """What was done, if no attribute says it."""
    more_input: Aliases = ()
    """Tokens that were sent to the model, and that its input count lacks."""
    zero_if_made_up: Aliases = ()
    """Counts that are 0 where the emitter made up the others. Such zeros, of a record that is of no span, are
    taken as not there."""
    hints: Sequence[Hint] = ()
    """Who served the call, if it is not whom its emitter usually calls."""
    identified_by_response: bool = True
    """Whether its response id is the call's identity. Not if another record of the same call lacks it."""
