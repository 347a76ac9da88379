"""Which observations are of one call though they share no identity: by numbers, names and places in a trace.

Two spans of one call lie on one path of their trace, or side by side, or even in two traces; one may lack
what the other has. What proves that they are one call, in this order:

- The same response id: then they have one identity, and are not here.
- **On one path**: one is the nearest model call above the other (a log record is below its span), the times
  overlap, the models do not contradict, and input or output tokens are equal, or one of them reports none. Of
  one emitter both are equal, or it is the upper that reports none.
- **Side by side**: input and output tokens are equal and not all zero, the times overlap, the models do not
  contradict, and the emitters differ; in one trace or in one service. An output without reasoning equals one
  that contains what the other reports of it. At least one of the two has no response
  id. Of several equal calls at one time each observation of one emitter meets one of the other.

Two different response ids are never one call, nor is a call that failed and one that did not.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_usage.chains import Keys
from otel_usage.names import Mask, Names, Rows

TOLERANCE_NS: Final = 2_000_000_000
"""How far apart observations of one call may be: an event is logged, and a stream read to its end, after the
span has ended."""

NOT_REPORTED: Final = -1

_Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is compared of observations: a column each. Counts are NOT_REPORTED where NULL."""

    trace: Keys
    service: Keys
    emitter: _Integers
    """Number of the scope and signal."""
    identified: Mask
    """Whether there is a response id that is unique."""
    started: _Integers
    ended: _Integers
    input: _Integers
    output: _Integers
    reasoning: _Integers
    """0 where not reported."""
    used: Mask
    """Whether usage is reported."""
    failed: Mask
    request_model: Names
    response_model: Names
    payer: _Integers
    """Number of what the observation itself says of its payer; 0 if nothing."""

    @property
    def reasoned(self) -> Mask:
        """Whether reasoning tokens are reported."""
        return self.reasoning > 0

    @classmethod
    def of(cls, table: pa.Table, trace: Keys, identified: Mask) -> "Facts":
        """The facts in OBSERVATIONS; `trace` has the keys of the rows' traces."""
        scope, signal = Names.of(table["scope_name"]), Names.of(table["signal"])
        service, tenant = Names.of(table["service_name"]), Names.of(table["tenant"])
        started = table["started_at"].to_numpy().astype(np.int64)
        status = Names.of(table["usage_status"])
        used = status.is_one_of(("reported",))
        account, context = Names.of(table["account_id"]), Names.of(table["context"])
        own = Names.of(table["attribution"]).is_one_of(("span",))
        return cls(
            trace=trace,
            service=_numbers(service, tenant).astype(np.uint64),
            emitter=_numbers(scope, signal),
            identified=identified,
            started=started,
            ended=started + table["duration_ns"].to_numpy().astype(np.int64),
            input=_counts(table["input_tokens"]),
            output=_counts(table["output_tokens"]),
            reasoning=np.maximum(_counts(table["reasoning_tokens"]), 0),
            used=used,
            failed=Names.of(table["error_type"]).non_empty() & ~used,
            request_model=Names.of(table["request_model"]),
            response_model=Names.of(table["response_model"]),
            payer=np.where(own, _numbers(account, context) + 1, 0),
        )


def on_one_path(facts: Facts, rows: Rows, above: Rows) -> Mask:
    """Whether the row of each pair, and the one that is above it, are of one call."""
    alone = ~facts.used[rows] | ~facts.used[above]
    equal_input = (facts.input[rows] == facts.input[above]) & (facts.input[rows] > 0)
    equal_output = (facts.output[rows] == facts.output[above]) & (facts.output[rows] > 0)
    same_emitter = facts.emitter[rows] == facts.emitter[above]
    wrapper = facts.used[rows] & ~facts.used[above]
    alike = np.where(same_emitter, wrapper | (equal_input & equal_output), alone | equal_input | equal_output)
    alike &= facts.failed[rows] == facts.failed[above]
    alike &= ~(facts.identified[rows] & facts.identified[above])
    return alike & _overlap(facts, rows, above) & _models_agree(facts, rows, above)


def side_by_side(facts: Facts, eligible: Rows) -> tuple[Rows, Rows]:
    """Pairs of rows that are one call by their numbers and times."""
    usable = facts.used[eligible] & (facts.input[eligible] + facts.output[eligible] > 0)
    rows = eligible[usable]
    pairs = [_pairs(facts, rows, place[rows], facts.output) for place in (facts.trace, facts.service)]
    if facts.reasoned[rows].any():
        plain = facts.output - facts.reasoning
        for place in (facts.trace, facts.service):
            first, second = _pairs(facts, rows, place[rows], plain)
            fit = facts.reasoned[first] != facts.reasoned[second]
            pairs.append((first[fit], second[fit]))
    return np.concatenate([first for first, _ in pairs]), np.concatenate([second for _, second in pairs])


