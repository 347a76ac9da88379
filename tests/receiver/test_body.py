"""HTTP bodies: gzip within bounds, JSON to the same protobuf, and a clear refusal of everything else."""

import contextlib
import gzip
import itertools
import json
import tracemalloc
import zlib
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_usage.config import MIB
from otel_usage.model import Permanent, Signal, TooLarge
from otel_usage.otlp import body
from otel_usage.otlp.body import JSON, PROTOBUF, UnsupportedMediaType
from tests import signals, strategies
from tests.receiver.wires import PROTOCOLS, Request, otlp_json

LIMIT: Final = 20 * MIB
TEXT: Final = b"0123456789" * 1000


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/x-protobuf", PROTOBUF),
        ("application/protobuf", "application/protobuf"),
        ("application/json", JSON),
        ("Application/JSON; charset=utf-8", JSON),
        (" application/json ;charset=utf-8", JSON),
    ],
)
def test_a_content_type_is_known_by_its_media_type(content_type: str, expected: str) -> None:
    assert body.media_type(content_type) == expected


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-protobuf-v2", "json", ";"])
def test_another_content_type_is_not_supported(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/x-protobuf"):
        body.media_type(content_type)


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
def test_another_content_encoding_is_not_supported(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="gzip"):
        body.protobuf(b"", Signal.TRACES, PROTOBUF, encoding, LIMIT)


@pytest.mark.parametrize("encoding", [None, "", "identity"])
def test_plain_protobuf_is_given_back_as_it_is(encoding: str | None) -> None:
    assert body.is_plain(PROTOBUF, encoding)
    assert body.protobuf(TEXT, Signal.TRACES, PROTOBUF, encoding, LIMIT) is TEXT


# gzip


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_inflated(encoding: str) -> None:
    assert body.protobuf(gzip.compress(TEXT), Signal.TRACES, PROTOBUF, encoding, LIMIT) == TEXT


@given(st.lists(st.binary(max_size=100_000), min_size=1, max_size=4))
@strategies.examples(50)
def test_gzip_of_several_members_is_their_concatenation(parts: list[bytes]) -> None:
    members = b"".join(map(gzip.compress, parts))
    assert body.protobuf(members, Signal.TRACES, PROTOBUF, "gzip", LIMIT) == b"".join(parts)


@given(st.binary(max_size=2000), st.data())
@strategies.examples(100)
def test_truncated_gzip_is_refused(plain: bytes, data: st.DataObject) -> None:
    whole = gzip.compress(plain)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Permanent, match="gzip"):
        body.protobuf(whole[:cut], Signal.TRACES, PROTOBUF, "gzip", LIMIT)


@pytest.mark.parametrize(
    "garbage",
    [
        TEXT,
        zlib.compress(TEXT),
        gzip.compress(TEXT) + b"garbage",
        gzip.compress(TEXT) + gzip.compress(TEXT)[:-1],
        gzip.compress(TEXT)[:-8] + b"\0" * 8,
    ],
    ids=["plain", "zlib", "trailing garbage", "second member truncated", "wrong checksum"],
)
def test_what_is_not_gzip_is_refused(garbage: bytes) -> None:
    with pytest.raises(Permanent, match="gzip"):
        body.protobuf(garbage, Signal.TRACES, PROTOBUF, "gzip", LIMIT)


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_too_large(encoding: str | None) -> None:
    packed = gzip.compress(TEXT) if encoding else TEXT
    assert body.protobuf(packed, Signal.TRACES, PROTOBUF, encoding, len(TEXT)) == TEXT
    with pytest.raises(TooLarge, match="OTEL_USAGE_MAX_HTTP_BODY_BYTES"):
        body.protobuf(packed, Signal.TRACES, PROTOBUF, encoding, len(TEXT) - 1)


@pytest.mark.parametrize("members", [1, 100])
def test_a_gzip_bomb_is_refused_with_little_memory(members: int) -> None:
    limit = MIB
    bomb = gzip.compress(bytes(200 * MIB // members)) * members
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            body.protobuf(bomb, Signal.TRACES, PROTOBUF, "gzip", limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * limit


# JSON


def _survives_json(signal: Signal, request: Request) -> None:
    document = otlp_json(request)
    converted = body.protobuf(json.dumps(document).encode(), signal, JSON, None, LIMIT)
    # Compared as JSON: there is more than one NaN in protobuf.
    assert otlp_json(PROTOCOLS[signal].request.FromString(converted)) == document


@given(strategies.requests())
@strategies.examples(150)
def test_json_becomes_the_protobuf_it_was_made_from(made: strategies.Made) -> None:
    _survives_json(Signal.TRACES, made.request)


@given(signals.logs())
@strategies.examples(100)
def test_json_of_logs_becomes_the_protobuf_it_was_made_from(made: signals.MadeLogs) -> None:
    _survives_json(Signal.LOGS, made.request)


@given(signals.metrics())
@strategies.examples(100)
def test_json_of_metrics_becomes_the_protobuf_it_was_made_from(made: signals.MadeMetrics) -> None:
    _survives_json(Signal.METRICS, made.request)


@pytest.mark.parametrize("signal", Signal)
def test_json_may_be_gzip(signal: Signal) -> None:
    assert body.protobuf(gzip.compress(b"{}"), signal, JSON, "gzip", LIMIT) == b""


def _span(**fields: object) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [fields]}]}]}).encode()


