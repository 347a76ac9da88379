"""Where usage rows are kept: what a DSN means, and a client of clickhouse-connect for it.

One client library for two engines: a ClickHouse server over HTTP, and chDB, the same engine in this process.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError, ProgrammingError

from otel_usage.model import Permanent, Retryable
from otel_usage.store import folder

DATABASE: Final = "otel_usage"
"""The database, where the DSN names none."""
CONNECT_TIMEOUT: Final = 3
"""Seconds for a TCP connection. A server that needs longer is down, and a commit waits for it."""

_PORTS: Final = {"http": 8123, "https": 8443}
_TLS_OPTIONS: Final = ("ca_cert", "client_cert", "client_cert_key", "server_host_name", "verify")
_OTHER_PATH: Final = "already initialized with path"  # chDB's words: all failures to open have one code
_MAX_REASON: Final = 300  # characters; chDB appends stack traces
_PASSING: Final = frozenset(
    {
        159,  # TIMEOUT_EXCEEDED
        160,  # TOO_SLOW
        164,  # READONLY: a server that is told to take no writes
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED: shutting down
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY: Keeper is away
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        439,  # CANNOT_SCHEDULE_TASK
        999,  # KEEPER_EXCEPTION
    }
)
"""ClickHouse's error codes (src/Common/ErrorCodes.cpp) whose cause may pass by itself."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """chDB in a folder, which belongs to one process at a time."""

    path: Path
    database: str = DATABASE

    def __str__(self) -> str:
        return f"The embedded store at {self.path}"


@dataclass(frozen=True, slots=True)
class Server:
    """A ClickHouse server."""

    host: str
    port: int
    secure: bool = False
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = DATABASE
    tls: Mapping[str, Any] = field(default_factory=dict)
    """Options of clickhouse-connect for HTTPS, such as `ca_cert`."""

    def __str__(self) -> str:
        return f"ClickHouse at {self.host}:{self.port}"


Target = Embedded | Server


def parse(dsn: str) -> Target:
    """What `dsn` names. Raises Permanent, with a sentence that says what is wrong.

    `chdb:///absolute/path`, `chdb://./relative/path` (both with `?database=name`), or
    `http(s)://user:password@host:port/database` (https with `?ca_cert=/path` and the like).
    """
    try:
        url = urlsplit(dsn)
        match url.scheme:
            case "chdb":
                return _embedded(url)
            case "http" | "https":
                return _server(url)
        raise _Malformed("it must begin with chdb://, http:// or https://")
    except ValueError as error:
        # The DSN itself is not repeated: it may hold a password.
        raise Permanent(f"OTEL_USAGE_DSN is not usable: {error}.", field="dsn") from None


def connect(target: Target, *, timeout: float) -> Client:
    """A client, with no database chosen. `timeout` is how long an answer of a server may take, in seconds.

    Raises Permanent if it cannot work, Retryable if a server does not answer.
    """
    if isinstance(target, Embedded):
        return _connect_embedded(target)
    return _connect_server(target, timeout)


def is_passing(error: ClickHouseError) -> bool:
    """Whether the cause of `error` may pass by itself: no connection, no time, no room."""
    return isinstance(error, OperationalError) or getattr(error, "code", None) in _PASSING


def error_name(error: ClickHouseError) -> str:
    """What ClickHouse calls the error, such as `TIMEOUT_EXCEEDED`: all that a caller is told of it."""
    return getattr(error, "name", None) or "no connection"


def reason(error: Exception) -> str:
    """The first line of an error of the client, short enough for a sentence."""
    cause = error.__cause__ or error
    return _short(
        str(getattr(cause, "reason", None) or cause).splitlines()[0]
    )  # urllib3 keeps its reason apart


def _short(text: str) -> str:
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}..."


class _Malformed(ValueError):
    pass


def _embedded(url: SplitResult) -> Embedded:
    if url.netloc not in ("", ".", ".."):
        raise _Malformed(
            f"write chdb://./{url.netloc}{url.path} for a folder in the working directory, "
            "or chdb:///path with three slashes for an absolute one"
        )
    path = unquote(url.netloc + url.path)
    if not path.strip("/"):
        raise _Malformed("a folder must follow chdb://")
    return Embedded(Path(path).absolute(), **_options(url, "database"))


def _server(url: SplitResult) -> Server:
    if not url.hostname:
        raise _Malformed("the host is missing")
    database = unquote(url.path.strip("/")) or DATABASE
    if "/" in database:
        raise _Malformed("the path must be the name of one database")
    secure = url.scheme == "https"
    return Server(
        host=url.hostname,
        port=url.port or _PORTS[url.scheme],
        secure=secure,
        user=unquote(url.username or "default"),
        password=unquote(url.password or ""),
        database=database,
        tls=_options(url, *(_TLS_OPTIONS if secure else ())),
    )


def _options(url: SplitResult, *known: str) -> dict[str, str]:
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    for name, value in options.items():
        if name not in known:
            raise _Malformed(f"the option {name!r} is not known ({', '.join(known) or 'there are none'})")
        if not value:
            raise _Malformed(f"the option {name!r} is empty")
    return options


def _connect_embedded(target: Embedded) -> Client:
    try:
        if not folder.prepare(target.path):
            return _open(target)
        client = _start(target)
        try:
            folder.check_parts(client, target.database)
        except BaseException:
            client.close()
            raise
        return client
    except folder.Unusable as error:
        raise _unusable(f"{target} {error}") from None
    except OSError as error:
        raise _unusable(f"{target} cannot be opened: {error.strerror}.") from None
    except ImportError:
        raise _unusable(
            "The embedded store needs chDB: install otel-usage[chdb], "
            "or name a ClickHouse server in OTEL_USAGE_DSN."
        ) from None


def _start(target: Embedded) -> Client:
    """Start the engine in its folder."""
    try:
        with folder.engine_words() as words:
            return _open(target)
    except ProgrammingError as error:
        if _OTHER_PATH in str(error):
            told = "cannot be opened: this process has another one open, and may have one."
            raise folder.Unusable(told) from error
        raise folder.damaged(_short(words.first()) or reason(error)) from error


def _open(target: Embedded) -> Client:
    return clickhouse_connect.get_client(interface="chdb", path=str(target.path))


def _connect_server(target: Server, timeout: float) -> Client:
    try:
        return clickhouse_connect.get_client(
            interface="https" if target.secure else "http",
            host=target.host,
            port=target.port,
            username=target.user,
            password=target.password,
            connect_timeout=CONNECT_TIMEOUT,
            send_receive_timeout=math.ceil(timeout),
            # A session allows one query at a time; nothing here needs one.
            autogenerate_session_id=False,
            **target.tls,
        )
    except ClickHouseError as error:
        if is_passing(error):
            raise Retryable(
                f"{target} does not answer: {reason(error)}", retry_after=CONNECT_TIMEOUT
            ) from error
        raise _unusable(f"{target} refuses us: {reason(error)}") from error


def _unusable(message: str) -> Permanent:
    return Permanent(message, field="dsn")
