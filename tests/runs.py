"""Runs made by hand: a few calls, told more than once as instrumentations do it, and what is to be charged.

No two calls have the same input tokens, but those that are meant to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from otel_usage.model import Signal
from tests import log_events
from tests.log_events import Value, pairs
from tests.truth import Capture

_START_NS: Final = 1_790_000_000 // 3_600 * 3_600 * 10**9
_SERVICE: Final = {"service.name": "help-desk"}
_OPENAI: Final = "opentelemetry.instrumentation.openai_v2"
_OPENINFERENCE: Final = "openinference.instrumentation.openai"
_TRACELOOP: Final = "opentelemetry.instrumentation.anthropic"
_ANTHROPIC: Final = "com.anthropic.sdk.python"
_LANGCHAIN: Final = "opentelemetry.instrumentation.genai.langchain"
_AGENTS: Final = "opentelemetry.instrumentation.genai.openai_agents"

Said = dict[str, Value]


@dataclass(frozen=True)
class _Span:
    """A span: when it was is in seconds, `trace` numbers the traces of a run."""

    number: int
    scope: str
    attributes: Said
    parent: int = 0
    trace: int = 0
    start: float = 0.0
    seconds: float = 1.0


@dataclass(frozen=True)
class Made:
    """A run, and account and input tokens of each call that it is charged."""

    name: str
    spans: Sequence[_Span]
    charged: Sequence[tuple[str, int]]
    events: Sequence[Said] = ()
    emitter: str = _OPENAI
    """Of the events: OpenTelemetry's are of the first span."""

    def capture(self, number: int) -> Capture:
        """Its requests, with ids of its own."""
        bodies = {Signal.TRACES: self._traces(number)}
        if self.events:
            bodies[Signal.LOGS] = self._logs(number)
        return Capture("by-hand", self.name, bodies, [])

    def _traces(self, number: int) -> bytes:
        request = ExportTraceServiceRequest()
        resource_spans = request.resource_spans.add()
        resource_spans.resource.attributes.extend(pairs(_SERVICE))
        for each in self.spans:
            failed = "error.type" in each.attributes
            start = _START_NS + int(each.start * 1e9)
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name = each.scope
            scope_spans.spans.add(
                trace_id=_id(16, number, each.trace),
                span_id=_id(8, number, each.number),
                parent_span_id=_id(8, number, each.parent) if each.parent else b"",
                start_time_unix_nano=start,
                end_time_unix_nano=start + int(each.seconds * 1e9),
                attributes=pairs(each.attributes),
                status=Status(code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET),
            )
        return request.SerializeToString()

    def _logs(self, number: int) -> bytes:
        records = [log_events.record(each, time_unix_nano=_START_NS + 10**9) for each in self.events]
        if self.emitter == _OPENAI:
            for record in records:
                record.trace_id, record.span_id = _id(16, number, 0), _id(8, number, 1)
        return log_events.request(self.emitter, *records, resource=_SERVICE).SerializeToString()


def captures() -> Mapping[str, Capture]:
    """The runs, by their names."""
    return {each.name: each.capture(number) for number, each in enumerate(RUNS, 1)}


