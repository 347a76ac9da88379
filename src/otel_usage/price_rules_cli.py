"""`otel-usage prices rules`: aliases, overrides and markups, added, changed, listed and revoked."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import click

from otel_usage import rfc3339
from otel_usage.auth import DEFAULT_TENANT
from otel_usage.bookshelf import Bookshelf
from otel_usage.cli_settings import configured, user
from otel_usage.config import Settings
from otel_usage.model import Permanent
from otel_usage.pricing import PriceBook, rate
from otel_usage.pricing.match import find
from otel_usage.pricing.rule_faults import RuleFault
from otel_usage.pricing.rules import OPEN_END_NS, Kind, Rule
from otel_usage.rulebook import FaultyRule, Rulebook
from otel_usage.store import Store

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FLAGS: Final = {
    "account_id": "account",
    "valid_from_ns": "from",
    "valid_to_ns": "to",
    "to_provider": "alias",
    "to_model": "alias",
    "prices": "price",
}
"""The flags of the fields of a rule, where they have other names."""

T = TypeVar("T")
Command = Callable[..., None]


@click.group()
def rules() -> None:
    """Price rules: what a model name of yours means, and what you pay instead of the list price."""


def _effects(command: Command) -> Command:
    """The flags that say what a rule does: one of them."""
    for option in (
        click.option("--reported", is_flag=True, help="Bill the cost that the emitter reports."),
        click.option("--free", is_flag=True, help="It costs nothing, and that is meant."),
        click.option("--multiplier", metavar="NUMBER", help="Bill the list price times this: 1.2, 0.85."),
        click.option(
            "--price",
            "prices",
            multiple=True,
            metavar="KEY=DOLLARS",
            help=f"Bill these unit prices, all there are. Keys: {', '.join(sorted(rate.price_keys()))}.",
        ),
        click.option(
            "--alias", metavar="[PROVIDER/]MODEL", help="The price is that of this model: azure/gpt-4o."
        ),
    ):
        command = option(command)
    return command


def _meant(command: Command) -> Command:
    """The flags that say for which calls a rule holds."""
    for option in (
        click.option("--to", "until", metavar="TIME", help="For calls that start before it."),
        click.option("--from", "since", metavar="TIME", help="For calls from then on: a date, or RFC 3339."),
        click.option("--service-tier", default="", help="Only calls that were served in this tier."),
        click.option("--provider", default="", help="Only calls of this provider, as emitters name it."),
        click.option("--account", default="", metavar="ID", help="Only calls of this account."),
    ):
        command = option(command)
    return command


def _who(command: Command) -> Command:
    """Whose rule it is, who says so, and why."""
    for option in (
        click.option("--reason", default="", help="Why; kept with the rule."),
        click.option("--author", default=user, show_default="the user", help="Who says so."),
        click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose rule it is."),
    ):
        command = option(command)
    return command


@rules.command()
@click.option("--model", required=True, help="A model name of the calls; * stands for any text.")
@_meant
@_effects
@_who
@configured("dsn")
def add(settings: Settings, *, tenant: str, **flags: Any) -> None:  # noqa: ANN401 (what click parsed)
    """Add a rule. One that cannot be told apart from another of the same calls is refused."""
    rule = Rule(rule_id="", tenant=tenant, **_fields(**flags))
    _written(settings, lambda rulebook: rulebook.add(rule))


@rules.command()
@click.argument("rule_id")
@click.option("--model", required=True, help="A model name of the calls; * stands for any text.")
@_meant
@_effects
@_who
@configured("dsn")
def change(settings: Settings, *, rule_id: str, tenant: str, **flags: Any) -> None:  # noqa: ANN401
    """Write a rule anew, as its next revision: what is not said is not in it any more."""
    fields = _fields(**flags)
    _written(settings, lambda rulebook: rulebook.change(tenant, rule_id, **fields))


@rules.command()
@click.argument("rule_id")
@_who
@configured("dsn")
def revoke(settings: Settings, *, rule_id: str, tenant: str, author: str, reason: str) -> None:
    """Take a rule out of force. Calls that it has priced keep their cost: see `prices reprice`."""
    _tell(_with(settings, lambda rulebook: rulebook.revoke(tenant, rule_id, author, reason)))


@rules.command(name="list")
@click.option("--revoked", is_flag=True, help="Also those that are revoked.")
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose rules.")
@configured("dsn")
def list_(settings: Settings, *, revoked: bool, tenant: str) -> None:
    """List the rules of a tenant."""
    found = _with(settings, lambda rulebook: rulebook.list(tenant))
    shown = [rule for rule in found if revoked or not rule.is_revoked]
    for rule in shown:
        _tell(rule)
    if not shown:
        click.echo("there are no price rules")


@rules.command()
@click.argument("rule_id")
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose rule it is.")
@configured("dsn")
def show(settings: Settings, *, rule_id: str, tenant: str) -> None:
    """Show all revisions of a rule."""
    for rule in _with(settings, lambda rulebook: rulebook.history(tenant, rule_id)):
        _tell(rule)
        click.echo(f"    {rfc3339.render(rule.created_at_ns)} {rule.author or '-'}: {rule.reason or '-'}")


def _written(settings: Settings, write: Callable[[Rulebook], Awaitable[Rule]]) -> None:
    """Tell a rule that is written; and of an alias, if no call can have its price."""
    rule = _with(settings, write)
    _tell(rule)
    if rule.kind is Kind.ALIAS:
        book = PriceBook.load(_within(settings, lambda store: Bookshelf(store).in_force()))
        if not find(book, rule.to_provider or rule.provider, rule.to_model, ""):
            click.echo(f"The price book has no model {_meaning(rule)}: these calls have no price.", err=True)


def _with(settings: Settings, ask: Callable[[Rulebook], Awaitable[T]]) -> T:
    try:
        return _within(settings, lambda store: ask(Rulebook(store)))
    except FaultyRule as error:
        told = "; ".join(f"{_flag(fault)}: {fault.detail}" for fault in error.faults)
        raise Permanent(told, field=error.field) from error


def _within(settings: Settings, ask: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        with Store.open(settings) as store:
            return await ask(store)

    return asyncio.run(run())


def _flag(fault: RuleFault) -> str:
    """The flag that a fault is in, and of several prices which."""
    name, _, key = fault.field.partition(".")
    flag = _FLAGS.get(name, name).replace("_", "-")
    return f"--{flag} {key}".rstrip()


def _fields(  # noqa: PLR0913 (the flags)
    *,
    model: str,
    account: str,
    provider: str,
    service_tier: str,
    since: str | None,
    until: str | None,
    alias: str | None,
    prices: Sequence[str],
    multiplier: str | None,
    free: bool,
    reported: bool,
    author: str,
    reason: str,
) -> dict[str, Any]:
    """The fields of a Rule. Raises Permanent."""
    effects = {
        Kind.ALIAS: alias,
        Kind.PRICES: prices,
        Kind.MULTIPLIER: multiplier,
        Kind.FREE: free,
        Kind.REPORTED: reported,
    }
    kinds = [kind for kind, given in effects.items() if given]
    if len(kinds) != 1:
        raise Permanent("Give one of --alias, --price, --multiplier, --free and --reported.", field="kind")
    first, slash, rest = (alias or "").partition("/")
    to_provider, to_model = (first, rest) if slash else ("", first)
    return {
        "model": model,
        "account_id": account,
        "provider": provider,
        "service_tier": service_tier,
        "valid_from_ns": _time(since, "from") if since else 0,
        "valid_to_ns": _time(until, "to") if until else OPEN_END_NS,
        "kind": kinds[0],
        "to_provider": to_provider,
        "to_model": to_model,
        "prices": _prices(prices),
        "multiplier": _decimal(multiplier, "multiplier") if multiplier else Decimal(1),
        "author": author,
        "reason": reason,
    }


def _prices(texts: Sequence[str]) -> dict[str, Decimal]:
    told: dict[str, Decimal] = {}
    for key, dollars in map(_price, texts):
        if key in told:
            raise Permanent(f"--price: {key} is given more than once.", field="price")
        told[key] = dollars
    return told


def _price(text: str) -> tuple[str, Decimal]:
    key, equals, dollars = text.partition("=")
    if not equals:
        raise Permanent(f"--price: {text!r} is not KEY=DOLLARS, such as input_mtok=2.5.", field="price")
    return key.strip(), _decimal(dollars, "price")


def _decimal(text: str, flag: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise Permanent(f"--{flag}: {text!r} is not a decimal number.", field=flag) from None


def _time(text: str, flag: str) -> int:
    try:
        return rfc3339.parse(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except ValueError as error:
        raise Permanent(f"--{flag}: {error}, nor a date.", field=flag) from None


def _tell(rule: Rule) -> None:
    click.echo(f"{rule}{' (revoked)' if rule.is_revoked else ''}: {', '.join(_said(rule))}")


def _meaning(alias: Rule) -> str:
    return f"{alias.to_provider}{'/' if alias.to_provider else ''}{alias.to_model}"


def _said(rule: Rule) -> Iterator[str]:
    """What a rule says, part by part."""
    yield f"model {rule.model}"
    for name in ("provider", "service_tier"):
        if told := getattr(rule, name):
            yield f"{name.replace('_', ' ')} {told}"
    yield f"account {rule.account_id}" if rule.account_id else "every account"
    if rule.valid_from_ns:
        yield f"from {rfc3339.render(rule.valid_from_ns)}"
    if rule.valid_to_ns < OPEN_END_NS:
        yield f"to {rfc3339.render(rule.valid_to_ns)}"
    match rule.kind:
        case Kind.ALIAS:
            yield f"is {_meaning(rule)}"
        case Kind.PRICES:
            yield " ".join(f"{key}={rate.plain(price)}" for key, price in sorted(rule.prices.items()))
        case Kind.MULTIPLIER:
            yield f"list price times {rate.plain(rule.multiplier)}"
        case Kind.FREE:
            yield "free"
        case Kind.REPORTED:
            yield "the cost that the emitter reports"
