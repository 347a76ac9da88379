"""The columnar decode gives what the protobuf library gives, and takes every request that it takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_usage.model import Permanent, Scalar, Spans
from otel_usage.otlp.decode import decodable, decode
from tests import captures, oracle, strategies

Flat = list[dict[str, Any]]


def _columns(spans: Spans) -> Flat:
    """Decoded spans, each with all that it points to. Attributes are encoded anew: spelling may differ."""
    rows: Flat = spans.rows.to_pylist()
    for row in rows:
        row["attributes"] = []
        row["resource"] = _shown(spans.resources[row["resource"]].attributes)
        scope = spans.scopes[row["scope"]]
        row["scope"] = (scope.name, scope.version)
    found = spans.attributes
    for owner, key, value in zip(
        found.owner.tolist(), *map(pa.Array.to_pylist, (found.key, found.value)), strict=True
    ):
        rows[owner]["attributes"].append((key.decode(), repr(_scalar(AnyValue.FromString(value)))))
    return rows


def _walk(requests: Sequence[ExportTraceServiceRequest]) -> Flat:
    """The same by the generated classes."""
    return [
        {
            "request": index,
            "resource": _shown(
                {
                    pair.key: value
                    for pair in resource_spans.resource.attributes
                    if (value := _scalar(pair.value)) not in (None, "")
                }
            ),
            "scope": (scope_spans.scope.name, scope_spans.scope.version),
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_span_id": span.parent_span_id,
            "name": span.name,
            "start_time_unix_nano": span.start_time_unix_nano,
            "end_time_unix_nano": span.end_time_unix_nano,
            "status_code": span.status.code,
            "attributes": [(pair.key, repr(_scalar(pair.value))) for pair in span.attributes],
        }
        for index, request in enumerate(requests)
        for resource_spans in request.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
    ]


def _own(rows: Flat) -> Flat:
    """What the spans have of their own."""
    return [{name: value for name, value in row.items() if name not in {"resource", "scope"}} for row in rows]


def _scalar(value: AnyValue) -> Scalar:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    plain = kind in {"string_value", "bool_value", "int_value", "double_value"}
    return getattr(value, kind) if plain else b""


def _shown(attributes: Mapping[str, Scalar]) -> dict[str, str]:
    """As text, in which NaN equals NaN; what is neither text nor number just as that."""
    return {key: "unread" if isinstance(value, bytes) else repr(value) for key, value in attributes.items()}


@pytest.mark.captures
def test_every_captured_request_decodes_as_the_protobuf_library_decodes_it(captured: list[bytes]) -> None:
    assert _columns(decode(captured)) == _walk([oracle.parse(body) for body in captured])


@strategies.examples(200)
@given(st.lists(strategies.requests(), max_size=3))
def test_generated_requests_decode_as_the_protobuf_library_decodes_them(made: list[strategies.Made]) -> None:
    assert _columns(decode([each.body for each in made])) == _walk([each.request for each in made])


@strategies.examples(200)
@given(made=strategies.requests(max_spans=1), share=st.floats(0, 1))
def test_a_truncated_request_is_taken_or_refused_as_the_protobuf_library_does(
    made: strategies.Made, share: float
) -> None:
    truncated = made.body[: round(share * len(made.body))]
    try:
        request = oracle.parse(truncated)
    except DecodeError:
        with pytest.raises(Permanent):
            decode([truncated])
    else:
        assert _columns(decode([truncated])) == _walk([request])


def _refuses_or_agrees(body: bytes) -> None:
    """What the protobuf library takes is taken, as the same spans; what is refused is refused as Permanent.

    Not the other way round: what lies in fields that are never read is not parsed, so damage there
    goes unnoticed, and a field number over 29 bits is skipped like any other unknown field. And of a
    resource or scope that comes in two pieces the last counts, where protobuf would merge them: no
    encoder writes such a thing, but damage can.
    """
    try:
        request = oracle.parse(body)
    except DecodeError:
        try:
            decode([body])
        except Permanent:
            assert not decodable(body)
    else:
        assert decodable(body)
        assert _own(_columns(decode([body]))) == _own(_walk([request]))


@pytest.mark.captures
@strategies.examples(500)
@given(data=st.data())
def test_damaged_captures_are_taken_if_the_protobuf_library_takes_them(
    captured: list[bytes], data: st.DataObject
) -> None:
    _refuses_or_agrees(data.draw(strategies.mutated(captured)))


@strategies.examples(300)
@given(data=st.data(), made=st.lists(strategies.requests(max_spans=1), min_size=1, max_size=3))
def test_damaged_requests_are_taken_if_the_protobuf_library_takes_them(
    data: st.DataObject, made: list[strategies.Made]
) -> None:
    _refuses_or_agrees(data.draw(strategies.mutated([each.body for each in made])))


@strategies.examples(200)
@given(st.binary(max_size=200))
def test_random_bytes_are_a_request_or_a_permanent_refusal(body: bytes) -> None:
    _refuses_or_agrees(body)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize(
    "span",
    [
        pytest.param(
            _field(9, _field(1, b"k") + _field(2, b"\x0a\x01a") + _field(2, b"\x18\x05")), id="value twice"
        ),
        pytest.param(
            _field(9, _field(1, b"k") + _field(2, b"\x0a\x01a\x18\x05")), id="two members of the oneof"
        ),
        pytest.param(_field(9, _field(1, b"k") + _field(2, b"\x18\x05\x18\x06")), id="the same member twice"),
        pytest.param(_field(9, _field(1, b"k")), id="no value"),
        pytest.param(_field(9, b""), id="no key"),
        pytest.param(_field(9, b"\x08\x01" + _field(2, b"\x18\x05")), id="key of another type"),
        pytest.param(_field(5, b"a") + _field(5, b"b"), id="name twice"),
        pytest.param(_field(15, b"\x18\x02") + _field(15, b""), id="status twice"),
        pytest.param(_field(15, b"\x18" + b"\xff" * 9 + b"\x01"), id="negative status"),
        pytest.param(b"\x38\x05", id="start of another type"),
        pytest.param(b"\x5b\x5c", id="a group"),
        pytest.param(_field(9, _field(2, b"\x18\x05") + _field(1, b"k")), id="value before key"),
        pytest.param(_field(9, _field(1, b"a") + _field(1, b"k") + _field(2, b"\x18\x05")), id="key twice"),
        pytest.param(
            _field(9, b"\x0a\x81\x00k" + _field(2, b"\x18\x05")), id="a length of more bytes than it needs"
        ),
    ],
)
def test_unusual_encodings_mean_what_they_mean_to_the_protobuf_library(span: bytes) -> None:
    body = _field(1, _field(2, _field(2, span)))
    assert _columns(decode([body])) == _walk([oracle.parse(body)])


@pytest.mark.parametrize(
    "span",
    [
        pytest.param(_field(5, b"\xff"), id="name that is no UTF-8"),
        pytest.param(b"\x5b", id="a group that does not end"),
        pytest.param(b"\x5c", id="a group that does not begin"),
        pytest.param(b"\x02\x00", id="field number 0"),
        pytest.param(b"\x5e\x00", id="no such wire type"),
        pytest.param(b"\x58" + b"\xff" * 10 + b"\x01", id="a varint of 11 bytes"),
        pytest.param(b"\x0a\x05a", id="a length past the end"),
    ],
)
def test_broken_encodings_are_refused_as_the_protobuf_library_does(span: bytes) -> None:
    body = _field(1, _field(2, _field(2, span)))
    with pytest.raises(DecodeError):
        oracle.parse(body)
    with pytest.raises(Permanent):
        decode([body])


def test_one_bad_request_among_good_ones_is_named_by_decodable() -> None:
    good = ExportTraceServiceRequest().SerializeToString()
    bad = b"\xff\xff"
    with pytest.raises(Permanent, match="not an ExportTraceServiceRequest"):
        decode([good, bad])
    assert [decodable(body) for body in (good, bad)] == [True, False]


def test_no_request_and_an_empty_request_have_no_spans() -> None:
    assert _columns(decode([])) == []
    assert _columns(decode([b"", b""])) == []


@pytest.fixture(scope="module")
def captured() -> list[bytes]:
    paths = captures.files()
    if not paths:
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    return [path.read_bytes() for path in paths]
