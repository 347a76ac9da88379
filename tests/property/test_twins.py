"""Two calls that are alike in all but their ids are two calls, even at the same time in the same service."""

from collections.abc import Iterator
from typing import Final

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_usage.model import Signal
from tests.sending import Bill, Request, difference, everything, whole, written
from tests.truth import Capture

_IDS: Final = ("gen_ai.response.id", "request_id", "client_request_id", "session.id", "conversation.id")


@pytest.fixture(scope="module")
def twice() -> Bill:
    """The calls of all runs, each of them twice."""
    once = calls(written(whole(run) for run in everything()))
    return Bill({call: 2 * times for call, times in once.items()})


def test_a_run_and_its_twin_that_come_together_are_both_charged(twice: Bill) -> None:
    pairs = ([*whole(run), *twin(run)] for run in everything())
    assert difference(twice, calls(written(pairs))) == {}


def test_a_run_and_its_twin_that_come_one_after_the_other_are_both_charged(twice: Bill) -> None:
    turns = (turn for run in everything() for turn in (whole(run), list(twin(run))))
    assert difference(twice, calls(written(turns))) == {}


def calls(charged: Bill) -> Bill:
    """The calls of a bill, whatever run they are of."""
    result = Bill()
    for call, times in charged.items():
        result[call[1:]] += times
    return result


def twin(run: Capture) -> Iterator[Request]:
    """The spans and log records of a run with other ids."""
    known = {call.response_id for call in run.calls} - {""}
    for signal, body in run.bodies.items():
        if signal is Signal.TRACES:
            traces = ExportTraceServiceRequest.FromString(body)
            for resource_spans in traces.resource_spans:
                for scope_spans in resource_spans.scope_spans:
                    for span in scope_spans.spans:
                        span.parent_span_id = _other(span.parent_span_id)
                        _rename(span, known)
            yield signal, traces.SerializeToString()
        elif signal is Signal.LOGS:
            logs = ExportLogsServiceRequest.FromString(body)
            for resource_logs in logs.resource_logs:
                for scope_logs in resource_logs.scope_logs:
                    for record in scope_logs.log_records:
                        _rename(record, known)
            yield signal, logs.SerializeToString()


def _rename(item: Span | LogRecord, known: set[str]) -> None:
    """Give another trace and span id, and another response id wherever it is told."""
    item.trace_id, item.span_id = _other(item.trace_id), _other(item.span_id)
    texts = [pair for pair in item.attributes if pair.value.HasField("string_value")]
    own = {pair.value.string_value for pair in texts if pair.key in _IDS} - {""}
    for pair in texts:
        for each in known | own:
            pair.value.string_value = pair.value.string_value.replace(each, f"{each[:-1]}~")


def _other(id_: bytes) -> bytes:
    """Another id; none for none."""
    return bytes([id_[0] ^ 0x55, *id_[1:]]) if any(id_) else id_
