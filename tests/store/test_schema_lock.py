"""The lock of the schema: one holder at a time, whatever the others do, and none for ever."""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from clickhouse_connect.driver.client import Client

from otel_usage.model import Retryable
from otel_usage.store import schema_lock
from otel_usage.store.client import connect, parse
from tests.chdb_server import ChdbServer

_DEAD = f"{schema_lock.PREFIX}dead"


@pytest.fixture
def client(any_client: Client, any_dsn: str) -> Client:
    """With a database chosen that has no tables."""
    any_client.command(f"CREATE DATABASE {parse(any_dsn).database} ENGINE = Atomic")
    any_client.database = parse(any_dsn).database
    return any_client


def _flags(client: Client) -> list[str]:
    return [name for (name,) in client.query("SHOW TABLES").result_rows]


def test_a_lock_is_held_and_then_gone(client: Client) -> None:
    with schema_lock.held(client) as still_ours:
        assert len(_flags(client)) == 1
        still_ours()
    assert _flags(client) == []


def test_a_lock_that_another_holds_is_refused_with_their_name(client: Client) -> None:
    with (
        schema_lock.held(client),
        pytest.raises(Retryable, match=r"by process \d+ on .*--unlock"),
        schema_lock.held(client, wait=0.3),
    ):
        pass
    assert _flags(client) == []


def test_a_lock_is_gone_when_what_it_was_held_for_fails(client: Client) -> None:
    with pytest.raises(ZeroDivisionError), schema_lock.held(client):
        raise ZeroDivisionError
    assert _flags(client) == []


def test_a_lock_of_the_dead_holds_until_it_is_old(client: Client) -> None:
    client.command(f"CREATE TABLE {_DEAD} (a UInt8) ENGINE = Null COMMENT 'process 1 on afar'")
    with pytest.raises(Retryable, match="process 1 on afar"), schema_lock.held(client, wait=0):
        pass
    time.sleep(2.1)  # the engine tells times of tables in seconds
    with schema_lock.held(client, wait=0, stale=1):
        assert _DEAD not in _flags(client)


def test_a_lock_is_removed_by_hand_and_its_holder_is_told(client: Client) -> None:
    with schema_lock.held(client) as still_ours:
        (owner,) = schema_lock.unlock(client)
        assert owner.startswith("process ")
        with pytest.raises(Retryable, match="was taken away"):
            still_ours()


def test_a_sign_of_life_makes_a_lock_young_again(client: Client) -> None:
    age = "SELECT now() - metadata_modification_time FROM system.tables WHERE database = currentDatabase()"
    with schema_lock.held(client) as still_ours:
        time.sleep(2.1)
        before = int(str(client.command(age)))
        still_ours()
        assert int(str(client.command(age))) < before


def test_of_many_at_once_one_holds_it_at_a_time(server: ChdbServer, database: str) -> None:
    target = parse(server.dsn(database))
    inside, most, done = 0, 0, 0
    counting = threading.Lock()

    def hold(_: int) -> None:
        nonlocal inside, most, done
        with contextlib.closing(connect(target, timeout=30)) as client:
            client.database = database
            with schema_lock.held(client, wait=60):
                with counting:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.02)
                with counting:
                    inside -= 1
                    done += 1

    with contextlib.closing(connect(target, timeout=30)) as client:
        client.command(f"CREATE DATABASE {database} ENGINE = Atomic")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(hold, range(12)))
    assert (most, done) == (1, 12)
