"""The engine the tests share. A process has one chDB path, so a test has a database of its own in it."""

import contextlib
import functools
import gc
import itertools
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import hypothesis
import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.pricing import PriceBook
from otel_usage.store import Store, schema
from otel_usage.store.client import Embedded, connect
from tests import chdb_server
from tests.chdb_server import ChdbServer

_numbers = itertools.count()


def pytest_configure() -> None:
    """Let an example of a property take its time: what it says does not depend on who else is at work."""
    hypothesis.settings.register_profile("tests", deadline=None)
    hypothesis.settings.load_profile("tests")


def pytest_collection_finish() -> None:
    """Leave what is loaded by now out of garbage collections: it stays, and is looked through each time."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session", autouse=True)
def _books_are_read_once() -> Iterator[None]:
    """Keep the price books that were read. It takes long, and what is read is never changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PriceBook, "load", functools.lru_cache(8)(PriceBook.load))
        yield


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


@pytest.fixture(scope="session")
def one_server(chdb_path: Path) -> Iterator[ChdbServer]:
    """ClickHouse's HTTP interface over this process's chDB."""
    with chdb_server.running(chdb_path) as running:
        yield running


@pytest.fixture(scope="session")
def template(chdb_path: Path, chdb_client: Client) -> Sequence[str]:
    """Statements that make in `{database}` what the database `template` has, after all migrations."""
    Store.open(Settings(dsn=f"chdb://{chdb_path}?database=template")).close()
    made = re.findall(r"^CREATE \S+.*? (?:EXISTS|VIEW) (\w+)", schema.show(), re.MULTILINE)  # in their order
    told = chdb_client.query("SELECT name, create_table_query FROM system.tables WHERE database = 'template'")
    sql = {str(name): str(create) for name, create in told.result_rows}
    assert sorted(made) == sorted(sql)
    return [sql[name].replace("template.", "{database}.") for name in made]


@pytest.fixture
def migrated(chdb_client: Client, database: str, template: Sequence[str]) -> str:
    """The name of a new database with all migrations: a copy, which takes a third of the time they take."""
    for statement in (
        "CREATE DATABASE {database} ENGINE = Atomic",
        *template,
        "INSERT INTO {database}.schema_migrations SELECT * FROM template.schema_migrations",
    ):
        chdb_client.command(statement.replace("{database}", database), use_database=False)
    return database


@pytest.fixture
def migrated_dsn(chdb_path: Path, migrated: str) -> str:
    return f"chdb://{chdb_path}?database={migrated}"


@pytest.fixture
def store(migrated_dsn: str) -> Iterator[Store]:
    """An empty store on chDB."""
    with Store.open(Settings(dsn=migrated_dsn)) as store:
        yield store
