"""The store tests run on every engine there is: chDB, the same behind HTTP, and a server if one is named."""

import contextlib
import os
from collections.abc import Iterator
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.config import Settings
from otel_usage.store import Store
from otel_usage.store.client import connect, parse
from tests.chdb_server import ChdbServer

_SERVERS: Final = [
    pytest.param(os.environ[name], marks=pytest.mark.clickhouse, id="server")
    for name in ["OTEL_USAGE_TEST_DSN"]
    if name in os.environ
]


@pytest.fixture
def server(one_server: ChdbServer) -> ChdbServer:
    """ClickHouse's HTTP interface over this process's chDB: well, and asked nothing yet."""
    one_server.recover()
    return one_server


@pytest.fixture(params=["chdb", "http", *_SERVERS])
def any_dsn(request: pytest.FixtureRequest, database: str) -> str:
    """A database that does not exist yet, on each engine in turn."""
    if request.param == "chdb":
        return str(request.getfixturevalue("dsn"))
    if request.param == "http":
        http: ChdbServer = request.getfixturevalue("server")
        return http.dsn(database)
    return f"{request.param.rstrip('/')}/{database}_{os.getpid()}"


@pytest.fixture
def any_client(any_dsn: str) -> Iterator[Client]:
    """A client for `any_dsn` that looks behind the store, with no database chosen. Drops the database."""
    target = parse(any_dsn)
    with contextlib.closing(connect(target, timeout=10)) as client:
        yield client
        client.command(f"DROP DATABASE IF EXISTS {target.database} SYNC", use_database=False)


@pytest.fixture
def any_store(
    request: pytest.FixtureRequest, database: str, any_dsn: str, any_client: Client
) -> Iterator[Store]:
    """An empty store, on each engine in turn; `any_client` has its database chosen."""
    if parse(any_dsn).database == database:  # it is of this process's chDB
        request.getfixturevalue("migrated")
    with Store.open(Settings(dsn=any_dsn)) as store:
        any_client.database = parse(any_dsn).database
        yield store
