"""ClickHouse's HTTP interface over the chDB of this process: the same engine, behind the real HTTP client.

It speaks what clickhouse-connect needs: queries and inserts as POST /, settings and parameters in the URL
or, where they are long, in a form; errors with their code. It has no users, no sessions and no compression
of answers.
"""

import contextlib
import email
import email.policy
import json
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, Final, Literal, cast

import chdb
import uvicorn
from chdb.state.sqlitelike import Connection
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_NO_SETTINGS: Final = frozenset(
    {"query", "database", "query_id", "default_format", "wait_end_of_query", "client_protocol_version"}
)
_INSERT: Final = re.compile(rb"\s*(INSERT INTO .+?)\s+FORMAT (\w+)\s*?\n", re.DOTALL)
_FORMAT: Final = re.compile(rb"\bFORMAT\s+(\w+)\s*$")
_RESULT: Final = re.compile(rb"\s*(SELECT|SHOW|DESCRIBE|EXISTS)\b", re.IGNORECASE)
_CODE: Final = re.compile(r"Code: (\d+)\..*", re.DOTALL)


@dataclass(slots=True)
class ChdbServer:
    """A running server. What is switched on befalls every request.

    `delay` (seconds) comes first; `failure` (ClickHouse's words) is answered, with its code; who is
    `overloaded` answers 503 and no word, as a proxy does; `cut` ends the connection without an answer, before
    or after the statement took effect. `read_only` makes its user one that may read and choose settings, and
    no more.
    """

    path: Path
    port: int = 0
    delay: float = 0
    failure: str = ""
    overloaded: bool = False
    cut: Literal["", "before", "after"] = ""
    read_only: bool = False
    requests: list[Mapping[str, str]] = field(default_factory=list)
    """The URL parameters of each request."""

    def recover(self) -> None:
        """Be as one that was just started."""
        self.delay, self.failure, self.overloaded, self.cut = 0, "", False, ""
        self.read_only, self.requests = False, []

    def dsn(self, database: str) -> str:
        return f"http://127.0.0.1:{self.port}/{database}"

    def respond(self, parameters: Mapping[str, str], body: bytes) -> Response | None:
        """The answer; None: there is none, the connection ends."""
        cut = self.cut
        self.requests.append(parameters)
        time.sleep(self.delay)
        if self.failure:
            return _failure(self.failure)
        if self.overloaded:
            return Response(status_code=503)
        if cut:
            if cut == "after":
                self._answer(parameters, body)
            return None
        try:
            result, form = self._answer(parameters, body)
        except Exception as error:  # noqa: BLE001 (every error of the engine is an answer)
            return _failure(str(error))
        headers = {"X-ClickHouse-Summary": json.dumps({"written_rows": "0"})}
        if form:
            headers["X-ClickHouse-Format"] = form
        return Response(result, headers=headers, media_type="application/octet-stream")

    def _answer(self, parameters: Mapping[str, str], body: bytes) -> tuple[bytes, str | None]:
        """The result and its format; no format for a statement that has no result."""
        query = parameters.get("query", "").encode()
        text = query + b"\n" + body if query else body
        with contextlib.closing(chdb.connect(str(self.path))) as connection:
            if "database" in parameters:
                connection.query(f"USE `{parameters['database']}`")
            for name in parameters.keys() - _NO_SETTINGS:
                if not name.startswith("param_"):
                    connection.query(f"SET {name} = {_quoted(parameters[name])}")
            if self.read_only:
                connection.query("SET readonly = 2")
            if insert := _INSERT.match(text):
                _insert(connection, insert[1].decode(), insert[2].decode(), text[insert.end() :])
                return b"", None
            values = {name[6:]: parameters[name] for name in parameters if name.startswith("param_")}
            given = _FORMAT.search(text)
            form = given[1].decode() if given else "TabSeparated"
            result = connection.query(text.decode(), form, params=values).bytes() or b""
            return result, form if _RESULT.match(text) else None


@contextlib.contextmanager
def running(path: Path, port: int = 0) -> Iterator[ChdbServer]:
    """Serve the chDB at `path`, which this process has open or may open, on a port of its own."""
    server = ChdbServer(path)

    async def handle(request: Request) -> Response:
        body = await request.body()
        form = _form(request.headers.get("content-type", ""), body)
        parameters = {**request.query_params, **form}
        answer = await run_in_threadpool(server.respond, parameters, b"" if form else body)
        if answer is None:
            _hang_up(http, request)
        return answer or Response()

    app = Starlette(routes=[Route("/", handle, methods=["GET", "POST"])])
    http = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=http.run, name="chdb-server")
    thread.start()
    try:
        while not http.started:
            time.sleep(0.005)
        server.port = http.servers[0].sockets[0].getsockname()[1]
        yield server
    finally:
        http.should_exit = True
        thread.join()


def _hang_up(http: uvicorn.Server, request: Request) -> None:
    """End the connection of the request. What is sent after that goes nowhere."""
    for connection in list(http.server_state.connections):
        transport = cast("Any", connection).transport
        if transport.get_extra_info("peername") == request.scope["client"]:
            transport.abort()


def _form(media: str, body: bytes) -> Mapping[str, str]:
    """The fields of a form; none if the body is no form."""
    if not media.startswith("multipart/form-data"):
        return {}
    head = f"Content-Type: {media}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts()
    return {str(part.get_param("name", header="content-disposition")): _text(part) for part in parts}


def _text(part: Message) -> str:
    return bytes(part.get_payload(decode=True)).decode()


def _insert(connection: Connection, statement: str, form: str, data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        connection.query(f"{statement} FROM INFILE '{file.name}' FORMAT {form}")


def _failure(message: str) -> Response:
    found = _CODE.search(message)
    code = found[1] if found else "1001"
    return Response(
        found[0] if found else message, status_code=500, headers={"X-ClickHouse-Exception-Code": code}
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


if __name__ == "__main__":  # `python -m tests.chdb_server FOLDER PORT`: what OTEL_USAGE_TEST_DSN may name
    with running(Path(sys.argv[1]), int(sys.argv[2])):
        signal.pause()
