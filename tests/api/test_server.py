"""Health, and what is said to a caller who is at the wrong door, or when the fault is ours."""

import pytest
from structlog.testing import capture_logs

from otel_usage.config import Settings
from otel_usage.model import Retryable
from otel_usage.pricing import Pricer
from otel_usage.store.schema import migrations
from tests.api.conftest import Api, serving

pytestmark = pytest.mark.anyio


async def test_a_server_that_serves_is_alive_and_ready(api: Api) -> None:
    alive, ready = await api.http.get("/healthz"), await api.http.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "schemaVersion": len(migrations())})


async def test_a_server_that_stops_is_alive_and_not_ready(api: Api) -> None:
    await api.ingest.drain()
    ready = await api.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.headers["retry-after"] == "1"
    assert (await api.http.get("/healthz")).status_code == 200
    assert (await api.record()).status_code == 503


async def test_a_server_without_its_store_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> int:
        raise Retryable("ClickHouse at example:8123 cannot answer now: refused", retry_after=5)

    monkeypatch.setattr(api.store, "ping", away)
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "5")
    assert "cannot answer now" in ready.json()["detail"]
    assert (await api.http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/usage/records", "/v1/traces", "/v1/usage/record/1"])
async def test_another_path_is_told_the_ones_there_are(api: Api, path: str) -> None:
    response = await api.http.post(path)
    assert response.status_code == 404
    assert response.json()["success"] is False
    assert "POST /v1/usage/record" in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/usage/record", {"POST"}),
        ("DELETE", "/v1/usage", {"GET", "HEAD"}),
        ("POST", "/readyz", {"GET", "HEAD"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("PUT", "/v1/ingest", {"GET", "HEAD"}),
    ],
)
async def test_another_method_is_told_which_are_allowed(
    api: Api, method: str, path: str, allowed: set[str]
) -> None:
    response = await api.http.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == allowed
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_fault_of_ours_is_logged_once_and_its_inside_is_not_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(api.store, "query", broken)
    with capture_logs() as logs:
        response = await api.http.get("/v1/usage")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text
    assert [(log["event"], log["log_level"]) for log in logs] == [("request failed", "error")]


async def test_a_query_over_its_time_is_told_as_such(book: Pricer, dsn: str) -> None:
    async with serving(book, Settings(dsn=dsn, query_memory_bytes=1)) as api:
        response = await api.http.get("/v1/usage?summary=true")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
