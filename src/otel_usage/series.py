"""Which counter a data point is of: a number for each resource, scope, metric and set of attributes.

It is the sum of hashes of these parts, as attributes have no order. It is the same in every process, and two
counters have the same one with probability 2**-64.
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.model import Attributes, Resource
from otel_usage.names import Names, Rows
from otel_usage.otlp.signals import Points

_Hashes = npt.NDArray[np.uint64]


def of(points: Points, rows: Rows) -> _Hashes:
    """The series of some of the points."""
    batch = points.rows.take(pa.array(rows))
    metric = Names.of(batch["name"])
    resources = _hashes("resource", [_described(each) for each in points.resources])
    scopes = _hashes("scope", [f"{each.name}\0{each.version}".encode() for each in points.scopes])
    metrics = _hashes("metric", [name.encode() for name in metric.dictionary.to_pylist()])
    series = _attribute_sums(points.attributes, rows, points.rows.num_rows)
    series += resources[batch["resource"].to_numpy()]
    series += scopes[batch["scope"].to_numpy()]
    series += metrics[metric.index]
    return series


def _attribute_sums(attributes: Attributes, rows: Rows, points: int) -> _Hashes:
    number = np.full(points, -1)
    number[rows] = np.arange(len(rows))
    mine = np.flatnonzero(number[attributes.owner] >= 0)
    taken = pa.array(mine)
    pairs = pc.binary_join_element_wise(attributes.key.take(taken), attributes.value.take(taken), b"\0")
    encoded = pairs.dictionary_encode()
    hashes = _hashes("attribute", encoded.dictionary.to_pylist())
    sums = np.zeros(len(rows), np.uint64)
    np.add.at(sums, number[attributes.owner[mine]], hashes[encoded.indices.to_numpy()])
    return sums


def _hashes(part: str, texts: Sequence[bytes]) -> _Hashes:
    """A hash of each text. They are distinct, and few."""
    person = part.encode()
    return np.array(
        [int.from_bytes(blake2b(text, digest_size=8, person=person).digest(), "big") for text in texts],
        np.uint64,
    )


def _described(resource: Resource) -> bytes:
    return repr(sorted(resource.attributes.items(), key=lambda attribute: attribute[0])).encode()
