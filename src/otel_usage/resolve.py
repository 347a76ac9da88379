"""One call, one charge: of several observations of a call, the one that counts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Resolution:
    """The observations that count, and which rows of those given they and the duplicates were."""

    observations: pa.Table
    kept: npt.NDArray[np.int64]
    duplicates: npt.NDArray[np.int64]


def resolve(observations: pa.Table) -> Resolution:
    """Keep, of the observations of one call within a commit, the one of the highest version.

    The table does the same across commits (ReplacingMergeTree); doing it here gives the call one key
    where its observations would have two.
    """
    prefix = np.sort(_prefix(observations["call_id"]))
    if not (prefix[1:] == prefix[:-1]).any():
        return Resolution(observations, np.arange(len(prefix)), np.zeros(0, np.int64))
    call = np.unique(_identities(observations["call_id"]), return_inverse=True)[1]
    version = observations["version"].to_numpy()
    best_last = np.lexsort((version, call))
    last = np.append(np.diff(call[best_last]) != 0, True)
    winners = np.sort(best_last[last])
    losers = np.sort(best_last[~last])
    return Resolution(observations.take(pa.array(winners)), winners, losers)


def _identities(call_id: pa.ChunkedArray) -> npt.NDArray[np.void]:
    array = call_id.combine_chunks()
    return np.frombuffer(array.buffers()[1], dtype="V16", count=len(array), offset=16 * array.offset)


def _prefix(call_id: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Half of each identity: enough to see that all differ, which is the usual case."""
    return _identities(call_id).view("<u8")[::2]
