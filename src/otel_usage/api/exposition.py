"""The counters as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0 for who asks for that.

In both, the items of a signal are conserved: `otel_usage_received_items_total` is the sum of
`otel_usage_items_total` over its outcomes. Names as of the Collector's own metrics: what, then its unit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from otel_usage.ledger import OUTCOMES, Balance

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_COUNTER, _GAUGE = "counter", "gauge"
_NS: Final = 1_000_000_000
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class _Sample:
    labels: Mapping[str, str]
    value: int | str


@dataclass(frozen=True, slots=True)
class _Family:
    """A metric. `name` is without the `_total` that a counter's samples have."""

    name: str
    kind: str
    told: str
    samples: Sequence[_Sample]


def media_type(accept: str | None) -> str:
    """TEXT or OPEN_METRICS: which of the two an Accept header prefers."""
    wanted = dict(map(_preference, (accept or "").split(",")))
    openly = wanted.get("application/openmetrics-text", 0.0)
    return OPEN_METRICS if openly > 0 and openly >= wanted.get("text/plain", 0.0) else TEXT


def to_text(balance: Balance, media: str) -> str:
    """The balance in the format of a media type, TEXT or OPEN_METRICS."""
    openly = media == OPEN_METRICS
    lines = [line for family in _families(balance) for line in _lines(family, openly=openly)]
    return "\n".join([*lines, *(["# EOF"] if openly else []), ""])


def _preference(media_range: str) -> tuple[str, float]:
    """The media type, and how much it is wanted: 1 if that is not said, 0 if it is unintelligible."""
    media, *parameters = (part.strip().lower() for part in media_range.split(";"))
    weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return media, float(weight)
    except ValueError:
        return media, 0.0


def _families(balance: Balance) -> Sequence[_Family]:
    seconds, ns = divmod(balance.since_ns, _NS)
    return (
        _Family(
            "otel_usage_received_items",
            _COUNTER,
            "Spans, log records, data points and REST records received.",
            [
                _Sample({"signal": each.signal, "emitter": each.emitter}, each.received)
                for each in balance.emitters
            ],
        ),
        _Family(
            "otel_usage_items",
            _COUNTER,
            "What became of those: stored, duplicate, rollup, ignored or rejected.",
            [
                _Sample(
                    {"signal": each.signal, "emitter": each.emitter, "outcome": outcome},
                    getattr(each, outcome),
                )
                for each in balance.emitters
                for outcome in OUTCOMES
            ],
        ),
        _Family(
            "otel_usage_requests",
            _COUNTER,
            "Requests by how they ended: accepted, rejected, refused (sent again), failed.",
            [
                _Sample({"signal": each.signal, "outcome": each.outcome}, each.count)
                for each in balance.requests
            ],
        ),
        _Family(
            "otel_usage_waiting_requests",
            _GAUGE,
            "Requests taken and not answered yet.",
            [_Sample({}, balance.waiting)],
        ),
        _Family(
            "otel_usage_amended_rows",
            _COUNTER,
            "Stored rows that were written anew, as later telemetry told more.",
            [_Sample({}, balance.amended)],
        ),
        _Family(
            "otel_usage_start_time_seconds",
            _GAUGE,
            "When counting began, in seconds since 1970.",
            [_Sample({}, f"{seconds}.{ns // 1_000_000:03d}")],
        ),
    )


def _lines(family: _Family, *, openly: bool) -> Iterator[str]:
    total = f"{family.name}_total" if family.kind == _COUNTER else family.name
    named = family.name if openly else total
    yield f"# HELP {named} {family.told}"
    yield f"# TYPE {named} {family.kind}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{text.translate(_ESCAPES)}"' for name, text in sample.labels.items())
        yield f"{total}{{{labels}}} {sample.value}" if labels else f"{total} {sample.value}"
