"""`otel-usage prices rules`: what is typed is what is kept, and what is wrong is told by its flag."""

import asyncio
import logging
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
import structlog
from click.testing import CliRunner, Result

from otel_usage.api.unpriced import answer
from otel_usage.cli import main
from otel_usage.config import Settings
from otel_usage.pricing import PriceBook, Pricer, price
from otel_usage.pricing.rules import Rule, Rules
from otel_usage.store import Store
from otel_usage.store.rules import read_rules
from otel_usage.store.unpriced import UnpricedGroup
from tests.test_pricing import _observations
from tools.reference import REFERENCE

_REASON: Final = ("--reason", "the contract")
_WRONG: Final = [
    ("--model m", "Give one of --alias, --price, --multiplier, --free and --reported."),
    ("--model m --free --reported", "Give one of --alias, --price, --multiplier, --free and --reported."),
    ("--model m --price input_mtok", "--price: 'input_mtok' is not KEY=DOLLARS, such as input_mtok=2.5."),
    ("--model m --price input_mtok=$2", "--price: '$2' is not a decimal number."),
    (
        "--model m --price input_mtok=1 --price input_mtok=2",
        "--price: input_mtok is given more than once.",
    ),
    ("--model m --price input=1", "--price input: is not a price key; these are: "),
    ("--model m --price input_mtok=-1", "--price input_mtok: is negative"),
    ("--model m --price input_mtok=NaN", "--price input_mtok: is not a number"),
    ("--model m --multiplier much", "--multiplier: 'much' is not a decimal number."),
    ("--model m --multiplier 0", "--multiplier: is not over 0"),
    ("--model m --alias azure/", "--alias: is required"),
    ("--model m --alias azure/gpt-*", "--alias: has a *"),
    ("--model m --free --account a*", "--account: has a *"),
    ("--model m --free --service-tier f*", "--service-tier: has a *"),
    (
        "--model m --free --from soon",
        "--from: is not an RFC 3339 time, such as 2026-11-23T09:30:00Z, nor",
    ),
    ("--model m --free --from 2026-02-30", "--from: is a time that does not exist"),
    ("--model m --free --from 1969-12-31", "--from: is before 1970"),
    ("--model m --free --from 2026-11-02 --to 2026-11-01", "--to: is not after the begin"),
    ("--model m --free --to 2201-01-01", "--to: is after 2200"),
    ("--model m --free --tenant=", "--tenant: is required"),
]
"""Flags of `add`, and how the sentence begins that refuses them."""


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def run(migrated_dsn: str) -> Any:  # noqa: ANN401
    """Run `otel-usage prices rules` with these arguments, on a database with its schema."""

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(
            main, ["prices", "rules", *arguments], env={"OTEL_USAGE_DSN": migrated_dsn}
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def _added(run: Any, *arguments: str) -> str:  # noqa: ANN401
    """The id of a rule that is added, as its command tells it."""
    result = run("add", *arguments, *_REASON)
    assert result.exit_code == 0, result.stderr
    told = re.fullmatch(r"(rule_[0-9a-f]{12})@1: .*\n", result.stdout)
    assert told, result.stdout
    return told[1]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (
            "--model my-gpt4o --provider azure --alias azure/gpt-4o",
            "model my-gpt4o, provider azure, every account, is azure/gpt-4o",
        ),
        ("--model m --alias gpt-4o", "model m, every account, is gpt-4o"),
        ("--model m --alias azure/eu/gpt-4o", "model m, every account, is azure/eu/gpt-4o"),
        (
            "--model gpt-4o --service-tier flex --price output_mtok=8.350 --price input_mtok=2",
            "model gpt-4o, service tier flex, every account, input_mtok=2 output_mtok=8.35",
        ),
        ("--model * --account acme --multiplier 1.20", "model *, account acme, list price times 1.2"),
        ("--model llama* --free", "model llama*, every account, free"),
        ("--model m --reported", "model m, every account, the cost that the emitter reports"),
        (
            "--model m --free --from 2026-11-01 --to 2026-12-01T00:00:00+01:00",
            "model m, every account, from 2026-11-01T00:00:00Z to 2026-11-30T23:00:00Z, free",
        ),
    ],
)
def test_a_rule_that_is_added_is_told_and_listed(run: Any, flags: str, told: str) -> None:  # noqa: ANN401
    rule_id = _added(run, *flags.split())
    assert run("list").stdout.replace(", to ", " to ") == f"{rule_id}@1: {told}\n"


