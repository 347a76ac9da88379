"""What a DSN means, and what is said when the store it names cannot be had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from otel_usage.model import Permanent, Retryable
from otel_usage.store.client import Embedded, Server, connect, parse


@pytest.mark.parametrize(
    ("dsn", "target"),
    [
        ("chdb:///var/lib/usage", Embedded(Path("/var/lib/usage"))),
        ("chdb:///var/lib/my%20usage?database=other", Embedded(Path("/var/lib/my usage"), "other")),
        ("chdb://./data", Embedded(Path.cwd() / "data")),
        ("chdb://../data/here", Embedded(Path.cwd() / ".." / "data" / "here")),
        ("http://localhost", Server("localhost", 8123)),
        ("http://localhost:9000/billing", Server("localhost", 9000, database="billing")),
        ("http://[::1]:8123/billing/", Server("::1", 8123, database="billing")),
        (
            "https://meter:s3%40cret@ch.example/billing?ca_cert=/etc/ca.pem",
            Server(
                "ch.example",
                8443,
                secure=True,
                user="meter",
                password="s3@cret",  # noqa: S106
                database="billing",
                tls={"ca_cert": "/etc/ca.pem"},
            ),
        ),
    ],
)
def test_a_dsn_names_an_embedded_store_or_a_server(dsn: str, target: Embedded | Server) -> None:
    assert parse(dsn) == target


@pytest.mark.parametrize(
    ("dsn", "complaint"),
    [
        ("", "must begin with"),
        ("clickhouse://localhost", "must begin with"),
        ("chdb://", "a folder must follow"),
        ("chdb:///", "a folder must follow"),
        ("chdb://data/here", r"write chdb://\./data/here"),
        ("chdb:///data?db=other", "option 'db' is not known"),
        ("chdb:///data?database=", "option 'database' is empty"),
        ("http:///billing", "host is missing"),
        ("http://localhost:port/billing", "Port could not be cast"),
        ("http://localhost:99999/billing", "Port out of range"),
        ("http://localhost/billing/usage", "name of one database"),
        ("http://localhost/billing?ca_cert=/etc/ca.pem", r"option 'ca_cert' is not known \(there are none\)"),
        ("https://meter:s3cret@localhost/billing?timeout=5", "option 'timeout' is not known"),
    ],
)
def test_a_dsn_that_cannot_be_used_is_told_in_one_sentence(dsn: str, complaint: str) -> None:
    with pytest.raises(Permanent, match=complaint) as caught:
        parse(dsn)
    assert caught.value.field == "dsn"
    assert str(caught.value).startswith("OTEL_USAGE_DSN is not usable: ")
    assert "s3cret" not in str(caught.value)


def test_a_password_is_not_printed_by_accident() -> None:
    server = parse("http://meter:s3cret@localhost/billing")
    assert "s3cret" not in repr(server)
    assert str(server) == "ClickHouse at localhost:8123"


@pytest.mark.usefixtures("chdb_client")
def test_a_process_has_one_embedded_store(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="this process has another one open") as caught:
        connect(Embedded(tmp_path / "second"), timeout=1)
    assert str(tmp_path / "second") in str(caught.value)


@pytest.mark.usefixtures("chdb_client")
def test_an_embedded_store_belongs_to_one_process(chdb_path: Path) -> None:
    program = f"""
from otel_usage.config import Settings
from otel_usage.model import Permanent
from otel_usage.store import Store
try:
    Store.open(Settings(dsn={f"chdb://{chdb_path}"!r}))
except Permanent as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"The embedded store at {chdb_path} is in use by process {os.getpid()},")
    assert said.count("\n") == 1


def test_a_folder_that_cannot_be_made_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Permanent, match="file/store cannot be opened: Not a directory"):
        connect(Embedded(tmp_path / "file" / "store"), timeout=1)


def test_a_server_that_does_not_answer_may_be_asked_again() -> None:
    with pytest.raises(Retryable, match=r"ClickHouse at 127\.0\.0\.1:9 does not answer: .*refused") as caught:
        connect(parse("http://meter:s3cret@127.0.0.1:9"), timeout=1)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
