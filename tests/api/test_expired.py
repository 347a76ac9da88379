"""Calls whose rows have expired count in sums, are not taken again, and an answer without them says so."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_usage import rfc3339
from otel_usage.checks import EXPIRED
from otel_usage.config import Settings
from otel_usage.expiry import expire
from otel_usage.horizon_feed import HorizonFeed
from otel_usage.pricing import Pricer
from otel_usage.sealing import seal
from otel_usage.store.queries import Statement
from tests.api.conftest import Api, serving
from tests.receiver.wires import llm_request
from tests.store.rows import usage

pytestmark = pytest.mark.anyio

_DAY: Final = 86_400 * 10**9
_FIRST: Final = time.time_ns() // _DAY * _DAY - 4 * _DAY
"""Four days ago. Of the calls of that day and the three after it the first two have expired."""
_UNTIL: Final = rfc3339.render(_FIRST + 2 * _DAY)
_ACCEPTED: Final = _FIRST + 3 * _DAY
_DECIDE: Final = "INSERT INTO retention SELECT 1, 'test', toDateTime64(0, 6)"


@pytest.fixture(scope="module")
async def past(book: Pricer, chdb_path: Path) -> AsyncIterator[Api]:
    async with serving(book, Settings(dsn=f"chdb://{chdb_path}?database=expired")) as api:
        rows = [{"call": day, "started_at": _FIRST + day * _DAY + 10**9} for day in range(4)]
        api.store.insert(usage(*({**row, "transaction_id": "t"} for row in rows)))
        async for _ in seal(api.store, 0):
            pass
        await api.store.command(Statement("decide", _DECIDE, {}, lambda *_: None))
        now = datetime.fromtimestamp(_FIRST // 10**9 + 4 * 86_400 + 60, UTC)
        for _ in range(2):
            async for _ in expire(api.store, now, linger=0):
                pass
        # Whatever day it is by now.
        api.ingest.horizon = replace(await HorizonFeed(api.store).load(), accepted_from_ns=_ACCEPTED)
        yield api


async def test_sums_are_those_of_all_calls_and_a_list_says_since_when_it_is(past: Api) -> None:
    told = (await past.usage(summary="true"))["summary"]
    assert (told["totalCostUsd"], told["complete"], told["expiredBefore"]) == (0.034, True, None)
    listed = await past.usage()
    assert len(listed["usageRecords"]) == 2
    assert listed["expiredBefore"] == _UNTIL
    assert (await past.usage(**{"from": _UNTIL}))["expiredBefore"] is None
    days = (await past.usage(summary="true", groupBy="account", interval="day"))["summary"]
    assert [group["costUsd"] for group in days["groups"]] == [0.0085] * 4
    assert days["expiredBefore"] is None


@pytest.mark.parametrize(
    "query", [{"transactionId": "t"}, {"groupBy": "transaction"}, {"asOf": rfc3339.render(time.time_ns())}]
)
async def test_sums_that_only_rows_can_tell_are_those_of_the_rows_and_say_that_they_are_not_complete(
    past: Api, query: dict[str, str]
) -> None:
    told = (await past.usage(summary="true", **query))["summary"]
    assert (told["complete"], told["expiredBefore"]) == (False, _UNTIL)
    assert sum(group["costUsd"] for group in told.get("groups", [])) in (0, 0.017)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"transactionId": "t", "from": rfc3339.render(_FIRST)}, "from"),
        ({"from": rfc3339.render(_FIRST + 1)}, "from"),
        ({"accountId": "acme", "from": rfc3339.render(_FIRST + 900 * 10**9)}, "from"),
        ({"to": rfc3339.render(_FIRST + 1)}, "to"),
        ({"groupBy": "account", "interval": "hour", "from": rfc3339.render(_FIRST)}, "from"),
    ],
)
async def test_a_time_that_cannot_be_told_apart_any_more_is_refused(
    past: Api, query: dict[str, str], field: str
) -> None:
    refused = await past.http.get("/v1/usage", params={"summary": "true", **query})
    assert refused.status_code == 400
    [error] = refused.json()["errors"]
    assert error["field"] == field
    assert error["detail"].startswith(f"calls before {_UNTIL} are known as sums only: by quarter hours, or ")


@pytest.mark.parametrize(
    "query",
    [
        {"from": rfc3339.render(_FIRST + 900 * 10**9)},
        {"accountId": "acme", "to": rfc3339.render(_FIRST + _DAY)},
        {"transactionId": "t", "from": _UNTIL},
        {"to": rfc3339.render(_FIRST + 2 * _DAY + 1)},
    ],
)
async def test_what_the_sums_tell_apart_is_answered(past: Api, query: dict[str, str]) -> None:
    assert (await past.usage(summary="true", **query))["summary"]["complete"] is True


async def test_a_record_of_a_day_that_is_past_is_refused(past: Api) -> None:
    refused = await past.record(timestamp=rfc3339.render(_ACCEPTED - 1))
    assert refused.status_code == 400
    assert refused.json()["errors"] == [{"field": "timestamp", "detail": EXPIRED}]


async def test_spans_of_a_day_that_is_past_are_rejected_and_say_why(past: Api) -> None:
    request = ExportTraceServiceRequest.FromString(llm_request(3, account="other"))
    spans = request.resource_spans[0].scope_spans[0].spans
    for span, start in zip(spans, (_FIRST, _ACCEPTED - 1, time.time_ns()), strict=True):
        span.start_time_unix_nano, span.end_time_unix_nano = start, start + 10**9
    outcome = await past.ingest.export(request.SerializeToString(), tenant="other")
    assert (outcome.received, outcome.stored, outcome.rejected) == (3, 1, 2)
    assert f"start_time_unix_nano {EXPIRED}" in outcome.message


async def test_a_day_that_is_past_is_not_priced_again(past: Api) -> None:
    body = {"from": rfc3339.render(_FIRST), "to": rfc3339.render(_FIRST + _DAY), "reason": "test"}
    for dry_run in (True, False):
        refused = await past.http.post("/v1/reprice", json={**body, "dryRun": dry_run})
        assert refused.status_code == 400
        first = rfc3339.render(_ACCEPTED)
        assert refused.json()["errors"][0] == {
            "field": "from",
            "detail": f"Rows of calls before {first} are no longer kept.",
        }
