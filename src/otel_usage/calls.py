"""Which of kindred observations counts, and which observations are the sums of others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from otel_usage.ancestry import NONE, Ancestry
from otel_usage.kinship import NOT_REPORTED, Facts, on_one_path, side_by_side
from otel_usage.names import Mask, Rows, groups

_Merits = npt.NDArray[np.uint64]
_PAIR: Final = 2
_FAR: Final = np.iinfo(np.int64).max
_DEEPEST: Final = 5  # doublings: equal spans of one emitter within each other


@dataclass(frozen=True, slots=True)
class Kin:
    """Pairs of rows that are of one call: `lower` below `upper` on a path, `one` beside `other`."""

    lower: Rows
    upper: Rows
    one: Rows
    other: Rows


def kindred(facts: Facts, above: Rows, eligible: Rows) -> Kin:
    """Which of the eligible rows are kin. `above`: the nearest row above each, or NONE."""
    may = np.zeros(len(above), np.bool_)
    may[eligible] = True
    lower = np.flatnonzero(may & (above != NONE))
    lower = lower[may[above[lower]]]
    lower = lower[on_one_path(facts, lower, above[lower])]
    return Kin(lower, above[lower], *side_by_side(facts, eligible))


def nested(facts: Facts, holder: Rows, kin: Kin) -> Rows:
    """Per row, the row that holds its call, if an emitter's span within an equal span of its own is one call.

    `holder`: the row that holds its response id. The inner span holds, unless only the outer has such an id.
    """
    same = facts.emitter[kin.lower] == facts.emitter[kin.upper]
    lower, upper = holder[kin.lower[same]], holder[kin.upper[same]]
    outer = facts.identified[upper] & ~facts.identified[lower]
    to = np.arange(len(holder))
    to[np.where(outer, lower, upper)] = np.where(outer, upper, lower)
    for _ in range(_DEEPEST):
        to = to[to]
    return to[holder]


def winners(facts: Facts, merit: _Merits, holder: Rows, kin: Kin, settled: tuple[Rows, Rows]) -> Rows:
    """Per row, the row that counts for its call. `settled`: pairs of one call that are known."""
    count = len(holder)
    first = holder[np.concatenate([kin.lower, kin.one, settled[0]])]
    second = holder[np.concatenate([kin.upper, kin.other, settled[1]])]
    first, second = first[first != second], second[first != second]
    if not len(first):
        return holder
    group = _components(count, first, second)
    members = np.unique(np.concatenate([first, second]))
    order = members[np.lexsort((merit[members], group[members]))]
    last = np.append(np.diff(group[order]) != 0, True)
    best = np.zeros(count, np.int64)
    best[group[order[last]]] = order[last]
    chosen = np.arange(count)
    chosen[members] = best[group[members]]
    # Group by group: three and more spans of one call are rare, and may be several calls.
    for together in _split(members, group[members]):
        if len(together) > _PAIR:
            _several(facts, merit, together, chosen)
    return chosen[holder]


def above_call(above: Rows, final: Rows) -> Rows:
    """Per row that counts, the row that counts for the nearest call or roll-up above it, or NONE."""
    rows = np.arange(len(final))
    up = above.copy()
    while True:
        inside = (up != NONE) & (final[np.maximum(up, 0)] == rows)  # another observation of this call
        if not inside.any():
            break
        up[inside] = above[up[inside]]
    return np.where(up == NONE, NONE, final[np.maximum(up, 0)])


def sums(facts: Facts, above: Rows, counts: Mask) -> Rows:
    """The rows that count and whose input and output are those of several calls below them, added up."""
    below = np.flatnonzero(counts & facts.used & (above != NONE))
    upper = above[below]
    inputs, outputs, many = (np.zeros(len(above), np.int64) for _ in range(3))
    np.add.at(inputs, upper, np.maximum(facts.input[below], 0))
    np.add.at(outputs, upper, np.maximum(facts.output[below], 0))
    np.add.at(many, upper, 1)
    equal = (facts.input == inputs) & (np.maximum(facts.output, 0) == outputs)
    return np.flatnonzero(counts & facts.used & (many > 1) & equal)


def uncovered(facts: Facts, ancestry: Ancestry, is_call: Mask, due: Mask) -> Rows:
    """The roll-ups that are due and that no call below them accounts for."""
    rollup = np.flatnonzero(~is_call & due & facts.used)
    if not len(rollup):
        return rollup
    leaves = np.flatnonzero(is_call & facts.used)
    covered = np.zeros(len(is_call), np.bool_)
    at = ancestry.above[leaves]
    while (at != NONE).any():
        at = np.unique(at[at != NONE])
        at = at[~covered[at]]
        covered[at] = True
        at = ancestry.above[at]
    covered[rollup] |= _around_lost(facts, rollup, leaves[ancestry.broken[leaves]])
    return _outermost(facts, ancestry.above, rollup[~covered[rollup]])


def _around_lost(facts: Facts, rollups: Rows, leaves: Rows) -> Mask:
    """Whether a call whose path is not known to its end is of the trace and the time of each roll-up."""
    if not len(leaves):
        return np.zeros(len(rollups), np.bool_)
    # Roll-up by roll-up: of those that are due, which are few.
    return np.array(
        [
            bool(
                (
                    (facts.trace[leaves] == facts.trace[row])
                    & (facts.started[leaves] >= facts.started[row])
                    & (facts.started[leaves] <= facts.ended[row])
                ).any()
            )
            for row in rollups.tolist()
        ],
        np.bool_,
    )


def _outermost(facts: Facts, above: Rows, rollups: Rows) -> Rows:
    """Those roll-ups that no other of them contains: one contains those below whose sums are not greater."""
    inside = np.zeros(len(above), np.bool_)
    inside[rollups] = True
    upper = above[rollups]
    below = (upper != NONE) & inside[np.maximum(upper, 0)]
    inputs, outputs = np.zeros(len(above), np.int64), np.zeros(len(above), np.int64)
    np.add.at(inputs, upper[below], np.maximum(facts.input[rollups[below]], 0))
    np.add.at(outputs, upper[below], np.maximum(facts.output[rollups[below]], 0))
    contains = (inputs <= facts.input) & (outputs <= np.maximum(facts.output, 0))
    return rollups[~(below & contains[np.maximum(upper, 0)])]


def _components(count: int, first: Rows, second: Rows) -> Rows:
    """Number the rows that are connected by pairs."""
    label = np.arange(count)
    while True:
        lowest = np.minimum(label[first], label[second])
        spread = label.copy()
        np.minimum.at(spread, first, lowest)
        np.minimum.at(spread, second, lowest)
        spread = spread[spread]
        if (spread == label).all():
            return label
        label = spread


def _several(facts: Facts, merit: _Merits, members: Rows, chosen: Rows) -> None:
    """Choose what counts among kin: all that the emitter saw which saw the most calls, here with usage.

    Those with response ids are distinct calls, whoever saw them. The others are duplicates: each of the call
    that started nearest to it, of those with its counts if there are any.
    """
    used = members[facts.used[members]]
    views = [*_split(used, facts.emitter[used]), used[facts.identified[used]]]
    most = max(len(view) for view in views)
    if most <= 1:
        return
    # Of those that saw as many: the one with the best observation.
    calls = max((view for view in views if len(view) == most), key=lambda view: int(merit[view].max()))
    chosen[calls] = calls
    others = np.setdiff1d(members, calls)
    every = np.append(calls, others)
    counts = groups([column[every] - NOT_REPORTED for column in (facts.input, facts.output)])[1]
    alike = np.isin(counts[len(calls) :], counts[: len(calls)])
    for rows, number in (
        (others[alike], np.append(counts[: len(calls)], counts[len(calls) :][alike])),
        (others[~alike], np.zeros(len(every) - np.count_nonzero(alike), np.int64)),
    ):
        if len(rows):
            chosen[rows] = nearest(facts.started, calls, rows, number)


def nearest(started: Rows, calls: Rows, rows: Rows, number: Rows) -> Rows:
    """Per row, the call of its number that started nearest to it; of two as near, the earlier.

    `number`: of the calls, then of the rows. There is a call of each.
    """
    times, time = np.unique(started[np.append(calls, rows)], return_inverse=True)
    place = number * len(times) + time
    order = np.argsort(place[: len(calls)], kind="stable")
    line, wanted = place[: len(calls)][order], place[len(calls) :]
    after = np.searchsorted(line, wanted)
    before = np.searchsorted(line, line[np.maximum(after - 1, 0)])  # the first of those that started then
    after = np.minimum(after, len(calls) - 1)
    nearness = []
    for at in (before, after):
        away = np.abs(started[calls[order[at]]] - started[rows])
        nearness.append(np.where(number[order[at]] == number[len(calls) :], away, _FAR))
    return calls[order[np.where(nearness[0] <= nearness[1], before, after)]]


def _split(rows: Rows, by: Rows) -> Sequence[Rows]:
    """The rows in parts that are equal in `by`, in the order of that, each in the order of the rows."""
    order = np.argsort(by, kind="stable")
    starts = np.flatnonzero(np.diff(by[order]))
    return np.split(rows[order], starts + 1)
