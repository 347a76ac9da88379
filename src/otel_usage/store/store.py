"""The store: one client that writes, a few that read, and the database they share."""

import contextlib
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import anyio
import pyarrow as pa
import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from otel_usage.config import Settings
from otel_usage.model import USAGE, Permanent, Retryable
from otel_usage.store import schema
from otel_usage.store.client import Embedded, Target, connect, error_name, is_passing, parse, reason
from otel_usage.store.cluster import cluster_of
from otel_usage.store.inserts import insert_settings
from otel_usage.store.queries import Statement

Row = TypeVar("Row")
Answer = TypeVar("Answer")

_TABLE_ALREADY_EXISTS: Final = 57
_READ: Final[Mapping[str, object]] = {
    # Rows of one key are of one day: the parts of each day are merged by themselves, three times as fast.
    "do_not_merge_across_partitions_select_final": 1,
    # On a cluster a table within IN or JOIN is asked of all shards, once.
    "distributed_product_mode": "global",
}


_ARROW: Final[Mapping[str, object]] = {
    "output_format_arrow_low_cardinality_as_dictionary": 1,
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_fixed_string_as_fixed_byte_array": 1,
}


class Exists(Retryable):
    """The table that was to be made is there."""


class Store:
    """The usage rows of one database. A context manager; leaving it closes the store.

    `insert` is called by one thread at a time; `append` and `fetch` by any;
    `query` and `ping` in the event loop.
    """

    def __init__(self, target: Target, settings: Settings) -> None:
        self._target = target
        self._settings = settings
        self._clients = contextlib.ExitStack()
        self._writer = self._connect(settings.insert_timeout)
        self._idle: queue.SimpleQueue[Client] = queue.SimpleQueue()
        self._readers = anyio.CapacityLimiter(settings.read_clients)
        self._keeper: Client | None = None
        self._one_command = anyio.Lock()
        self._failing = False
        self._insert_settings = insert_settings(self._target, settings.insert_timeout)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """The store that `settings.dsn` names, its database made and its migrations applied.

        Raises Permanent, with a sentence to show, if it cannot be had; Retryable if a server does not answer.
        """
        store = cls(parse(settings.dsn), settings)
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all clients. An embedded store can then be opened by another process."""
        self._clients.close()

    def insert(self, usage: pa.Table) -> None:
        """Write USAGE rows; return when they are durable. Written again, they replace themselves.

        Raises Retryable, whatever the reason: the rows are ours to answer for, and the sender has them still.
        """
        if not usage.schema.equals(USAGE):
            raise TypeError("The table to insert is not of the schema USAGE.")
        if not usage.num_rows:
            return
        self._insert(schema.TABLE, usage)

    def insert_claims(self, claims: pa.Table) -> None:
        """Write rows of CLAIMS (tenant, trace, account, context, transaction, writer), as `insert` does."""
        self._insert("claims", claims)

    def insert_points(self, points: pa.Table) -> None:
        """Write rows of TOKEN_POINTS, as `insert` does."""
        self._insert("token_points", points)

    def append(self, table: str, rows: pa.Table) -> None:
        """Write rows to a table of ours, as `insert` does: the columns that `rows` has; others by default."""
        if not rows.num_rows:
            return
        try:
            with self._reader() as client:
                self._insert(table, rows, client)
        except Permanent as error:  # it cannot connect: the rows are ours to answer for all the same
            raise Retryable(str(error), retry_after=self._settings.retry_after) from error

    async def query(self, statement: Statement[Row]) -> Sequence[Row]:
        """The rows of the answer. Raises Retryable if ClickHouse cannot answer now, or within the limits."""
        return await anyio.to_thread.run_sync(self._query, statement, limiter=self._readers)

    def fetch(self, statement: Statement[Any]) -> pa.Table:
        """The rows of the answer as an Arrow table, in the thread that asks. Raises as `query` does."""

        def ask(client: Client) -> pa.Table:
            return client.query_arrow(
                statement.sql,
                parameters=dict(statement.parameters),
                settings={**_READ, **_ARROW, **self._limits(statement)},
            )

        return self._read(ask)

    @property
    def is_exclusive(self) -> bool:
        """Whether no other process can have the store open."""
        return isinstance(self._target, Embedded)

    async def command(self, statement: Statement[None]) -> None:
        """Run a statement that changes what is derived from rows, one at a time; it may take long.

        On a cluster it is run for the shard that we are connected to. Raises Retryable if it did not work, to
        be tried again; Exists if it makes a table that is there.
        """
        async with self._one_command:
            await anyio.to_thread.run_sync(self._command, statement)

    async def look(self, statement: Statement[Row]) -> Sequence[Row]:
        """The rows of the answer, as `query`, of what `command` works on: on a cluster, of one shard."""
        async with self._one_command:
            return await anyio.to_thread.run_sync(self._look, statement)

    async def ping(self) -> int:
        """The number of the database's last migration. Raises Retryable if ClickHouse does not answer."""
        return await anyio.to_thread.run_sync(self._read, schema.version, limiter=self._readers)

    def _prepare(self) -> None:
        try:
            for migration in schema.apply(self._writer, self._target):
                structlog.get_logger().info("migration applied", migration=str(migration))
            drift = schema.check(self._writer, self._target)
        except ClickHouseError as error:
            if is_passing(error):
                message = f"{self._target} cannot answer now: {reason(error)}"
                raise Retryable(message, retry_after=self._settings.retry_after) from error
            raise Permanent(f"{self._target} cannot be used: {reason(error)}", field="dsn") from error
        if drift:
            raise Permanent(f"{self._target} has another schema. {' '.join(drift)}", field="dsn")

    def _insert(self, table: str, rows: pa.Table, client: Client | None = None) -> None:
        # One chunk: the Arrow file format has one dictionary to a column.
        block = rows.unify_dictionaries().combine_chunks()
        try:
            (client or self._writer).insert_arrow(table, block, settings=self._insert_settings)
        except (ClickHouseError, OSError) as error:
            self._note_failure(error)
            raise Retryable(
                "ClickHouse does not take rows now: send it again.", retry_after=self._settings.retry_after
            ) from error
        self._note_success()

    def _query(self, statement: Statement[Row]) -> Sequence[Row]:
        def ask(client: Client) -> Sequence[Row]:
            answer = client.query(
                statement.sql,
                parameters=dict(statement.parameters),
                settings={**_READ, **self._limits(statement)},
            )
            return [statement.row(*values) for values in answer.result_rows]

        return self._read(ask)

    def _command(self, statement: Statement[None]) -> None:
        self._keep(statement, lambda client: client.command)

    def _look(self, statement: Statement[Row]) -> Sequence[Row]:
        return [
            statement.row(*values)
            for values in self._keep(statement, lambda client: client.query).result_rows
        ]

    def _keep(self, statement: Statement[Any], ask: Callable[[Client], Callable[..., Any]]) -> Any:  # noqa: ANN401
        settings = {
            **insert_settings(self._target, self._settings.seal_timeout),
            **_READ,
            "max_memory_usage": self._settings.seal_memory_bytes,
            "max_bytes_before_external_group_by": self._settings.seal_memory_bytes // 2,
            "log_comment": f"otel-usage {statement.name}",
        }
        try:
            if self._keeper is None:
                self._keeper = self._connect(self._settings.seal_timeout)
                cluster = cluster_of(self._keeper, self._target.database)
                self._keeper.database = cluster.local if cluster else self._target.database
            return ask(self._keeper)(statement.sql, parameters=dict(statement.parameters), settings=settings)
        except (ClickHouseError, OSError) as error:
            kind = Exists if getattr(error, "code", None) == _TABLE_ALREADY_EXISTS else Retryable
            message = f"ClickHouse cannot do {statement.name} now: {reason(error)}"
            raise kind(message, retry_after=self._settings.retry_after) from error

    def _limits(self, statement: Statement[Any]) -> Mapping[str, object]:
        return {
            "max_execution_time": self._settings.query_timeout,
            "max_memory_usage": self._settings.query_memory_bytes,
            "log_comment": f"otel-usage {statement.name}",
        }

    def _read(self, ask: Callable[[Client], Answer]) -> Answer:
        try:
            with self._reader() as client:
                return ask(client)
        except ClickHouseError as error:
            if not is_passing(error):
                raise
            structlog.get_logger().warning("query failed", store=str(self._target), reason=reason(error))
            raise Retryable(
                f"ClickHouse cannot answer now: {error_name(error)}.", retry_after=self._settings.retry_after
            ) from error

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Client]:
        """A read client that no one else uses meanwhile: chDB has one lock per client."""
        try:
            client = self._idle.get_nowait()
        except queue.Empty:
            client = self._connect(self._settings.query_timeout)
            client.database = self._target.database
        try:
            yield client
        finally:
            self._idle.put(client)

    def _connect(self, timeout: float) -> Client:
        client = connect(self._target, timeout=timeout)
        self._clients.callback(client.close)
        return client

    def _note_failure(self, error: Exception) -> None:
        """Log the first failed insert of a row of them: the later ones say the same."""
        if not self._failing:
            structlog.get_logger().error("inserts fail", store=str(self._target), reason=reason(error))
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            structlog.get_logger().info("inserts work again", store=str(self._target))
        self._failing = False