def test_an_alias_to_what_the_price_book_has_not_is_taken_and_that_is_said(run: Any) -> None:  # noqa: ANN401
    result = run("add", "--model", "m", "--alias", "aws/gpt-99", *_REASON)
    assert result.exit_code == 0
    assert result.stderr == "The price book has no model aws/gpt-99: these calls have no price.\n"
    assert run("add", "--model", "n", "--alias", "azure/gpt-4o", *_REASON).stderr == ""
    own = ("--provider", "azure.ai.openai", "--alias", "gpt-4o")
    assert run("add", "--model", "o", *own, *_REASON).stderr == ""


def test_nothing_to_list_is_said(run: Any) -> None:  # noqa: ANN401
    assert run("list").stdout == "there are no price rules\n"


def test_a_change_writes_the_rule_anew_and_show_tells_who_and_why(run: Any) -> None:  # noqa: ANN401
    rule_id = _added(run, "--model", "*", "--account", "acme", "--multiplier", "1.2", "--author", "finn")
    changed = run(
        "change", rule_id, "--model", "*", "--multiplier", "1.3", "--author", "eva", "--reason", "more"
    )
    assert changed.stdout == f"{rule_id}@2: model *, every account, list price times 1.3\n"
    revoked = run("revoke", rule_id, "--author", "kim", "--reason", "no contract")
    assert revoked.stdout == f"{rule_id}@3 (revoked): model *, every account, list price times 1.3\n"
    shown = run("show", rule_id).stdout.splitlines()
    assert shown[0::2] == [
        f"{rule_id}@1: model *, account acme, list price times 1.2",
        f"{rule_id}@2: model *, every account, list price times 1.3",
        f"{rule_id}@3 (revoked): model *, every account, list price times 1.3",
    ]
    assert [line.split("Z ")[1] for line in shown[1::2]] == [
        "finn: the contract",
        "eva: more",
        "kim: no contract",
    ]
    assert run("list").stdout == "there are no price rules\n"
    assert run("list", "--revoked").stdout == revoked.stdout


def test_each_tenant_has_rules_of_its_own(run: Any) -> None:  # noqa: ANN401
    rule_id = _added(run, "--model", "m", "--free", "--tenant", "theirs")
    assert run("list").stdout == "there are no price rules\n"
    assert run("list", "--tenant", "theirs").stdout == f"{rule_id}@1: model m, every account, free\n"
    assert run("show", rule_id).exit_code == 2
    assert run("revoke", rule_id, *_REASON).exit_code == 2


def test_a_rule_that_overlaps_is_refused_and_the_other_is_named(run: Any) -> None:  # noqa: ANN401
    rule_id = _added(run, "--model", "gpt-*", "--free")
    result = run("add", "--model", "GPT-*", "--multiplier", "2", *_REASON)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: The rule {rule_id} (free, model gpt-*) holds for the same calls")
    assert len(result.stderr.splitlines()) == 1


def test_what_is_wrong_is_one_sentence_that_names_the_flag(run: Any) -> None:  # noqa: ANN401
    for flags, fault in _WRONG:
        result = run("add", *flags.split(), *_REASON)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"Error: {fault}"), flags
        assert len(result.stderr.splitlines()) == 1
    assert run("list").stdout == "there are no price rules\n"


def test_a_rule_needs_a_model_and_a_reason(run: Any) -> None:  # noqa: ANN401
    assert "Missing option '--model'" in run("add", "--free", *_REASON).stderr
    assert run("add", "--model", "m", "--free").stderr == "Error: --reason: is required\n"
    rule_id = _added(run, "--model", "m", "--free")
    assert run("revoke", rule_id).stderr == "Error: --reason: is required\n"


