"""POST /v1/usage/record: the origin's shape, exact money, and a clear word for everything else."""

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, get_args

import anyio
import pytest
from starlette.types import Message

from otel_usage.api.answering import DRAINED
from otel_usage.api.records import Body
from otel_usage.attributes import CONTEXTS, USAGE_TYPES
from otel_usage.config import Settings
from otel_usage.model import MAX_TOKENS, Retryable
from otel_usage.pricing import Pricer
from otel_usage.record import OPERATIONS
from otel_usage.store.queries import Statement
from tests.api.conftest import RECORD, Api, serving
from tests.store.rows import NOON

pytestmark = pytest.mark.anyio


def _exact(text: str) -> Any:  # noqa: ANN401
    return json.loads(text, parse_float=Decimal)


def _problem(response: Any, status: int) -> dict[str, str]:  # noqa: ANN401
    """The faults of a problem, by field."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["success"] is False
    assert problem["status"] == status
    assert problem["detail"]
    return {fault["field"]: fault["detail"] for fault in problem.get("errors", [])}


async def test_a_record_is_answered_in_the_origins_shape(api: Api) -> None:
    response = await api.record()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = _exact(response.text)
    identity = answer["usageRecord"].pop("id")
    assert identity.startswith("usage_")
    assert len(bytes.fromhex(identity.removeprefix("usage_"))) == 16
    assert answer == {
        "success": True,
        "usageRecord": {"accountId": "acc_1", "modelId": "gpt-4o", "estimatedCostUsd": Decimal("0.0085")},
    }
    assert list(answer["usageRecord"]) == ["accountId", "modelId", "estimatedCostUsd"]
    assert '"estimatedCostUsd":0.0085}' in response.text


async def test_an_unknown_model_is_stored_and_its_cost_is_null(api: Api) -> None:
    answer = (await api.record(modelId="mystery-1")).json()
    assert answer["usageRecord"]["estimatedCostUsd"] is None
    assert answer["usageRecord"]["modelId"] == "mystery-1"
    (stored,) = (await api.usage(modelId="mystery-1"))["usageRecords"]
    assert stored["estimatedCostUsd"] is None
    assert stored["inputTokens"] == 1500


async def test_a_dated_model_is_answered_by_the_price_books_name(api: Api) -> None:
    assert (await api.record(modelId="gpt-4o-2024-08-06")).json()["usageRecord"]["modelId"] == "gpt-4o"
    assert len((await api.usage(modelId="gpt-4o-2024-08-06"))["usageRecords"]) == 1


async def test_a_record_of_the_system_has_no_account(api: Api) -> None:
    answer = (await api.record("accountId", context="system")).json()
    assert answer["usageRecord"]["accountId"] is None
    (stored,) = (await api.usage(context="system"))["usageRecords"]
    assert (stored["context"], stored["accountId"]) == ("system", None)


async def test_only_the_model_and_the_payer_are_required(api: Api) -> None:
    minimal = await api.http.post("/v1/usage/record", json={"accountId": "acc_1", "modelId": "gpt-4o"})
    assert minimal.json()["usageRecord"]["estimatedCostUsd"] is None
    (stored,) = (await api.usage())["usageRecords"]
    assert stored["inputTokens"] is stored["outputTokens"] is None


async def test_absent_and_null_are_the_same(api: Api) -> None:
    absent = dict.fromkeys(
        ("transactionId", "cachedTokens", "context", "provider", "timestamp", "idempotencyKey")
    )
    assert (await api.record(**absent)).status_code == 200


async def test_the_start_is_the_timestamp_to_the_nanosecond(api: Api) -> None:
    await api.record(timestamp="2025-01-31T23:59:59.123456789-05:30")
    (stored,) = (await api.usage())["usageRecords"]
    assert stored["createdAt"] == "2025-02-01T05:29:59.123456789Z"


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"accountId": None}, "accountId", 'is required, or "context": "system"'),
        ({"accountId": None, "context": "customer"}, "accountId", "is required"),
        ({"accountId": ""}, "accountId", "at least 1 character"),
        ({"accountId": 5}, "accountId", "valid string"),
        ({"accountId": "a" * 257}, "accountId", "at most 256 characters"),
        ({"transactionId": "a" * 257}, "transactionId", "at most 256 characters"),
        ({"modelId": None}, "modelId", "valid string"),
        ({"modelId": "m" * 10_000}, "modelId", "at most 256 characters"),
        ({"context": "everyone"}, "context", "'customer' or 'system'"),
        ({"usageType": "video"}, "usageType", "'text', 'embedding', 'audio_stt' or 'audio_tts'"),
        ({"inputTokens": "12"}, "inputTokens", "valid integer"),
        ({"inputTokens": 12.0}, "inputTokens", "valid integer"),
        ({"inputTokens": True, "cachedTokens": None}, "inputTokens", "valid integer"),
        ({"inputTokens": -1, "cachedTokens": None}, "inputTokens", "greater than or equal to 0"),
        ({"outputTokens": MAX_TOKENS + 1}, "outputTokens", "less than or equal to 1000000000"),
        ({"outputTokens": 10**30}, "outputTokens", "less than or equal to 1000000000"),
        ({"cachedTokens": 1501}, "cachedTokens", "is part of inputTokens, and cannot be more"),
        ({"inputTokens": None}, "cachedTokens", "is part of inputTokens"),
        ({"timestamp": "yesterday"}, "timestamp", "is not an RFC 3339 time"),
        ({"timestamp": 1795392000}, "timestamp", "valid string"),
        ({"timestamp": "2026-11-23T12:00:00"}, "timestamp", "is not an RFC 3339 time"),
        ({"timestamp": "2026-02-30T12:00:00Z"}, "timestamp", "does not exist"),
        ({"timestamp": "2019-12-31T23:59:59Z"}, "timestamp", "before 2020"),
        ({"timestamp": "2199-01-01T00:00:00Z"}, "timestamp", "in the future"),
        ({"idempotencyKey": ""}, "idempotencyKey", "at least 1 character"),
        ({"modelId": "  "}, "modelId", "is blank"),
        ({"modelId": "gpt-4o\0"}, "modelId", "has characters that do not print"),
        ({"accountId": "a\nb"}, "accountId", "has characters that do not print"),
        ({"cachedToken": 5}, "cachedToken", "is not a field of a usage record; is cachedTokens meant?"),
        ({"cacheWriteTokens": 1301}, "cacheWriteTokens", "cannot be more than that with cachedTokens"),
        ({"reasoningTokens": 501}, "reasoningTokens", "is part of outputTokens, and cannot be more"),
        ({"webSearches": 1.5}, "webSearches", "valid integer"),
        ({"outputImages": MAX_TOKENS + 1}, "outputImages", "less than or equal to 1000000000"),
        ({"inputCharacters": -1}, "inputCharacters", "greater than or equal to 0"),
        ({"rerankSearches": MAX_TOKENS + 1}, "rerankSearches", "less than or equal to 1000000000"),
        ({"audioDurationSeconds": 5}, "audioDurationSeconds", 'is of "usageType": "audio_stt" (audio heard)'),
        ({"usageType": "embedding", "audioDurationSeconds": 5}, "audioDurationSeconds", '"audio_tts"'),
        ({"usageType": "audio_stt", "audioDurationSeconds": -0.1}, "audioDurationSeconds", "equal to 0"),
        ({"usageType": "audio_tts", "audioDurationSeconds": 604_800.1}, "audioDurationSeconds", "604800"),
        ({"usageType": "audio_stt", "audioDurationSeconds": 10**400}, "audioDurationSeconds", "604800"),
        ({"usageType": "audio_stt", "audioDurationSeconds": "5"}, "audioDurationSeconds", "is not a number"),
        ({"usageType": "audio_stt", "audioDurationSeconds": True}, "audioDurationSeconds", "is not a number"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(
    api: Api, changed: Mapping[str, Any], field: str, said: str
) -> None:
    faults = _problem(await api.record(**changed), 400)
    assert list(faults) == [field]
    assert said in faults[field]
    assert (await api.usage())["usageRecords"] == []


async def test_a_payer_that_is_left_out_is_named_as_it_is_written(api: Api) -> None:
    assert list(_problem(await api.record("accountId", context="customer"), 400)) == ["accountId"]


async def test_all_faults_are_told_at_once(api: Api) -> None:
    response = await api.record("modelId", accountId=None, inputTokens=-1, timestamp="x", cost=1)
    assert _problem(response, 400).keys() == {"modelId", "accountId", "inputTokens", "timestamp", "cost"}
    assert all(
        field in response.json()["detail"] for field in ("modelId", "accountId", "inputTokens", "cost")
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"inputTokens": 1, "inputTokens": 2}', "inputTokens: is there more than once"),
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b'{"accountId": "a",\n  oops}', "line 2 column 3"),
        (b'{"inputTokens": NaN}', "line 1 column 17"),
        (b'{"inputTokens": Infinity}', "line 1 column 17"),
        (b'{"modelId": "\xff"}', "line 1"),
        (b'{"modelId": "\\ud800"}', "line 1"),
        (b"[" * 60_000, "recursion limit exceeded"),
        (b'{"inputTokens": ' + b"9" * 5000 + b"}", "number out of range"),
        (b'{"audioDurationSeconds": 1e99999999999999999999}', "is out of range"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
    ],
)
async def test_a_body_that_is_no_json_object_is_told_where(api: Api, body: bytes, said: str) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    response = await api.http.post("/v1/usage/record", content=body, headers=headers)
    _problem(response, 400)
    assert said in response.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_another_media_type_is_refused(api: Api, headers: Mapping[str, str]) -> None:
    _problem(await api.http.post("/v1/usage/record", content=b"{}", headers=headers), 415)


async def test_a_body_over_the_limit_is_refused_before_it_has_all_come(api: Api) -> None:
    sent = 0

    async def receive() -> Message:
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": b" " * 40_000, "more_body": True}

    answers: list[Message] = []

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/usage/record",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await api.app(scope, receive, send)
    assert answers[0]["status"] == 413
    assert b"65536 bytes (OTEL_USAGE_MAX_RECORD_BODY_BYTES)" in answers[1]["body"]
    # What is sent on is thrown away, so that the sender comes to read the answer: for a while.
    assert DRAINED < 40_000 * sent <= DRAINED + 40_000


async def test_without_a_key_every_record_is_a_call_of_its_own(api: Api) -> None:
    identities = {(await api.record()).json()["usageRecord"]["id"] for _ in range(3)}
    assert len(identities) == 3
    assert (await api.usage(summary="true"))["summary"]["byModel"]["gpt-4o"]["count"] == 3


@pytest.mark.parametrize("where", ["header", "body", "both"])
async def test_a_record_told_again_with_its_key_is_charged_once(api: Api, where: str) -> None:
    headers = {"Idempotency-Key": "order-7"} if where != "body" else None
    fields = {"idempotencyKey": "order-7"} if where != "header" else {}
    answers = [(await api.record(headers=headers, **fields)).text for _ in range(3)]
    assert len(set(answers)) == 1
    assert (await api.usage(summary="true"))["summary"]["byModel"]["gpt-4o"]["count"] == 1


async def test_a_record_told_again_in_another_hour_is_charged_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await api.record(idempotencyKey="k")).json()
    later = Settings().max_clock_skew  # a day: another hour, another partition
    now = time.time_ns()
    monkeypatch.setattr("otel_usage.api.routes.time.time_ns", lambda: now + int(later) * 10**9)
    assert (await api.record(idempotencyKey="k")).json() == first
    assert len((await api.usage())["usageRecords"]) == 1


async def test_a_key_used_for_another_record_is_a_conflict(api: Api) -> None:
    await api.record(idempotencyKey="k")
    for changed in (
        {"inputTokens": 1501},
        {"accountId": "acc_2"},
        {"modelId": "gpt-4o-mini"},
        {"provider": "azure"},
        {"cacheWriteTokens": 1},
        {"reasoningTokens": 0},
        {"inputCharacters": 1},
        {"webSearches": 1},
        {"rerankSearches": 1},
        {"outputImages": 1},
    ):
        assert _problem(await api.record(idempotencyKey="k", **changed), 409).keys() == {"idempotencyKey"}
    assert (await api.usage(summary="true"))["summary"]["byModel"]["gpt-4o"]["count"] == 1


async def test_audio_of_another_length_is_another_record(api: Api) -> None:
    audio: dict[str, Any] = {"usageType": "audio_stt", "modelId": "whisper-1", "idempotencyKey": "k"}
    first = (await api.record(**audio, audioDurationSeconds=60)).text
    assert (await api.record(**audio, audioDurationSeconds=60.0)).text == first
    assert (await api.record(**audio, audioDurationSeconds=60.000000001)).status_code == 409
    assert (
        await api.record(**(audio | {"usageType": "audio_tts"}), audioDurationSeconds=60)
    ).status_code == 409


@pytest.mark.parametrize(
    ("seconds", "nanoseconds"),
    [
        ("12.5", 12_500_000_000),
        ("0.3", 300_000_000),
        ("604800", 604_800 * 10**9),
        ("604799.123456789", 604_799_123_456_789),
        ("1e-9", 1),
        ("0.0000000015", 2),
        ("0.0000000025", 2),
        ("604799.99999999949999999", 604_799_999_999_999),
        ("1e-999999", 0),
    ],
)
@pytest.mark.parametrize(("usage_type", "told"), [("audio_stt", 0), ("audio_tts", 1)])
async def test_audio_is_stored_to_the_nanosecond_in_its_direction(
    api: Api, usage_type: str, told: int, seconds: str, nanoseconds: int
) -> None:
    call = f'"accountId": "a", "modelId": "m", "usageType": "{usage_type}"'
    content = f'{{{call}, "audioDurationSeconds": {seconds}}}'
    headers = {"content-type": "application/json"}
    response = await api.http.post("/v1/usage/record", content=content, headers=headers)
    assert response.status_code == 200, response.text
    (stored,) = await _stored(api, "input_audio_ns, output_audio_ns, usage_status")
    assert stored[told] == nanoseconds
    assert stored[1 - told] is None
    assert stored[2] == "reported"


async def test_what_else_was_used_is_stored(api: Api) -> None:
    response = await api.record(
        cacheWriteTokens=100,
        reasoningTokens=50,
        inputCharacters=7,
        webSearches=2,
        rerankSearches=0,
        outputImages=3,
    )
    assert response.status_code == 200, response.text
    (stored,) = await _stored(
        api,
        "cache_write_tokens, reasoning_tokens, "
        "input_characters, web_searches, rerank_searches, output_images",
    )
    assert stored == (100, 50, 7, 2, 0, 3)


@pytest.mark.parametrize("told", ["inputCharacters", "webSearches", "rerankSearches", "outputImages"])
async def test_a_record_of_anything_used_is_reported(api: Api, told: str) -> None:
    used: dict[str, Any] = {told: 1}
    await api.record("inputTokens", "outputTokens", "cachedTokens", **used)
    assert await _stored(api, "usage_status, input_tokens, output_tokens") == [("reported", None, None)]


async def _stored(api: Api, columns: str) -> Sequence[tuple[Any, ...]]:
    statement = Statement("stored", f"SELECT {columns} FROM usage_rows FINAL", {}, lambda *values: values)  # noqa: S608
    return await api.store.query(statement)


@pytest.mark.parametrize(("header", "body"), [("a", "b"), ("", None), ("k" * 257, None)])
async def test_a_key_header_that_cannot_be_is_refused(api: Api, header: str, body: str | None) -> None:
    response = await api.record(headers={"Idempotency-Key": header}, idempotencyKey=body)
    assert _problem(response, 400).keys() == {"Idempotency-Key"}


async def test_records_told_at_the_same_time_with_one_key_are_one(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = itertools.count(NOON, 3_600 * 10**9)  # each is of another hour, as two around the full hour are
    monkeypatch.setattr("otel_usage.api.routes.time.time_ns", lambda: next(hours))
    answers: list[str] = []

    async def tell() -> None:
        answers.append((await api.record(idempotencyKey="k")).text)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(tell)
    assert len(set(answers)) == 1
    assert (await api.usage(summary="true"))["summary"]["byModel"]["gpt-4o"]["count"] == 1


async def test_a_record_that_cannot_be_stored_now_may_be_told_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise Retryable("ClickHouse does not take rows now: send it again.", retry_after=1.2)

    monkeypatch.setattr(api.store, "insert", fail)
    response = await api.record()
    _problem(response, 503)
    assert response.headers["retry-after"] == "2"


async def test_a_record_that_is_not_durable_in_time_says_so(
    book: Pricer, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(book, Settings(dsn=dsn, insert_timeout=0.2)) as api:
        insert = api.store.insert

        def slowly(usage: Any) -> None:  # noqa: ANN401
            time.sleep(0.5)
            insert(usage)

        monkeypatch.setattr(api.store, "insert", slowly)
        response = await api.record(idempotencyKey="k")
        _problem(response, 503)
        assert "may be stored yet" in response.json()["detail"]
    async with serving(book, Settings(dsn=dsn)) as api:
        assert (await api.record(idempotencyKey="k")).status_code == 200
        assert len((await api.usage())["usageRecords"]) == 1


async def test_a_key_of_the_api_is_asked_for(book: Pricer, dsn: str) -> None:
    async with serving(book, Settings.model_validate({"dsn": dsn, "api_key": "s3cret"})) as api:
        for headers in (None, {"X-API-Key": "wrong"}):
            _problem(await api.record(headers=headers), 401)
            response = await api.http.get("/v1/usage", headers=headers)
            _problem(response, 401)
            assert response.headers["www-authenticate"]
        assert (await api.record(headers={"X-API-Key": "s3cret"})).status_code == 200
        assert (await api.http.get("/healthz")).status_code == 200


async def test_the_words_of_the_body_are_those_of_the_vocabulary() -> None:
    assert get_args(Body.model_fields["usage_type"].annotation) == USAGE_TYPES
    assert get_args(get_args(Body.model_fields["context"].annotation)[0]) == CONTEXTS
    assert tuple(OPERATIONS) == USAGE_TYPES
    assert RECORD.keys() <= {field.alias for field in Body.model_fields.values()}