def _pairs(facts: Facts, rows: Rows, place: Keys, output: _Integers) -> tuple[Rows, Rows]:
    """Pairs within a place (a trace, a service): equal counts, at one time, of different emitters."""
    # All with a response id are distinct calls, whoever saw them: they count as one emitter.
    emitter = np.where(facts.identified[rows], 0, facts.emitter[rows] + 1)
    order = np.lexsort((facts.started[rows], output[rows], facts.input[rows], place))
    rows, emitter, place = rows[order], emitter[order], place[order]
    group = _runs(place, facts.input[rows], output[rows])
    moment = group + _moments(group, facts.started[rows], facts.ended[rows] + TOLERANCE_NS)
    turn = _turns(moment, emitter)
    by_turn = np.lexsort((emitter, turn, moment))
    rows, moment, turn = rows[by_turn], moment[by_turn], turn[by_turn]
    call = _runs(moment, turn)
    first = rows[np.searchsorted(call, call)]
    pair = np.flatnonzero(first != rows)
    first, second = first[pair], rows[pair]
    fit = facts.emitter[first] != facts.emitter[second]
    fit &= _overlap(facts, first, second) & _models_agree(facts, first, second)
    fit &= (
        (facts.payer[first] == facts.payer[second]) | (facts.payer[first] == 0) | (facts.payer[second] == 0)
    )
    return first[fit], second[fit]


def _runs(*sorted_columns: npt.NDArray[np.integer]) -> _Integers:
    """Number the runs of rows that are equal in all columns."""
    rows = len(sorted_columns[0])
    starts = np.zeros(rows, np.bool_)
    for column in sorted_columns:
        starts[1:] |= column[1:] != column[:-1]
    return np.cumsum(starts)


def _moments(group: _Integers, started: _Integers, ended: _Integers) -> _Integers:
    """Per row, a number that grows when, within its group, all before have ended. Sorted by start."""
    if not len(group):
        return group
    base = started.min()
    span = int((ended - base).max(initial=0)) + 1
    # Each group after the other on one time line, so that one running maximum serves them all.
    offset = group.astype(np.float64) * span
    if offset[-1] < 2.0**62:
        line = group * span
        latest = np.maximum.accumulate(ended - base + line)
        starts = np.zeros(len(group), np.bool_)
        starts[1:] = (started - base + line)[1:] > latest[:-1]
        return np.cumsum(starts)
    return np.zeros(len(group), np.int64)  # too many for one line: all of a group are of one moment


def _turns(moment: _Integers, emitter: _Integers) -> _Integers:
    """Per row, how many rows of its emitter are before it in its moment."""
    order = np.lexsort((np.arange(len(moment)), emitter, moment))
    run = _runs(moment[order], emitter[order])
    first = np.searchsorted(run, run)
    turns = np.zeros(len(moment), np.int64)
    turns[order] = np.arange(len(moment)) - first
    return turns


def _overlap(facts: Facts, rows: Rows, others: Rows) -> Mask:
    """Whether the times of each pair overlap, or nearly."""
    overlap: Mask = facts.started[others] <= facts.ended[rows] + TOLERANCE_NS
    overlap &= facts.started[rows] <= facts.ended[others] + TOLERANCE_NS
    return overlap


def _models_agree(facts: Facts, rows: Rows, others: Rows) -> Mask:
    """Whether the models of each pair may be one: a name of the one begins with a name of the other."""
    names = [
        column.take(side).array().to_pylist()
        for side in (rows, others)
        for column in (facts.request_model, facts.response_model)
    ]
    # Pair by pair: only of observations that are alike in all else.
    return np.array([_agree(*pair) for pair in zip(*names, strict=True)], np.bool_)


@lru_cache(4_096)
def _agree(request: str, response: str, other_request: str, other_response: str) -> bool:
    mine = {_bare(name) for name in (request, response) if name}
    others = {_bare(name) for name in (other_request, other_response) if name}
    if not mine or not others:
        return True
    return any(one.startswith(other) or other.startswith(one) for one in mine for other in others)


def _bare(model: str) -> str:
    """A model's name without the path or the cloud's prefix before it."""
    return model.lower().rpartition("/")[2].rpartition("anthropic.")[2]


def _numbers(first: Names, second: Names) -> _Integers:
    """A number for each pair of texts, the same for the same pair."""
    return first.index.astype(np.int64) * len(second.dictionary) + second.index


def _counts(column: pa.ChunkedArray) -> _Integers:
    return column.fill_null(0).to_numpy().astype(np.int64) + np.where(
        column.is_null().to_numpy(zero_copy_only=False), NOT_REPORTED, 0
    )