@pytest.mark.parametrize("command", ["show", "revoke", "change"])
def test_a_rule_that_is_not_there_is_said(run: Any, command: str) -> None:  # noqa: ANN401
    flags = {"show": (), "revoke": _REASON, "change": ("--model", "m", "--free", *_REASON)}
    result = run(command, "rule_0", *flags[command])
    assert (result.exit_code, result.stderr) == (2, "Error: There is no price rule rule_0.\n")


def test_who_runs_it_is_the_author_and_nobody_where_that_is_not_known(
    run: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "finn")
    first = _added(run, "--model", "m", "--free")
    assert " finn: the contract" in run("show", first).stdout

    def unknown() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", unknown)
    second = _added(run, "--model", "n", "--free")
    assert " -: the contract" in run("show", second).stdout


_GROUP: Final[dict[str, Any]] = {
    "request_model": "",
    "model_id": "",
    "service_tier": "",
    "reason": "unknown_model",
    "units": "",
    "calls": 1,
    "tokens": 1,
    "accounts": 1,
    "first_ns": 0,
    "last_ns": 0,
}


async def _read(store: Store) -> Sequence[Rule]:
    return await store.query(read_rules())


def _suggested(book: PriceBook, tenant: str, provider: str, name: str) -> list[dict[str, str]]:
    group = UnpricedGroup(**{**_GROUP, "provider": provider, "response_model": name})
    told: Any = answer(tenant, [group], book)
    return list(told["unpriced"][0]["suggestions"])


@pytest.mark.parametrize(
    ("tenant", "provider", "name"),
    [
        ("default", "azure", "my-gpt4o-deployment"),
        ("acme & sons", "azure.ai.openai", "it's $HOME/gpt-4o-prod; `x`"),
        ("default", "aws.bedrock", "our claude sonnet 4-5"),
        ("default", "", "team/claude-sonnet-4-5-prod"),
        ("default", "openrouter", "my/gpt-4o-x"),
        ("default", "openai", "--gpt-4o-ours"),
        ("default", "fireworks_ai", "our-llama-v3p1-70b-instruct"),
    ],
)
def test_a_suggested_command_does_what_it_says_when_it_is_run_as_it_is_printed(  # noqa: PLR0913, PLR0917
    run: Any,  # noqa: ANN401
    dsn: str,
    book: PriceBook,
    tenant: str,
    provider: str,
    name: str,
) -> None:
    suggestions = _suggested(book, tenant, provider, name)
    assert suggestions
    for suggested in suggestions:
        words = shlex.split(suggested["command"])
        assert words[:3] == ["otel-usage", "prices", "rules"]
        added = run(*words[3:])
        assert added.exit_code == 0, added.stderr
        with Store.open(Settings(dsn=dsn)) as store:
            rules = Rules.of(asyncio.run(_read(store)))
        call = {"tenant": tenant, "provider": provider, "response_model": name, "input_tokens": 5}
        (row,) = price(_observations(call), Pricer(book, rules)).to_pylist()
        assert row["price_key"] == suggested["priceKey"]
        (rule,) = rules.rules
        assert run("revoke", rule.rule_id, "--tenant", tenant, *_REASON).exit_code == 0


@pytest.mark.parametrize("name", ["*gpt-4o*", "gpt-4o\nours", "gpt-4o" + "x" * 300])
def test_no_command_is_suggested_for_a_name_that_a_rule_cannot_have(book: PriceBook, name: str) -> None:
    assert _suggested(book, "default", "openai", name) == []
    assert _suggested(book, "default", "openai", "gpt-4o ours")


def test_the_commands_of_the_how_to_page_are_taken_without_a_warning(run: Any) -> None:  # noqa: ANN401
    page = (REFERENCE.parent / "how-to" / "set-your-own-prices.md").read_text().replace("\\\n", "")
    commands = re.findall(r"^otel-usage prices rules (add .*)$", page, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        result = run(*shlex.split(command))
        assert (result.exit_code, result.stderr) == (0, ""), command
