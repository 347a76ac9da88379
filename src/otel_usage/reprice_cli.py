"""`otel-usage prices reprice`: price stored calls again, and show what changes before it is written."""

import asyncio
import dataclasses
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import click

from otel_usage.auth import DEFAULT_TENANT
from otel_usage.cli_settings import configured
from otel_usage.config import Settings
from otel_usage.model import Permanent

if TYPE_CHECKING:
    from otel_usage.differences import Difference
    from otel_usage.repricing import Repriced
    from otel_usage.store.repricing import Reprice

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HEADER: Final = ("account", "model", "rows", "healed", "billed before", "billed after", "difference")
_LEFT: Final = 2  # columns of text; the others are numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The flags."""

    from_: str
    to: str
    account: str | None
    model: str | None
    tenant: str
    unpriced: bool
    apply: bool
    reason: str
    author: str
    run_id: str


@click.command()
@click.option(
    "--from", "from_", required=True, metavar="TIME", help="The first call: a date, or a time of RFC 3339."
)
@click.option("--to", required=True, metavar="TIME", help="The end: calls that start before it are meant.")
@click.option("--account", metavar="ID", help="Only calls of this account.")
@click.option("--model", metavar="ID", help="Only calls of this model, as priced, asked for or answered.")
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose calls.")
@click.option("--unpriced", is_flag=True, help="Only calls whose cost is unknown.")
@click.option("--apply", is_flag=True, help="Write it. Otherwise it is shown only.")
@click.option("--reason", default="", help="Why; required with --apply.")
@click.option("--author", default="", help="Who does it.")
@click.option("--run-id", default="", metavar="ID", help="Go on with a run that was cut off.")
@configured("dsn")
def reprice(settings: Settings, **flags: object) -> None:
    """Price stored calls again, with the prices and rules in force now.

    A call costs what was in force when it started. Shows by how much the bill changes, by account and model;
    with --apply the new costs are written, and what they were is kept. A run that was cut off goes on where
    it stopped when its command is given again with its --run-id.
    """
    asked = _Asked(**flags)  # type: ignore[arg-type] # what click parsed
    if asked.apply and not asked.reason.strip():
        raise Permanent("--apply needs a --reason.", field="reason")
    repriced = asyncio.run(_run(settings, asked))
    click.echo("\n".join(_told(repriced)))
    if repriced.run_id:
        click.echo(f"Written as {repriced.run_id}.")
    elif repriced.changed:
        click.echo(f"Nothing is written yet. To write it: {_command(asked)}")


async def _run(settings: Settings, asked: _Asked) -> "Repriced":
    from otel_usage.erasure_feed import ErasureFeed  # noqa: PLC0415 (a second of imports, for this command)
    from otel_usage.horizon_feed import HorizonFeed  # noqa: PLC0415
    from otel_usage.ingest import Ingest  # noqa: PLC0415
    from otel_usage.price_feed import PriceFeed  # noqa: PLC0415
    from otel_usage.repricing import Repricing  # noqa: PLC0415
    from otel_usage.store import Store  # noqa: PLC0415

    meant = _meant(asked)
    with Store.open(settings) as store:
        async with Ingest(settings, store, await PriceFeed(store).load()) as ingest:
            ingest.horizon = await HorizonFeed(store).load()
            ingest.erased = await ErasureFeed(store).load()
            repricing = Repricing(ingest, store)
            if asked.apply:
                return await repricing.apply(meant, asked.reason, asked.author, asked.run_id)
            return await repricing.try_out(meant)


def _meant(asked: _Asked) -> "Reprice":
    from otel_usage.store.repricing import Reprice  # noqa: PLC0415

    return Reprice(
        tenant=asked.tenant,
        from_ns=_time(asked.from_, "from"),
        to_ns=_time(asked.to, "to"),
        account_id=asked.account,
        model_id=asked.model,
        unpriced_only=asked.unpriced,
    )


def _time(text: str, flag: str) -> int:
    """Nanoseconds since 1970 of a time, or of the midnight at which a UTC day begins."""
    from otel_usage import rfc3339  # noqa: PLC0415

    try:
        return rfc3339.parse(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except ValueError as error:
        raise Permanent(f"--{flag}: {error}, nor a date.", field=flag) from None


def _told(repriced: "Repriced") -> Iterator[str]:
    """The differences as a table, and the sums."""
    total = repriced.total
    if repriced.changed:
        rows = [
            _HEADER,
            *(
                (each.account_id or "-", each.model_id, *_numbers(each.rows, each.healed), *_money(each))
                for each in repriced.differences
            ),
            ("all", "", *_numbers(total.rows, total.healed), *_money(total)),
        ]
        yield from _table(rows)
    if total.lost:
        yield f"Of these {total.lost} rows had a cost, and have none any more."
    yield f"{repriced.changed} of {repriced.rows} rows change."


def _numbers(*counts: int) -> Sequence[str]:
    return [str(count) for count in counts]


def _money(each: "Difference") -> Sequence[str]:
    return [_plain(amount) for amount in (each.billed_before, each.billed_after, each.difference)]


def _plain(amount: Decimal) -> str:
    """US dollars with all digits that there are."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if place < _LEFT else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _command(asked: _Asked) -> str:
    """The same command, that writes."""
    flags = dataclasses.asdict(asked) | {"apply": True, "reason": asked.reason or "..."}
    parts = ["otel-usage", "prices", "reprice"]
    for name, value in flags.items():
        flag = f"--{name.strip('_').replace('_', '-')}"
        if value is True:
            parts.append(flag)
        elif value and (name, value) != ("tenant", DEFAULT_TENANT):
            parts += [flag, shlex.quote(str(value))]
    return " ".join(parts)
