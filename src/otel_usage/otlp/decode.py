"""OTLP trace requests to Arrow: many encoded requests in, one `Spans` out.

ptars (Rust) decodes the list of requests against the cut-down descriptor of `proto`; what is left is to
flatten the nesting. The values of attributes are left encoded, see `columns`.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import ptars
import pyarrow as pa
import pyarrow.compute as pc

from otel_usage.model import SPANS, Attributes, Permanent, Spans
from otel_usage.otlp import origin
from otel_usage.otlp.proto import trace_request

_SPAN_FIELDS: Final = SPANS.names[3:-1]


def decode(bodies: Sequence[bytes]) -> Spans:
    """The spans of ExportTraceServiceRequests; `request` in SPANS is the index in `bodies`.

    Raises Permanent if any of the bodies is not one; it doesn't say which (see `decodable`).
    """
    requests = _record_batch(bodies).column(0)
    resource_spans = requests.values
    scope_spans = resource_spans.field("scope_spans")
    span_lists = scope_spans.values.field("spans")
    spans = span_lists.values

    scope = _parents(span_lists)
    resource = _parents(scope_spans)[scope]
    request = _parents(requests)[resource]
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array(request),
            pa.array(resource),
            pa.array(scope),
            *(spans.field(name) for name in _SPAN_FIELDS),
            spans.field("status").field("code"),
        ],
        schema=SPANS,
    )
    attributes = spans.field("attributes")
    pairs = attributes.values
    return Spans(
        rows=rows,
        attributes=Attributes(_parents(attributes), pairs.field("key"), pairs.field("value")),
        resources=origin.resources(resource_spans.field("resource")),
        scopes=origin.scopes(scope_spans.values.field("scope")),
    )


def decodable(body: bytes) -> bool:
    """Whether `decode` takes this body: to find the culprit after it refused a list."""
    try:
        decode([body])
    except Permanent:
        return False
    return True


def _record_batch(bodies: Sequence[bytes]) -> pa.RecordBatch:
    try:
        return _handler().list_to_record_batch(list(bodies))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # ptars raises several types, and a panic of Rust is no Exception
        raise Permanent(f"not an ExportTraceServiceRequest: {error}") from error


@cache
def _handler() -> ptars._lib.MessageHandler:
    descriptor = trace_request()
    return ptars.HandlerPool([descriptor.file]).get_for_message(descriptor)


def _parents(lists: pa.ListArray) -> npt.NDArray[np.int64]:
    """For each element of the flattened lists, the index of the list it is in."""
    return pc.list_parent_indices(lists).to_numpy()
