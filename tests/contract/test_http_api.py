"""The page of the REST API: its requests are sent, in order, and the answers are those that it shows."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import pytest

from otel_usage.api import app
from otel_usage.auth import Keys
from otel_usage.config import Settings
from otel_usage.ingest import Ingest
from otel_usage.price_feed import PriceFeed
from otel_usage.store import Store
from tools.reference import REFERENCE

PAGE: Final = REFERENCE / "http-api.md"
_EXAMPLE: Final = re.compile(
    r"```http\n(?P<method>[A-Z]+) (?P<path>\S+)\n(?P<body>.*?)```\n(?:\n```json\n(?P<answer>.*?)```\n)?",
    re.DOTALL,
)
_CHANGING: Final = {"storedAt", "version", "priceBook"}
"""What another run or another book answers otherwise. Of a price rule `createdAt` too."""
_MADE_UP: Final = re.compile(r"rule_[0-9a-f]{12}")
"""Ids that are random: those on the page stand for those that are answered."""


@dataclass(frozen=True, slots=True)
class Example:
    """A request on the page, and the answer that it shows."""

    method: str
    path: str
    body: str
    answer: str | None


def examples(page: str) -> Iterator[Example]:
    for found in _EXAMPLE.finditer(page):
        yield Example(**found.groupdict())


@dataclass(frozen=True, slots=True)
class Server:
    """The API, and what keeps its prices up to date."""

    http: httpx2.AsyncClient
    ingest: Ingest
    feed: PriceFeed
    ids: dict[str, str] = field(default_factory=dict)
    """The ids on the page, and those that they stand for."""

    async def send(self, example: Example) -> str:
        """The answer to a request of the page. New price rules are in force after it, as seconds later."""
        body = json.loads(self.meant(example.body)) if example.body else None
        answer = await self.http.request(example.method, self.meant(example.path), json=body)
        self.ids.update(
            zip(_MADE_UP.findall(example.answer or ""), _MADE_UP.findall(answer.text), strict=False)
        )
        if pricer := await self.feed.news():
            self.ingest.pricer = pricer
        return answer.text

    def meant(self, text: str) -> str:
        """A text of the page, with the ids that are meant."""
        return _MADE_UP.sub(lambda found: self.ids.get(found[0], found[0]), text)


@pytest.fixture
async def server(migrated_dsn: str) -> AsyncIterator[Server]:
    settings = Settings(dsn=migrated_dsn)
    with Store.open(settings) as store:
        feed = PriceFeed(store)
        async with Ingest(settings, store, await feed.load()) as ingest:
            api = app(ingest, store, Keys.from_settings(settings), settings)
            transport = httpx2.ASGITransport(api)
            async with httpx2.AsyncClient(transport=transport, base_url="http://api") as http:
                yield Server(http, ingest, feed)


@pytest.mark.anyio
async def test_every_answer_on_the_page_is_the_one_that_is_given(server: Server) -> None:
    shown = list(examples(PAGE.read_text()))
    assert len(shown) > 8
    for example in shown:
        assert example.answer is not None, example.path
        answer = await server.send(example)
        told = server.meant(example.answer)
        assert _stable(json.loads(answer)) == _stable(json.loads(told)), example.path


@pytest.mark.anyio
async def test_every_address_is_on_the_page(server: Server) -> None:
    detail = (await server.http.get("/nowhere")).json()["detail"]
    addresses = re.findall(r"[A-Z]+ /v1/[^ ,.]+", detail)
    assert len(addresses) > 5
    page = PAGE.read_text()
    assert [address for address in addresses if f"## {address}\n" not in page] == []


def _stable(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        changing = _CHANGING | {"createdAt"} if "revision" in value else _CHANGING
        return {name: "" if name in changing else _stable(member) for name, member in value.items()}
    return [_stable(member) for member in value] if isinstance(value, list) else value
