"""`otel-usage prices`: the price book in force, another one, and what is different between them."""

import asyncio
import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import click

from otel_usage import rfc3339
from otel_usage.bookshelf import Bookshelf, Verdict
from otel_usage.cli_settings import configured, user
from otel_usage.config import Settings
from otel_usage.model import Permanent
from otel_usage.price_rules_cli import rules
from otel_usage.pricing import PriceBook, rate
from otel_usage.pricing.build import Built, build
from otel_usage.pricing.changes import Change, changes
from otel_usage.pricing.gate import Finding
from otel_usage.pricing.listing import Listed, model
from otel_usage.pricing.sources import corrections as corrected
from otel_usage.pricing.sources import genai
from otel_usage.pricing.sources.limits import Limits
from otel_usage.pricing.sources.litellm import Vendored, vendored
from otel_usage.reprice_cli import reprice
from otel_usage.store import Store
from otel_usage.store.books import HELD, IN_FORCE, BookEvent

T = TypeVar("T")
Command = Callable[..., None]

_SECONDS: Final = 60
"""How long a download may take."""
_MAX_DOWNLOAD: Final = 64 * 1024 * 1024
_SHOWN: Final = 40  # lines of differences or findings, if not all are asked for


@click.group()
def prices() -> None:
    """Prices: the book, the rules, and pricing anew what is stored."""


prices.add_command(rules)
prices.add_command(reprice)


def _sources(command: Command) -> Command:
    """The flags that name what a book is made of: files, or addresses that are then downloaded."""
    for option in (
        click.option("--corrections", metavar="FILE", help="Corrections in place of those of this version."),
        click.option("--litellm-version", default="", help="The version of --litellm."),
        click.option("--litellm", metavar="FILE|URL", help="LiteLLM's price JSON, newer than the one here."),
        click.option("--genai-prices-version", default="", help="The version of --genai-prices."),
        click.option(
            "--genai-prices", metavar="FILE|URL", help="genai-prices' JSON, newer than what is installed."
        ),
    ):
        command = option(command)
    return command


@prices.command()
@click.option("--provider", default="", help="As emitters name it.")
@click.argument("model_name", metavar="[MODEL]", required=False)
@configured("dsn")
def show(settings: Settings, *, model_name: str | None, provider: str) -> None:
    """Show the price book in force and what was done with books, or what MODEL costs."""
    book = PriceBook.load(_with(settings, lambda shelf: shelf.in_force()))
    if model_name is None:
        click.echo(f"sha256:{book.id} is in force")
        for source in book.sources:
            click.echo(f"{sum(len(each.models) for each in source.providers):6} models of {source}")
        for event in _with(settings, lambda shelf: shelf.events()):
            click.echo(_event(event))
        return
    found = model(book, time.time_ns(), model_name, provider)
    if found is None:
        raise Permanent(f"The price book has no model {model_name}.", field="model")
    for line in _listed(found):
        click.echo(line)


@prices.command()
@_sources
@click.option("--all", "every", is_flag=True, help="All differences, not the first ones.")
@click.argument("book", required=False)
@configured("dsn")
def diff(settings: Settings, *, book: str | None, every: bool, **sources: str | None) -> None:
    """Show how BOOK, or the one that `update` would make, differs from the one in force."""
    old = _with(settings, lambda shelf: shelf.in_force())
    new = _with(settings, lambda shelf: shelf.body(book)) if book else _built(**sources).body
    found = changes(json.loads(old), json.loads(new))
    _tell([_change(each) for each in found], every=every)
    click.echo(f"{len(found)} differences from sha256:{hashlib.sha256(old).hexdigest()[:12]}, in force")


@prices.command()
@_sources
@click.option("--all", "every", is_flag=True, help="All findings, not the first ones.")
@click.option("--author", default=user, show_default="the user", help="Who does it.")
@click.option("--reason", default="", help="Why; kept with the book.")
@configured("dsn")
def update(settings: Settings, *, every: bool, author: str, reason: str, **sources: str | None) -> None:
    """Make a new price book and put it in force; running servers take it within seconds.

    One with a fault is refused. One that changes past prices of models in use, or moves them by more than a
    quarter, is stored and held until `prices approve`. Nothing is downloaded but what a URL is given for.
    Exit code 1 if the book is not in force afterwards.
    """
    built = _built(**sources)
    limits = _limits(sources["corrections"])
    verdict = _with(settings, lambda shelf: shelf.take(built, author, reason, limits))
    _tell([_finding(each) for each in verdict.findings], every=every)
    for (source, why), count in built.report.reasons.items():
        if source.startswith(genai.NAME):  # of LiteLLM's, hundreds are no language models
            click.echo(f"note: {count} models of {source} are left out: {why}")
    left_out = [each for each in built.report.dropped if each.is_fault and each not in built.report.faults]
    _tell([f"note: {each.source} {each.model} is left out: {each.reason}" for each in left_out], every=every)
    for each in built.report.expired:
        click.echo(f"note: correction of {each.provider}/{each.model} is left out: {each.reason}")
    if verdict.event == IN_FORCE:
        click.echo(f"sha256:{verdict.book_id} is in force")
    elif verdict.event == HELD:
        click.echo(f"sha256:{verdict.book_id} is held: otel-usage prices approve {verdict.book_id[:12]}")
        raise click.exceptions.Exit(1)
    elif verdict.is_refused:
        click.echo(f"sha256:{verdict.book_id} is refused")
        raise click.exceptions.Exit(1)
    else:
        click.echo(f"sha256:{verdict.book_id} is in force already")