def _id(size: int, *numbers: int) -> bytes:
    return b"".join(number.to_bytes(size // 2) for number in numbers)


def _call(tokens: int, response_id: str = "", *, cached: int = 0) -> Said:
    call: Said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": tokens // 10,
    }
    if response_id:
        call["gen_ai.response.id"] = response_id
    if cached:
        call["gen_ai.usage.cache_read.input_tokens"] = cached
    return call


def _claude(tokens: int, response_id: str = "") -> Said:
    call = _call(tokens, response_id)
    return {**call, "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-4-5"}


def _agent(tokens: int) -> Said:
    return {**_call(tokens), "gen_ai.operation.name": "invoke_agent"}


def _refused() -> Said:
    call = _call(1)
    return {name: said for name, said in call.items() if "usage" not in name} | {"error.type": "429"}


def _pays(account: str) -> Said:
    return {"http.request.method": "POST", "otel_usage.account.id": account}


RUNS: Final = (
    Made(
        "an agent that sums its calls in a request of a customer",
        [
            _Span(1, "app", _pays("acme"), seconds=9),
            _Span(2, _AGENTS, _agent(3_003), parent=1, seconds=8),
            _Span(3, _AGENTS, _call(1_001), parent=2),
            _Span(4, _AGENTS, _call(2_002), parent=2, start=2),
        ],
        [("acme", 1_001), ("acme", 2_002)],
    ),
    Made(
        "a framework above a library that says more",
        [
            _Span(1, _LANGCHAIN, _call(1_100), seconds=2),
            _Span(2, _OPENAI, _call(1_100, "chatcmpl-0123456789-below", cached=512), parent=1, start=0.1),
        ],
        [("", 1_100)],
    ),
    Made(
        "a stream that two libraries tell in two traces",
        [
            _Span(1, _ANTHROPIC, _claude(1_200, "msg_0123456789abcdef-two"), trace=1, seconds=3),
            _Span(2, _TRACELOOP, _claude(1_200) | _pays("acme"), trace=2, start=0.2, seconds=3),
        ],
        [("acme", 1_200)],
    ),
    Made(
        "a call that a span and an event tell",
        [_Span(1, _OPENAI, _call(1_300, "chatcmpl-0123456789-event"))],
        [("", 1_300)],
        [_call(1_300, "chatcmpl-0123456789-event") | {"event.name": log_events.DETAILS}],
    ),
    Made(
        "one question twice at once",
        [
            _Span(1, _OPENAI, _call(1_400, "chatcmpl-0123456789-first")),
            _Span(2, _OPENAI, _call(1_400, "chatcmpl-0123456789-second"), start=0.1),
        ],
        [("", 1_400), ("", 1_400)],
    ),
    Made(
        "a call that is refused and then answered",
        [
            _Span(1, _OPENAI, _refused()),
            _Span(2, _OPENAI, _call(1_500, "chatcmpl-0123456789-again"), start=1),
        ],
        [("", 1_500)],
    ),
    Made(
        "a call that three libraries tell one within the other",
        [
            _Span(1, _LANGCHAIN, _call(1_600), seconds=4),
            _Span(2, _OPENINFERENCE, _call(1_600, cached=128), parent=1, seconds=3),
            _Span(3, _OPENAI, _call(1_600, "chatcmpl-0123456789-three"), parent=2, seconds=2),
        ],
        [("", 1_600)],
    ),
    Made(
        "a call that three libraries tell in two traces",
        [
            _Span(1, _OPENAI, _call(1_700, "chatcmpl-0123456789-traces")),
            _Span(2, _OPENINFERENCE, _call(1_700, cached=128), parent=1),
            _Span(3, _LANGCHAIN, _call(1_700, "chatcmpl-0123456789-traces", cached=128), trace=1),
        ],
        [("", 1_700)],
    ),
    Made(
        "two agents each for a customer of its own",
        [
            _Span(1, "app", _pays("acme"), seconds=9),
            _Span(2, _AGENTS, _agent(1_800), parent=1, seconds=3),
            _Span(3, _AGENTS, _call(1_800), parent=2),
            _Span(4, "app", _pays("zebra"), start=4, trace=1, seconds=4),
            _Span(5, _AGENTS, _agent(1_900), parent=4, trace=1, start=5, seconds=3),
            _Span(6, _AGENTS, _call(1_900), parent=5, trace=1, start=6),
        ],
        [("acme", 1_800), ("zebra", 1_900)],
    ),
    Made(
        "a coding agent that logs a call twice",
        [],
        [("", 31_499)],
        [
            log_events.gemini(input_token_count=31_499),
            log_events.gemini_details(**{"gen_ai.usage.input_tokens": 31_499}),
        ],
        log_events.GEMINI,
    ),
)
