"""The one table of status codes, and what goes out beside a code."""

import json

import pytest
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from otel_usage.model import Outcome, Permanent, Retryable, Signal, TooLarge, Unauthenticated
from otel_usage.otlp import responses
from otel_usage.otlp.body import JSON, PROTOBUF, UnsupportedMediaType


@pytest.mark.parametrize(
    ("error", "grpc", "http"),
    [
        (Permanent("undecodable"), code_pb2.INVALID_ARGUMENT, 400),
        (TooLarge("over the limit"), code_pb2.RESOURCE_EXHAUSTED, 413),
        (UnsupportedMediaType("text"), code_pb2.INVALID_ARGUMENT, 415),
        (responses.NotServed("profiles"), code_pb2.UNIMPLEMENTED, 404),
        (Unauthenticated("no key"), code_pb2.UNAUTHENTICATED, 401),
        (Retryable("full", retry_after=1), code_pb2.UNAVAILABLE, 503),
        (ValueError("a bug"), code_pb2.INTERNAL, 500),
    ],
)
def test_the_table(error: Exception, grpc: int, http: int) -> None:
    assert responses.codes(error) == responses.Codes(grpc, http)


def test_an_error_derived_from_one_in_the_table_has_its_codes() -> None:
    class Nonsense(Permanent):
        pass

    assert responses.codes(Nonsense("?")) == responses.codes(Permanent("?"))


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (1, "1"), (1.001, "2"), (30.0, "30")])
def test_retry_after_is_in_whole_seconds_rounded_up(seconds: float, header: str) -> None:
    assert responses.headers(Retryable("later", retry_after=seconds)) == {"Retry-After": header}


def test_retry_info_goes_out_in_the_details_and_under_its_own_key() -> None:
    trailers = dict(responses.trailers(Retryable("later", retry_after=0.25)))
    own = RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"])
    [packed] = Status.FromString(trailers["grpc-status-details-bin"]).details
    told = RetryInfo()
    assert packed.Unpack(told)
    assert own.retry_delay.ToMilliseconds() == told.retry_delay.ToMilliseconds() == 250


@pytest.mark.parametrize(
    "error", [Permanent("bad"), TooLarge("big"), Unauthenticated("who"), ValueError("bug")]
)
def test_nothing_but_a_retryable_error_speaks_of_a_retry(error: Exception) -> None:
    assert "Retry-After" not in responses.headers(error)
    assert [key for key, _ in responses.trailers(error)] == ["grpc-status-details-bin"]


def test_a_long_message_is_cut_and_trailers_stay_below_what_peers_take() -> None:
    error = Permanent("ж" * 10_000)
    assert len(responses.message(error)) == responses.MAX_MESSAGE
    percent_encoded = 3 * len(responses.message(error).encode())
    base64 = sum(len(key) + len(value) * 4 / 3 for key, value in responses.trailers(error))
    assert percent_encoded + base64 < 8 * 1024


def test_json_errors_are_the_same_status() -> None:
    document = json.loads(responses.failure(Retryable("later", retry_after=2), JSON))
    assert document == {
        "code": code_pb2.UNAVAILABLE,
        "message": "later",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}],
    }


@pytest.mark.parametrize(
    ("signal", "field"),
    [
        (Signal.TRACES, "rejectedSpans"),
        (Signal.LOGS, "rejectedLogRecords"),
        (Signal.METRICS, "rejectedDataPoints"),
    ],
)
def test_partial_success_is_set_if_and_only_if_something_was_rejected(signal: Signal, field: str) -> None:
    assert responses.success(Outcome(received=1, stored=1), signal, PROTOBUF) == b""
    assert json.loads(responses.success(Outcome(received=1, ignored=1), signal, JSON)) == {}
    rejected = Outcome(received=2, stored=1, rejected=1, message="ab: no time")
    assert json.loads(responses.success(rejected, signal, JSON)) == {
        "partialSuccess": {field: "1", "errorMessage": "ab: no time"}
    }