@prices.command()
@click.argument("book")
@click.option("--author", default=user, show_default="the user", help="Who does it.")
@click.option("--reason", required=True, help="Why; kept with the book.")
@configured("dsn")
def approve(settings: Settings, *, book: str, author: str, reason: str) -> None:
    """Put BOOK in force: one that was held, or an older one."""
    book_id = _with(settings, lambda shelf: shelf.approve(book, author, reason))
    click.echo(f"sha256:{book_id} is in force")


@prices.command()
@click.option("--corrections", metavar="FILE", help="The corrections that it was made with.")
@click.option("--all", "every", is_flag=True, help="All findings, not the first ones.")
@configured("dsn")
def check(settings: Settings, *, corrections: str | None, every: bool) -> None:
    """Say what is wrong or doubtful in the price book in force.

    Wrong is a price that is none. Doubtful are models in use whose price the sources do not agree on. Exit
    code 1 if something is wrong.
    """
    limits = _limits(corrections)

    async def look(shelf: Bookshelf) -> Verdict:
        body = await shelf.in_force()
        return Verdict(hashlib.sha256(body).hexdigest(), IN_FORCE, await shelf.findings(body, limits))

    found = _with(settings, look)
    _tell([_finding(each) for each in found.findings], every=every)
    if found.is_refused:
        click.echo(f"sha256:{found.book_id} is in force, and something is wrong in it")
        raise click.exceptions.Exit(1)
    click.echo(f"nothing is wrong in sha256:{found.book_id}; {len(found.findings)} notes")


def _with(settings: Settings, ask: Callable[[Bookshelf], Awaitable[T]]) -> T:
    async def run() -> T:
        with Store.open(settings) as store:
            return await ask(Bookshelf(store))

    return asyncio.run(run())


def _built(
    *,
    genai_prices: str | None,
    genai_prices_version: str | None,
    litellm: str | None,
    litellm_version: str | None,
    corrections: str | None,
) -> Built:
    for flag, given, version in (
        ("genai-prices", genai_prices, genai_prices_version),
        ("litellm", litellm, litellm_version),
    ):
        if bool(given) != bool(version):
            raise Permanent(f"--{flag} and --{flag}-version go together: rows name it.", field=flag)
    files = [Vendored(litellm_version or "", _read(litellm)), *vendored()] if litellm else None
    return build(
        genai_prices=(genai_prices_version or "", genai.read(_read(genai_prices))) if genai_prices else None,
        litellm_files=files,
        corrections=_read(corrections) if corrections else None,
    )


def _limits(file: str | None) -> Limits | None:
    return corrected.read(_read(file)).limits if file else None


def _read(place: str) -> bytes:
    """A file, or what is at an address. Raises Permanent."""
    try:
        if not place.startswith(("http://", "https://")):
            return Path(place).read_bytes()
        with urllib.request.urlopen(place, timeout=_SECONDS) as answer:  # noqa: S310 (http, as asked for)
            body: bytes = answer.read(_MAX_DOWNLOAD + 1)
    except urllib.error.HTTPError as error:
        with error:  # it is the answer too, and holds the connection
            raise Permanent(f"{place} cannot be read: {error}.") from None
    except (OSError, ValueError) as error:
        raise Permanent(f"{place} cannot be read: {error}.") from error
    if len(body) > _MAX_DOWNLOAD:
        raise Permanent(f"{place} is over {_MAX_DOWNLOAD} bytes.")
    return body


def _tell(lines: Sequence[str], *, every: bool) -> None:
    for line in lines if every else lines[:_SHOWN]:
        click.echo(line)
    if not every and len(lines) > _SHOWN:
        click.echo(f"... and {len(lines) - _SHOWN} more")


def _finding(finding: Finding) -> str:
    place = "/".join(filter(None, (finding.source, finding.provider, finding.model)))
    return f"{finding.severity}: {place}{': ' if place else ''}{finding.message}"


def _change(change: Change) -> str:
    moved = f" {change.price_key}: {change.old or '-'} -> {change.new or '-'}" if change.price_key else ""
    return f"{change.kind}: {change.source}/{change.provider}/{change.model}{moved}"


def _event(event: BookEvent) -> str:
    what = {HELD: "held", IN_FORCE: "in force"}[event.event]
    at = rfc3339.render(event.at_ms * 10**6)
    return f"{at} sha256:{event.book_id[:12]} {what}, {event.author or '-'}: {event.reason or '-'}"


def _listed(found: Listed) -> Iterator[str]:
    """A model's prices; of tiers and contexts only those that are others."""
    yield f"{found.key} ({found.source})"
    yield "US dollars for a million tokens or characters (m), a thousand (k), an hour:"
    for key, price in sorted(found.prices.items()):
        yield f"  {key:24} {rate.plain(price)}"
    others = [(f"above {tier.start} input tokens", tier.prices) for tier in found.tiers]
    for context in found.contexts:
        told = ", ".join(f"{key}={value}" for key, value in context.when.items())
        others.append((told, context.prices))
    for told, prices in others:
        yield f"{told}:"
        for key, price in sorted(prices.items()):
            if price != found.prices.get(key):
                yield f"  {key:24} {rate.plain(price)}"
