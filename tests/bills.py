"""The bill of a capture, compared with the truth: what is charged, what should be, and what is wrong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tests.truth import NAMES, Call, Capture, Counts

COLUMNS: Final = (
    "lower(hex(trace_id)) AS trace_id",
    "lower(hex(span_id)) AS span_id",
    "response_id",
    "toUnixTimestamp64Nano(started_at) AS started_ns",
    "role",
    "usage_status",
    "unpriced_reason",
    "toString(billed_cost) AS cost",
    "scope_name",
    *NAMES,
)
"""What is read of a stored row, in ClickHouse's words."""


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row, as far as the bill goes. Ids are in hex."""

    trace_id: str
    span_id: str
    response_id: str
    started_ns: int
    role: str
    usage_status: str
    unpriced_reason: str
    cost: Decimal | None
    scope_name: str
    counts: Counts

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Row":
        """A row of COLUMNS."""
        told = {name: value for name, value in row.items() if name not in NAMES}
        cost = None if told["cost"] is None else Decimal(told["cost"])
        return cls(**told | {"cost": cost}, counts={name: row[name] for name in NAMES})

    @property
    def charged(self) -> bool:
        """Whether it charges, or would if its price were known."""
        return self.role == "inference" and (self.usage_status == "reported" or self.cost is not None)

    @property
    def listed(self) -> bool:
        """Whether it is listed as a call, though it charges nothing."""
        return self.role == "inference" and not self.charged and self.unpriced_reason != "call_failed"

    @property
    def started(self) -> datetime:
        """When the call started, to the microsecond."""
        return datetime.fromtimestamp(self.started_ns // 1_000 / 1e6, UTC)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a bill. `over`: more is charged than there was to charge."""

    text: str
    over: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """A call of the truth, and our rows of it: those that charge it, and those that list it without usage."""

    call: Call
    charged: Sequence[Row]
    listed: Sequence[Row]

    @property
    def due(self) -> Decimal | None:
        """What should be charged: the price of what the provider counted, as far as told. None: unknown."""
        row = next(iter(self.charged), None)
        return self.call.kind.dollars(_right(self.call, row) if row else self.call.told)

    @property
    def faults(self) -> Iterator[Fault]:
        """What is wrong with it."""
        if len(self.charged) > 1:
            yield Fault("charged twice", over=True)
        if self.charged:
            yield from _miscounts(self.call, self.charged[0])
            yield from _misprices(self.call, self.charged[0])
            yield from (Fault("listed again without usage") for _ in self.listed)
        elif self.call.known:
            yield Fault("usage not read" if self.listed else "not charged")


@dataclass(frozen=True, slots=True)
class Bill:
    """What we charge for one capture, and what is wrong with it. No `faults`: exact."""

    capture: Capture
    rows: Sequence[Row]
    charges: Sequence[Charge]
    faults: Sequence[Fault]

    @property
    def charged(self) -> Sequence[Row]:
        """The rows that charge."""
        return [row for row in self.rows if row.charged]

    @property
    def over(self) -> Sequence[Fault]:
        """The faults that charge too much."""
        return [fault for fault in self.faults if fault.over]

    def count(self, role: str) -> int:
        """How many rows have a role."""
        return sum(row.role == role for row in self.rows)


def compare(captures: Sequence[Capture], rows: Iterable[Row]) -> tuple[Sequence[Bill], Sequence[Row]]:
    """The bill of each capture, and the rows that are of none of them.

    A row is of the capture that has its trace, else of the one that has a call with its counts.
    """
    by_trace = {trace: capture.name for capture in captures for trace in capture.trace_ids}
    by_counts = {
        _numbers(counts): capture.name
        for capture in captures
        for call in capture.calls
        for counts in (call.true, call.told)
    }
    of: dict[str | None, list[Row]] = {}
    for row in rows:
        name = by_trace.get(row.trace_id) or by_counts.get(_numbers(row.counts))
        of.setdefault(name, []).append(row)
    return [_bill(capture, of.get(capture.name, [])) for capture in captures], of.get(None, [])


def _bill(capture: Capture, rows: Sequence[Row]) -> Bill:
    """Each known call must be charged once and rightly, and nothing else may be charged."""
    charged, strays = _assign(capture.calls, [row for row in rows if row.charged])
    listed, idle = _assign(capture.calls, [row for row in rows if row.listed])
    charges = [Charge(*each) for each in zip(capture.calls, charged, listed, strict=True)]
    # A call that is not known may be listed, whatever its row says.
    unseen = sum(not (each.call.known or each.charged or each.listed) for each in charges)
    faults = [
        *(fault for each in charges for fault in each.faults),
        *(Fault("charged for no call", over=True) for _ in strays),
        *(Fault("listed for no call") for _ in idle[unseen:]),
    ]
    return Bill(capture, rows, charges, faults)


def _assign(calls: Sequence[Call], rows: Sequence[Row]) -> tuple[list[list[Row]], list[Row]]:
    """The rows of each call, and those of none."""
    mine: list[list[Row]] = [[] for _ in calls]
    left = list(rows)
    for belongs in (_by_span, _by_response, _by_counts):
        for call, found in zip(calls, mine, strict=True):
            found += [row for row in left if belongs(call, row)]
            left = [row for row in left if not belongs(call, row)]
    return mine, left


def _by_span(call: Call, row: Row) -> bool:
    return row.span_id in call.evidence


def _by_response(call: Call, row: Row) -> bool:
    return bool(call.response_id) and call.response_id == row.response_id


def _by_counts(call: Call, row: Row) -> bool:
    return _numbers(row.counts) in (_numbers(call.true), _numbers(call.told))


def _numbers(counts: Counts) -> tuple[int | None, int | None]:
    """Input and output: in the captures no two calls have the same."""
    return counts["input_tokens"], counts["output_tokens"]


def _right(call: Call, row: Row) -> Counts:
    """The counts that the row of a call should have: its own where they are right.

    A count is right if it is the provider's, or what the capture is said to tell, or what the emitter says,
    as wrong as it may be. What the row has not is what the capture tells.
    """
    return {
        column: call.told[column] if billed is None else billed if _is_right(call, column, billed) else true
        for (column, billed), true in zip(row.counts.items(), call.true.values(), strict=True)
    }


def _is_right(call: Call, column: str, billed: int) -> bool:
    return billed in (call.true[column], call.told[column]) or billed in call.claimed


def _miscounts(call: Call, row: Row) -> Iterator[Fault]:
    """What is wrong with the counts of the row of a call."""
    for column, billed in row.counts.items():
        true, told = call.true[column], call.told[column]
        name = column.removesuffix("_tokens")
        if billed is None:
            if 0 not in (true, told) and told is not None:
                yield Fault(f"{name} missing")
        elif not _is_right(call, column, billed):
            yield Fault(f"{name} wrong")
        elif billed not in (true, told):
            yield Fault(f"{name} wrong at the emitter")


def _misprices(call: Call, row: Row) -> Iterator[Fault]:
    """What is wrong with the cost of the row of a call."""
    cost = call.kind.dollars(_right(call, row), row.started)
    if row.cost is None:
        if cost is not None:
            yield Fault(f"no cost: {row.unpriced_reason}")
    elif cost is None or row.cost > cost:
        yield Fault("charged too much", over=True)
    elif row.cost < cost:
        yield Fault("charged too little")
