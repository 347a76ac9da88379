"""The real application on a real store: real ingest, real prices, the ASGI app called in-process."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from otel_usage.api import app as api_app
from otel_usage.auth import Keys
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.pricing import Pricer
from otel_usage.store import Store

RECORD = {
    "accountId": "acc_1",
    "transactionId": "txn_1",
    "modelId": "gpt-4o",
    "usageType": "text",
    "inputTokens": 1500,
    "outputTokens": 500,
    "cachedTokens": 200,
}


@dataclass(frozen=True, slots=True)
class Api:
    """The API, and what is behind it."""

    app: Starlette
    ingest: Ingest
    store: Store
    http: httpx2.AsyncClient

    async def record(
        self,
        *left_out: str,
        headers: Mapping[str, str] | None = None,
        **changed: Any,  # noqa: ANN401
    ) -> httpx2.Response:
        """Post RECORD, with fields left out or changed."""
        fields = {name: value for name, value in (RECORD | changed).items() if name not in left_out}
        return await self.http.post("/v1/usage/record", json=fields, headers=headers)

    async def usage(self, **query: str | int) -> Any:  # noqa: ANN401
        """The answer of GET /v1/usage, which must be a success."""
        response = await self.http.get("/v1/usage", params=query)
        assert response.status_code == 200, response.text
        return response.json()


@contextlib.asynccontextmanager
async def serving(book: Pricer, settings: Settings) -> AsyncIterator[Api]:
    with Store.open(settings) as store:
        async with Ingest(settings, store, book) as ingest:
            app = api_app(ingest, store, Keys.from_settings(settings), settings)
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://api") as http:
                yield Api(app, ingest, store, http)


@pytest.fixture(scope="session")
def book() -> Pricer:
    return Pricer.bundled()


@pytest.fixture
async def api(book: Pricer, migrated_dsn: str) -> AsyncIterator[Api]:
    async with serving(book, Settings(dsn=migrated_dsn)) as running:
        yield running
