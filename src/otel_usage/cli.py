"""The command line: settings from flags and the environment, and one sentence for what cannot be done."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from pydantic import ValidationError

from otel_usage import __version__, telemetry
from otel_usage.config import Settings
from otel_usage.model import Outcome, Permanent, Retryable, Signal
from otel_usage.store import Store, schema
from otel_usage.store.client import Target, connect, parse, reason

USAGE_ERROR: Final = 2
"""Exit code: what was asked for cannot be. 1: it could, but not here or not now."""

_ITEMS: Final = {Signal.TRACES: "spans", Signal.LOGS: "log records", Signal.METRICS: "data points"}

_EXTRAS: Final = {"chdb": "chdb", "openai": "all"}
"""Module that is missing: extra that brings it. Any other: `server`."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Meter LLM spend: OpenTelemetry in, priced usage rows in ClickHouse, a bill out."""
    telemetry.configure()


def _flag(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    field = Settings.model_fields[name]
    secret = field.default is None
    return click.option(
        f"--{name.replace('_', '-')}",
        envvar=_variable(name),
        show_envvar=True,
        show_default=False if secret else str(field.default),
        metavar={int: "INTEGER", float: "NUMBER"}.get(type(field.default), "TEXT"),
        help=field.description,
    )


def _variable(name: str) -> str:
    return f"{Settings.model_config['env_prefix']}{name}".upper()


def configured(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `settings`, and a flag for each setting in `names`, or for every one.

    A flag has the name of its setting and wins over the environment.
    """
    fields = names or tuple(Settings.model_fields)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**parameters: Any) -> None:  # noqa: ANN401 (what click parsed)
            flags = {name: parameters.pop(name) for name in fields}
            with _told_plainly():
                command(settings=_settings(flags), **parameters)

        flagged = functools.reduce(lambda inner, name: _flag(name)(inner), reversed(fields), run)
        return functools.update_wrapper(flagged, command)

    return decorate


@main.command()
@configured()
def serve(settings: Settings) -> None:
    """Serve OTLP over gRPC and HTTP, and the REST API, until SIGTERM or Ctrl-C.

    Sizes are bytes, times are seconds.
    """
    from otel_usage.serve import CannotListen, serve  # noqa: PLC0415 (a second of imports, for this command)

    try:
        asyncio.run(serve(settings))
    except CannotListen as error:
        raise click.ClickException(str(error)) from error


@main.group(name="schema")
def schema_() -> None:
    """The database: what it looks like, and bringing it there."""


@schema_.command()
def show() -> None:
    """Print the whole schema as SQL: what clickhouse/schema.sql holds."""
    click.echo(schema.show(), nl=False)


@schema_.command()
@configured("dsn")
def apply(settings: Settings) -> None:
    """Make the database if there is none, and apply the migrations that are pending."""
    with _database(settings) as (client, target):
        pending = schema.apply(client, target)
    for migration in pending:
        click.echo(f"applied {migration}")
    if not pending:
        click.echo("nothing to apply")


@schema_.command()
@configured("dsn")
def check(settings: Settings) -> None:
    """Say how the database differs from this version's schema; exit code 1 if it does."""
    with _database(settings) as (client, target):
        differences = schema.check(client, target)
    for difference in differences:
        click.echo(difference)
    if differences:
        raise click.exceptions.Exit(1)
    click.echo("the schema is up to date")


@main.command()
@click.option("--keep", is_flag=True, help="Keep serving afterwards, until Ctrl-C.")
@configured("grpc_address", "otlp_http_address", "api_address")
def demo(settings: Settings, *, keep: bool) -> None:
    """See it work: an instrumented application, its priced calls, its bill. No network, no key."""
    from otel_usage import demo  # noqa: PLC0415

    demo.run(settings, keep=keep)


@main.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--signal",
    type=click.Choice([signal.value for signal in Signal]),
    default=Signal.TRACES.value,
    show_default=True,
    help="What the files hold.",
)
@configured("dsn")
def replay(settings: Settings, files: Sequence[Path], *, signal: str) -> None:
    """Take FILES, each a binary OTLP export request, as if they had been received now.

    A call that is already stored stays one. Exit code 1 if a file or an item was not taken.
    """
    if not asyncio.run(_replay(settings, files, Signal(signal))):
        raise click.exceptions.Exit(1)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


async def _replay(settings: Settings, files: Sequence[Path], signal: Signal) -> bool:
    from otel_usage.auth import DEFAULT_TENANT  # noqa: PLC0415
    from otel_usage.ingest import Ingest  # noqa: PLC0415
    from otel_usage.pricing import PriceBook  # noqa: PLC0415

    complete = True
    with Store.open(settings) as store:
        async with Ingest(settings, store, PriceBook.bundled()) as ingest:
            for file in files:
                try:
                    body = await asyncio.to_thread(file.read_bytes)
                    outcome = await ingest.export(body, tenant=DEFAULT_TENANT, signal=signal)
                except Permanent as error:
                    click.echo(f"{file}: {error}")
                    complete = False
                else:
                    click.echo(f"{file}: {_told(outcome, _ITEMS[signal])}")
                    complete = complete and not outcome.rejected
    return complete


def _told(outcome: Outcome, items: str) -> str:
    """`received 3 spans: 2 stored, 1 rejected (why)`."""
    parts = ("stored", "duplicate", "rollup", "ignored", "rejected")
    counts = ", ".join(f"{count} {part}" for part in parts if (count := getattr(outcome, part)))
    reason = f" ({outcome.message})" if outcome.message else ""
    return f"received {outcome.received} {items}{': ' if counts else ''}{counts}{reason}"


def _settings(flags: dict[str, str | None]) -> Settings:
    """The settings, from the flags that are given and the environment."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [f"{_variable(str(fault['loc'][0]))}: {fault['msg']}" for fault in error.errors()]
        raise _Failure("; ".join(faults), USAGE_ERROR) from error


@contextlib.contextmanager
def _told_plainly() -> Iterator[None]:
    """Errors that were foreseen become a sentence and an exit code; a fault of ours stays a traceback."""
    try:
        yield
    except Permanent as error:
        raise _Failure(str(error), USAGE_ERROR) from error
    except Retryable as error:
        raise _Failure(str(error), 1) from error
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "otel_usage":
            raise
        install = f"pip install 'otel-usage[{_EXTRAS.get(missing, 'server')}]'"
        raise _Failure(f"{missing} is not installed: {install}", 1) from error


class _Failure(click.ClickException):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc] # click sets it on the class, and reads it on the instance


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[tuple[Client, Target]]:
    """A client with no database chosen, and what the DSN names."""
    target = parse(settings.dsn)
    with contextlib.closing(connect(target, timeout=settings.insert_timeout)) as client:
        try:
            yield client, target
        except ClickHouseError as error:
            raise _Failure(f"{target} cannot be used: {reason(error)}", 1) from error
