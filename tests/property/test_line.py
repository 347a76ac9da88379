"""The whole line, on a real store: every span is accounted for, and how requests are sent changes nothing."""

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.model import Outcome, Permanent
from otel_usage.pricing import Pricer
from otel_usage.store import Store
from tests import oracle, strategies

_TENANT: Final = "default"
_NOW: Final = strategies.now()
_SKEW_NS: Final = 86_400 * 10**9

_STABLE: Final = (
    "role = 'duplicate', * EXCEPT (version, writer, inserted_at) REPLACE (toString(started_at) AS started_at)"
)
"""All of a row but how often and by whom it was written."""

Rows = Sequence[Sequence[Any]]
Deliveries = Sequence[Sequence[bytes]]
"""Requests in the order of sending; those of one delivery are sent at the same time."""
Answer = Outcome | Permanent
Send = Callable[[Deliveries], tuple[Sequence[Answer], Rows]]


@pytest.fixture(scope="session")
def send(chdb_path: Path, chdb_client: Client) -> Send:
    """Sends deliveries to a server of their own: the outcomes, and the rows of the table."""
    book = Pricer.bundled()
    numbers = itertools.count()

    def send(deliveries: Deliveries) -> tuple[Sequence[Answer], Rows]:
        database = f"line_{next(numbers)}"
        settings = Settings(dsn=f"chdb://{chdb_path}?database={database}")
        try:
            with Store.open(settings) as store:
                outcomes = asyncio.run(_deliver(Ingest(settings, store, book), deliveries))
            query = f"SELECT {_STABLE} FROM {database}.usage_rows FINAL"  # noqa: S608 (ours)
            return outcomes, sorted(chdb_client.query(query).result_rows, key=str)
        finally:
            chdb_client.command(f"DROP DATABASE IF EXISTS {database} SYNC", use_database=False)

    return send


async def _deliver(line: Ingest, deliveries: Deliveries) -> Sequence[Answer]:
    outcomes: list[Answer] = []
    async with line as ingest:
        for bodies in deliveries:
            exports = (ingest.export(body, tenant=_TENANT) for body in bodies)
            for outcome in await asyncio.gather(*exports, return_exceptions=True):
                if isinstance(outcome, BaseException) and not isinstance(outcome, Permanent):
                    raise outcome
                outcomes.append(outcome)
    return outcomes


def _requests(made: Sequence[strategies.Made]) -> list[ExportTraceServiceRequest]:
    return [strategies.moved_to(_NOW, each.request) for each in made]


def _encoded(requests: Sequence[ExportTraceServiceRequest]) -> list[bytes]:
    return [request.SerializeToString() for request in requests]


def _split(request: ExportTraceServiceRequest) -> list[ExportTraceServiceRequest]:
    """The request as requests of one span each."""
    parts = []
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                part = ExportTraceServiceRequest()
                part.resource_spans.add().resource.CopyFrom(resource_spans.resource)
                scope = part.resource_spans[0].scope_spans.add()
                scope.scope.CopyFrom(scope_spans.scope)
                scope.spans.append(span)
                parts.append(part)
    return parts


@strategies.examples(15)
@given(made=st.lists(strategies.requests(), min_size=1, max_size=5))
def test_every_span_received_is_accounted_for(send: Send, made: list[strategies.Made]) -> None:
    requests = _requests(made)
    answers, rows = send([_encoded(requests)])
    verdicts = [
        oracle.verdict(
            request, index=index, tenant=_TENANT, now_ns=strategies.now(), max_clock_skew_ns=_SKEW_NS
        )
        for index, request in enumerate(requests)
    ]
    outcomes = [outcome for outcome in answers if isinstance(outcome, Outcome)]
    for outcome, verdict in zip(outcomes, verdicts, strict=True):
        stored = outcome.stored + outcome.duplicate + outcome.rollup
        assert outcome.received == stored + outcome.ignored + outcome.rejected
        assert outcome.received == verdict.received
        assert outcome.ignored == verdict.ignored
        assert outcome.rejected == len(verdict.rejected)
        assert stored == len(verdict.rows)
    calls = {row["call_id"] for verdict in verdicts for row in verdict.rows}
    assert sum(not duplicate for duplicate, *_ in rows) == len(calls)
    assert sum(outcome.stored + outcome.rollup for outcome in outcomes) == len(calls)


