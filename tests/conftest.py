"""The engine the tests share. A process has one chDB path, so a test has a database of its own in it."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.store import Store
from otel_usage.store.client import Embedded, connect

_numbers = itertools.count()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
async def _one_event_loop(anyio_backend: str) -> AsyncIterator[None]:  # noqa: ARG001 (it makes this anyio's)
    """Keep one event loop for all tests.

    gRPC has one completion queue in a process, for all loops. An event of a server that is gone, handled
    while a later test runs, would fail that test with 'Event loop is closed'.
    """
    yield  # noqa: PT022 (only a generator is run in the loop from the first test to the last)


@pytest.fixture(scope="session")
def chdb_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one chDB path of this process."""
    return tmp_path_factory.mktemp("chdb")


@pytest.fixture(scope="session")
def chdb_client(chdb_path: Path) -> Iterator[Client]:
    """A client that looks behind the store. It keeps the engine alive between tests."""
    with contextlib.closing(connect(Embedded(chdb_path), timeout=10)) as client:
        yield client


@pytest.fixture
def database(chdb_client: Client) -> Iterator[str]:
    """The name of a database that does not exist yet, and is gone after the test."""
    name = f"test_{next(_numbers)}"
    yield name
    chdb_client.command(f"DROP DATABASE IF EXISTS {name} SYNC", use_database=False)


@pytest.fixture
def dsn(chdb_path: Path, database: str) -> str:
    return f"chdb://{chdb_path}?database={database}"


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    """An empty store on chDB."""
    with Store.open(Settings(dsn=dsn)) as store:
        yield store