def _attribute(value: object) -> bytes:
    return _span(attributes=[{"key": "a", "value": value}])


def _nested(depth: int) -> bytes:
    value = b'{"arrayValue": {"values": [' * depth + b"{}" + b"]}}" * depth
    return _attribute("HERE").replace(b'"HERE"', value)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe\xff", "decode"),
        (b"[]", "expected <class 'dict'>, got list"),
        (b"null", "got NoneType"),
        (b"1", "got int"),
        (b'{"resourceSpans": {}}', "resource_spans"),
        (b'{"resourceSpans": [null]}', "got NoneType"),
        (b'{"resourceSpans": ' + b"9" * 5000 + b"}", "4300 digits"),
        (_span(traceId="zz"), "trace_id"),
        (_span(traceId="abc"), "trace_id"),
        (_span(traceId=5), "trace_id"),
        (_span(spanId=["ab"]), "span_id"),
        (_span(name=5), "name"),
        (_span(kind="SPAN_KIND_CLIENT"), "kind"),
        (_span(startTimeUnixNano="-1"), "out of range: -1"),
        (_span(startTimeUnixNano="soon"), "start_time_unix_nano"),
        (_span(startTimeUnixNano=2**64), "out of range"),
        (_span(startTimeUnixNano=1.5), "start_time_unix_nano"),
        (_attribute({"intValue": "9" * 5000}), "int_value"),
        (_attribute({"intValue": 2**63}), "out of range"),
        (_attribute({"intValue": {"low": 1}}), "int_value"),
        (_attribute({"doubleValue": "many"}), "double_value"),
        (_attribute({"doubleValue": 10**400}), "too large"),
        (_attribute({"doubleValue": float("nan")}), "NaN is not JSON"),
        (_attribute({"boolValue": "true"}), "bool_value"),
        (_attribute("text"), "got str"),
        (b"[" * 100_000, "nested too deeply"),
        (_nested(400), "nested too deeply"),
    ],
)
def test_what_is_not_otlp_json_is_refused_with_the_reason(broken: bytes, reason: str) -> None:
    with pytest.raises(Permanent) as refused:
        body.protobuf(broken, Signal.TRACES, JSON, None, LIMIT)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"intValue": 7}, 7),
        ({"intValue": "7"}, 7),
        ({"doubleValue": "NaN"}, "NaN"),
        ({"doubleValue": "Infinity"}, "Infinity"),
        ({"doubleValue": 7}, 7.0),
        ({"boolValue": False}, False),
        ({"stringValue": ""}, ""),
        ({"bytesValue": "AAEC"}, "AAEC"),
    ],
)
def test_json_values_keep_their_type(value: dict[str, Any], expected: object) -> None:
    converted = body.protobuf(_attribute(value), Signal.TRACES, JSON, None, LIMIT)
    request = ExportTraceServiceRequest.FromString(converted)
    [attribute] = otlp_json(request)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
    assert list(attribute["value"]) == list(value)
    [kept] = attribute["value"].values()
    assert kept == (str(expected) if "intValue" in value else expected)


def test_json_may_be_nested_as_deep_as_protobuf_may() -> None:
    converted = body.protobuf(_nested(30), Signal.TRACES, JSON, None, LIMIT)
    request = ExportTraceServiceRequest.FromString(converted)
    assert json.dumps(otlp_json(request)).count("arrayValue") == 30


def test_a_text_cut_in_the_middle_of_a_character_does_not_cost_the_call() -> None:
    converted = body.protobuf(_span(name="cut \ud83d"), Signal.TRACES, JSON, None, LIMIT)
    [span] = ExportTraceServiceRequest.FromString(converted).resource_spans[0].scope_spans[0].spans
    assert span.name == "cut \N{REPLACEMENT CHARACTER}"


@given(st.binary(max_size=300))
@strategies.examples(100)
def test_random_bytes_are_converted_or_refused(noise: bytes) -> None:
    for signal, media, encoding in itertools.product(Signal, (PROTOBUF, JSON), (None, "gzip")):
        with contextlib.suppress(Permanent):
            assert isinstance(body.protobuf(noise, signal, media, encoding, LIMIT), bytes)
