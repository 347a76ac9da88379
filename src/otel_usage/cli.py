"""The command line: settings from flags and the environment, and one sentence for what cannot be done."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from otel_usage import __version__, telemetry
from otel_usage.accounts_cli import accounts
from otel_usage.cli_settings import Failure, configured, told_plainly, user
from otel_usage.config import Settings
from otel_usage.model import Outcome, Permanent, Signal
from otel_usage.store import Store, retention, schema
from otel_usage.store.client import DATABASE, Target, connect, parse, reason

_PRICES: Final = "prices"
_ITEMS: Final = {Signal.TRACES: "spans", Signal.LOGS: "log records", Signal.METRICS: "data points"}

_FOR_GOOD: Final = "none"
_MOST_DAYS: Final = 36_525  # a century
_NOTHING: Final = "nothing to apply\n"
_CLUSTER: Final = click.option(
    "--cluster",
    default="",
    metavar="NAME",
    help="Of a cluster that the servers know by NAME: replicated tables on all its nodes, sharded by payer.",
)


class _Commands(click.Group):
    """The commands. `prices` is loaded when it is asked for: it needs much that the others do not."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), _PRICES])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != _PRICES:
            return super().get_command(ctx, cmd_name)
        from otel_usage.price_books_cli import prices  # noqa: PLC0415

        return prices


def _days(text: str) -> int | str:
    if text == _FOR_GOOD:
        return text
    if not (text.isdecimal() and 1 <= int(text) <= _MOST_DAYS):
        raise click.BadParameter(
            f"{text!r} is not a number of days from 1 to {_MOST_DAYS}, nor {_FOR_GOOD!r}."
        )
    return int(text)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def main() -> None:
    """Meter LLM spend: OpenTelemetry in, priced usage rows in ClickHouse, a bill out."""
    telemetry.configure()


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


main.add_command(accounts)


@main.group(name="schema")
def schema_() -> None:
    """The database: what it looks like, and bringing it there."""


@schema_.command()
@_CLUSTER
@click.option("--database", default=DATABASE, show_default=True, help="With --cluster: the database to name.")
def show(cluster: str, database: str) -> None:
    """Print the whole schema as SQL: what clickhouse/schema.sql holds."""
    with told_plainly():
        click.echo(schema.show(cluster, database=database), nl=False)


@schema_.command()
@_CLUSTER
@click.option(
    "--ttl",
    type=_days,
    metavar="DAYS|none",
    help="Days that usage rows are kept after their own; none: for good. Sums of their days stay.",
)
@click.option("--dry-run", is_flag=True, help="Print the SQL that would be run, and run nothing.")
@click.option("--unlock", is_flag=True, help="First remove the lock of a process that died while it applied.")
@configured("dsn")
def apply(settings: Settings, *, cluster: str, ttl: int | str | None, dry_run: bool, unlock: bool) -> None:
    """Make the database if there is none, and apply the migrations that are pending.

    A database that is not as its applied migrations made it is refused, and so is one that a newer version
    migrated. A database remembers its cluster: name it once. A lock keeps two from applying at once; it is
    void 10 minutes after its owner's last sign of life.
    """
    days = ttl if isinstance(ttl, int) else None
    kept = f"usage rows are kept {f'{days} days' if days else 'for good'}"
    with _database(settings) as (client, target):
        if dry_run:
            click.echo(schema.preview(client, target, cluster=cluster) or _NOTHING, nl=False)
            if ttl:
                click.echo(f"-- Then: {kept}.")
            return
        for owner in schema.unlock(client, target) if unlock else ():
            click.echo(f"removed the lock of {owner}")
        pending = schema.apply(client, target, cluster=cluster)
        for migration in pending:
            click.echo(f"applied {migration}")
        is_new = ttl is not None and retention.keep(client, days, author=user())
    if is_new:
        click.echo(kept)
    elif not pending:
        click.echo(_NOTHING, nl=False)


@schema_.command()
@configured("dsn")
def check(settings: Settings) -> None:
    """Say how the database differs from this version's schema; exit code 1 if it does."""
    with _database(settings) as (client, target):
        differences = schema.check(client, target, views=True)
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
@configured("dsn", "seal_quiet", "seal_timeout", "seal_memory_bytes")
def seal(settings: Settings) -> None:
    """Make the sums of days that rest, and let days expire that are past their retention; once.

    A server does it by itself, unless OTEL_USAGE_SEAL is off. What is cut off is done the next time.
    """
    from otel_usage import upkeep  # noqa: PLC0415

    async def keep_up(store: Store) -> None:
        async for done in upkeep.keep_up(store, settings.seal_quiet):
            click.echo(upkeep.told(done))

    with Store.open(settings) as store:
        asyncio.run(keep_up(store))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


async def _replay(settings: Settings, files: Sequence[Path], signal: Signal) -> bool:
    from otel_usage.auth import DEFAULT_TENANT  # noqa: PLC0415
    from otel_usage.erasure_feed import ErasureFeed  # noqa: PLC0415
    from otel_usage.horizon_feed import HorizonFeed  # noqa: PLC0415
    from otel_usage.ingest import Ingest  # noqa: PLC0415
    from otel_usage.price_feed import PriceFeed  # noqa: PLC0415

    complete = True
    with Store.open(settings) as store:
        async with Ingest(settings, store, await PriceFeed(store).load()) as ingest:
            ingest.horizon = await HorizonFeed(store).load()
            ingest.erased = await ErasureFeed(store).load()
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


@contextlib.contextmanager
def _database(settings: Settings) -> Iterator[tuple[Client, Target]]:
    """A client with no database chosen, and what the DSN names."""
    target = parse(settings.dsn)
    with contextlib.closing(connect(target, timeout=settings.insert_timeout)) as client:
        try:
            yield client, target
        except ClickHouseError as error:
            raise Failure(f"{target} cannot be used: {reason(error)}", 1) from error
