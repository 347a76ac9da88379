"""The process: three listeners around one ingest and one store, from the first socket to the last answer."""

import asyncio
import contextlib
import ipaddress
import math
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import urlsplit

import anyio
import grpc
import structlog
import uvicorn
from grpc_health.v1 import health_pb2_grpc
from starlette.applications import Starlette

from otel_usage import __version__, api, receiver, upkeep
from otel_usage.auth import DEFAULT_TENANT, Keys
from otel_usage.config import Settings
from otel_usage.erasure_feed import ErasureFeed
from otel_usage.horizon_feed import HorizonFeed
from otel_usage.ingest import Ingest
from otel_usage.model import Permanent
from otel_usage.price_feed import PriceFeed
from otel_usage.receiver.grpc import health_servicer
from otel_usage.store import Store

BACKLOG: Final = 1024
"""Connections the kernel holds for us while the event loop is busy."""
KEEP_ALIVE: Final = 75
"""Seconds an idle HTTP connection is kept. SDKs export every 5 s; a server that hangs up then
(uvicorn's default) does so just as the next request comes."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the server listens, as `host:port`, with the ports it was given for port 0."""

    grpc: str
    otlp_http: str
    api: str


class CannotListen(Exception):
    """An address cannot be had. The message names it and its setting."""


async def serve(settings: Settings, *, ready: Callable[[Addresses], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; then answer what is in flight, close the store, and return.

    A second signal ends the process at once. `ready` is called when all three addresses answer.
    Raises CannotListen; Permanent for settings that cannot be served; what `Store.open` raises.
    """
    keys = Keys.from_settings(settings)
    log = structlog.get_logger()
    with contextlib.ExitStack() as resources:
        # Addresses first: a port in use is known before the store is opened. gRPC takes no socket
        # of ours, so its address is only tried here.
        grpc_endpoint = _endpoint("grpc_address", settings, keys)
        _bind(grpc_endpoint).close()
        otlp_http = resources.enter_context(_bind(_endpoint("otlp_http_address", settings, keys)))
        rest = resources.enter_context(_bind(_endpoint("api_address", settings, keys)))
        store = resources.enter_context(Store.open(settings))
        stop = resources.enter_context(_signals())
        feed, days, accounts = PriceFeed(store), HorizonFeed(store), ErasureFeed(store)
        async with Ingest(settings, store, await feed.load()) as ingest, anyio.create_task_group() as tasks:
            ingest.horizon, ingest.erased = await days.load(), await accounts.load()
            tasks.start_soon(feed.follow, ingest, settings.price_refresh)
            tasks.start_soon(days.follow, ingest, settings.price_refresh)
            tasks.start_soon(accounts.follow, ingest, settings.price_refresh)
            if settings.seal:
                tasks.start_soon(upkeep.follow, store, settings)
            # The first request pays for what libraries load late, about a second: let it be this one.
            await ingest.export(b"", tenant=DEFAULT_TENANT)
            health = health_servicer()
            listeners = _Listeners(
                ingest=ingest,
                health=health,
                grpc=receiver.grpc_server(ingest, keys, settings, health),
                http=(
                    (_http_server(receiver.http_app(ingest, keys, settings), settings), otlp_http),
                    (_http_server(api.app(ingest, store, keys, settings), settings), rest),
                ),
            )
            addresses = Addresses(_listen(listeners.grpc, grpc_endpoint), _name(otlp_http), _name(rest))
            async with listeners.running(settings.shutdown_timeout):
                log.info("serving", version=__version__, **asdict(addresses), dsn=masked(settings.dsn))
                if ready:
                    ready(addresses)
                await stop.wait()
            tasks.cancel_scope.cancel()
    log.info("stopped")


def masked(dsn: str) -> str:
    """`dsn` without its password, for the log."""
    password = urlsplit(dsn).password
    return dsn.replace(f":{password}@", ":***@") if password else dsn


@dataclass(frozen=True, slots=True)
class _Listeners:
    """The three servers, and how they start and stop together."""

    ingest: Ingest
    health: health_pb2_grpc.HealthServicer
    grpc: grpc.aio.Server
    http: tuple[tuple[uvicorn.Server, socket.socket], ...]

    @contextlib.asynccontextmanager
    async def running(self, patience: float) -> AsyncIterator[None]:
        """Serve within the block. After it, requests in flight have `patience` seconds to be answered."""
        async with anyio.create_task_group() as servers:
            for server, listening in self.http:
                servers.start_soon(server.serve, [listening])
            await self.grpc.start()
            try:
                yield
            finally:
                with anyio.move_on_after(patience, shield=True):
                    await self._stop(patience)

    async def _stop(self, patience: float) -> None:
        await self.health.enter_graceful_shutdown()
        for server, _ in self.http:
            server.should_exit = True
        async with anyio.create_task_group() as ending:
            ending.start_soon(self.ingest.drain)
            ending.start_soon(self.grpc.stop, patience)


@contextlib.contextmanager
def _signals() -> Iterator[anyio.Event]:
    """An event that the first SIGTERM or SIGINT sets. The second ends the process where it stands."""
    stop = anyio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        structlog.get_logger().info("stopping", signal=signal.Signals(number).name)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


class _HttpServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _http_server(app: Starlette, settings: Settings) -> _HttpServer:
    return _HttpServer(
        uvicorn.Config(
            app,
            access_log=False,
            backlog=BACKLOG,
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout),
            timeout_keep_alive=KEEP_ALIVE,
            ws="none",
        )
    )


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """A socket address, and how to speak of it."""

    family: socket.AddressFamily
    host: str
    port: int
    told: str


def _endpoint(setting: str, settings: Settings, keys: Keys) -> _Endpoint:
    """The socket address of the `host:port` that `setting` holds; an open server has it on loopback."""
    address = getattr(settings, setting)
    told = f"OTEL_USAGE_{setting.upper()} is {address!r}"
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if port is None:
        raise Permanent(f"{told}, which is not host:port.", field=setting)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(f"{told}, a host that is not known: {error.strerror}.") from None
    # Of several, IPv4: most clients try it for `localhost`.
    family, *_, at = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    if keys.open and not ipaddress.ip_address(str(at[0])).is_loopback:
        raise Permanent(
            f"{told}, which others can reach, and anyone could send and read there: "
            "set OTEL_USAGE_API_KEY, or listen on 127.0.0.1.",
            field=setting,
        )
    return _Endpoint(family, str(at[0]), port, told)


def _bind(endpoint: _Endpoint) -> socket.socket:
    """A socket that listens there."""
    listening = socket.socket(endpoint.family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((endpoint.host, endpoint.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise CannotListen(f"{endpoint.told}, where we cannot listen: {error.strerror}.") from None
    return listening


def _listen(server: grpc.aio.Server, endpoint: _Endpoint) -> str:
    """Bind `server` there; the address with the port it got."""
    try:
        port = server.add_insecure_port(_join(endpoint.host, endpoint.port))
    except RuntimeError as error:
        raise CannotListen(f"{endpoint.told}, where gRPC cannot listen: {error}.") from None
    return _join(endpoint.host, port)


def _name(listening: socket.socket) -> str:
    return _join(*listening.getsockname()[:2])


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