@strategies.examples(8)
@given(made=st.lists(strategies.requests(distinct=True), min_size=1, max_size=4))
def test_sending_the_same_requests_again_adds_nothing(send: Send, made: list[strategies.Made]) -> None:
    bodies = _encoded(_requests(made))
    _, once = send([bodies])
    _, again = send([bodies, bodies, *([body] for body in bodies)])
    assert again == once


@strategies.examples(8)
@given(
    made=st.lists(strategies.requests(distinct=True, max_spans=3), min_size=1, max_size=3),
    seed=st.integers(0),
)
def test_splitting_and_reordering_requests_changes_nothing(
    send: Send, made: list[strategies.Made], seed: int
) -> None:
    requests = _requests(made)
    parts = _encoded([part for request in requests for part in _split(request)])
    random.Random(seed).shuffle(parts)
    half = len(parts) // 2
    _, whole = send([_encoded(requests)])
    _, split = send([parts[:half], parts[half:]])
    assert split == whole


@strategies.examples(8)
@given(made=st.lists(strategies.requests(distinct=True), min_size=1, max_size=3), damage=st.data())
def test_a_request_that_cannot_be_decoded_fails_alone(
    send: Send, made: list[strategies.Made], damage: st.DataObject
) -> None:
    bodies = _encoded(_requests(made))
    at = damage.draw(st.integers(0, len(bodies)))
    undecodable = damage.draw(
        st.sampled_from([b"\xff", b"\x0a\x05abc", b"\x0a\x04\x12\x02\x12\x01", b"not a request"])
    )
    outcomes, rows = send([bodies])
    beside, same_rows = send([[*bodies[:at], undecodable, *bodies[at:]]])
    assert isinstance(beside[at], Permanent)
    assert [outcome for outcome in beside if outcome is not beside[at]] == list(outcomes)
    assert same_rows == rows


def _seen(span_number: int, started_ns: int, account: str) -> bytes:
    """A call as one instrumentor sees it; another sees the same, with the same response id."""
    request = ExportTraceServiceRequest()
    span = (
        request.resource_spans.add()
        .scope_spans.add()
        .spans.add(
            trace_id=b"\1" * 16,
            span_id=span_number.to_bytes(8, "big"),
            start_time_unix_nano=started_ns,
            end_time_unix_nano=started_ns + 10**9,
        )
    )
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": "chatcmpl-0123456789abcdef",
        "otel_usage.account.id": account,
    }
    for key, text in texts.items():
        span.attributes.add(key=key).value.string_value = text
    for key in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"):
        span.attributes.add(key=key).value.int_value = 1_000
    return request.SerializeToString()


_NOON: Final = _NOW // (86_400 * 10**9) * 86_400 * 10**9 - 43_200 * 10**9


@pytest.mark.parametrize(
    ("started_ns", "account"),
    [
        pytest.param(_NOON, "acct-1", id="the same"),
        pytest.param(_NOON + 10**6, "acct-1", id="a millisecond later"),
        pytest.param(_NOON - 10**6, "acct-1", id="across the hour"),
        pytest.param(_NOON, "acct-2", id="another payer"),
    ],
)
def test_a_call_seen_twice_in_two_requests_is_charged_once(send: Send, started_ns: int, account: str) -> None:
    first, second = _seen(1, _NOON, "acct-1"), _seen(2, started_ns, account)
    _, together = send([[first, second]])
    assert [duplicate for duplicate, *_ in together] == [False, True]
    for order in ([[first], [second]], [[second], [first]], [[first], [second], [first], [second]]):
        assert send(order)[1] == together
