"""`otel-usage accounts`: what concerns one account as a whole."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click

from otel_usage.auth import DEFAULT_TENANT
from otel_usage.cli_settings import configured, user
from otel_usage.config import Settings
from otel_usage.model import Permanent
from otel_usage.store import Store
from otel_usage.store.sums import date_of

if TYPE_CHECKING:
    from otel_usage.erased import Erasure
    from otel_usage.erasure import Found

LEARNED: Final = 2
"""How many times the interval at which servers look for erasures is waited until all know of one."""


@click.group()
def accounts() -> None:
    """The accounts that are billed."""


@accounts.command()
@click.argument("account")
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose account it is.")
@click.option("--author", default=user, show_default="the user", help="Who says so.")
@click.option("--reason", default="", help="Why; kept with the pseudonym.")
@click.option("--apply", is_flag=True, help="Erase it. Without it, only say what there is.")
@configured("dsn", "price_refresh", "seal_timeout")
def erase(settings: Settings, *, apply: bool, **order: str) -> None:
    """Erase ACCOUNT: what names it or leads to it goes, and all totals stay, under a pseudonym.

    It cannot be taken back. What was cut off goes on when the command is given again.
    """
    if not order["account"]:
        raise Permanent("Name an account: calls without one name nobody.", field="account")
    if apply and not order["reason"].strip():
        raise Permanent("--apply needs a --reason.", field="reason")
    found, erasure = asyncio.run(_erase(settings, order, apply=apply))
    click.echo(_told(found))
    if erasure:
        click.echo(f"Erased: {erasure.pseudonym} stands for it.")
    elif found.days or found.expired:
        click.echo("Nothing is erased yet: add --apply.")


async def _erase(
    settings: Settings, told: Mapping[str, str], *, apply: bool
) -> "tuple[Found, Erasure | None]":
    from otel_usage.erasure import Order, erase, find  # noqa: PLC0415 (loaded for this command)

    order = Order(**told)
    with Store.open(settings) as store:
        found = await find(store, order)
        if not apply:
            return found, None
        return found, await erase(store, order, pause=LEARNED * settings.price_refresh)


def _told(found: "Found") -> str:
    if not found.days and not found.expired:
        return "nothing names this account"
    days = [date_of(day.day).isoformat() for day in found.days]
    span = f" from {days[0]} to {days[-1]}" if days else ""
    expired = f", and the sums of {found.expired} days whose rows have expired" if found.expired else ""
    return f"{found.rows} rows on {len(days)} days{span}{expired}"
