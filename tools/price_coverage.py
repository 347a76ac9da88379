"""Which of the models that spans name have a price, from where, and what its sources disagree about.

`python -m tools.price_coverage` (`make prices-coverage`) prints it, and fails if a model is unpriced,
disagreed about or free without a word of explanation. The list of models and the explanations are in
`price_coverage.csv` and `price_coverage.toml`, beside the tests.
"""

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click
import pyarrow as pa

from otel_usage.model import OBSERVATIONS
from otel_usage.pricing import Pricer, price, rate
from otel_usage.pricing.match import find
from otel_usage.pricing.rate import HOUR_NS
from tools.disagreements import Disagreement, disagreements

DATA: Final = Path(__file__).parent.parent / "tests" / "pricing"
AT: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)
"""When the calls are made: prices have dates."""
LEAST: Final = 169
"""How many models must have a price."""

_MILLION: Final = 1_000_000
_MEASURES: Final[Sequence[Mapping[str, int]]] = (
    {"input_tokens": _MILLION, "output_tokens": _MILLION},
    {"input_tokens": _MILLION},
    {"input_audio_ns": HOUR_NS},
    {"input_characters": _MILLION},
    {"rerank_searches": 1_000},
    {"output_images": 1_000},
    {"output_audio_ns": HOUR_NS},
)
"""What a call may be told in. It is priced if it is in one of these."""
_WORDS: Final = {
    "input_audio_hours": "an hour of audio heard",
    "output_audio_hours": "an hour of audio made",
    "audio_hours": "an hour of audio",
    "input_mchars": "a million characters",
    "rerank_searches_kcount": "a thousand searches",
    "output_images_kcount": "a thousand images",
}
_CALL: Final[Mapping[str, Any]] = {
    **{field.name: "" for field in OBSERVATIONS if not field.nullable},
    "request": 0,
    "version": 1,
    "is_deleted": 0,
    "duration_ns": 1,
    "started_at": AT,
    "call_id": bytes(16),
    "trace_id": bytes(16),
    "span_id": bytes(8),
    "parent_span_id": bytes(8),
    "role": "inference",
    "usage_status": "reported",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A model, as spans name it."""

    provider: str
    model: str

    def __str__(self) -> str:
        """Its name in the explanations."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Covered:
    """What became of a model."""

    named: Named
    row: Mapping[str, Any]
    """As it was priced."""
    disagreements: Sequence[Disagreement]
    why: str
    """Why it has no price, or what to make of the disagreements; empty: not explained."""

    @property
    def priced(self) -> bool:
        """Whether a call costs something that is known."""
        return self.row["billed_cost"] is not None

    @property
    def free(self) -> bool:
        """Whether it costs nothing, and that is meant."""
        return self.priced and self.row["match_rule"].endswith(", free")

    @property
    def fault(self) -> str:
        """What is wrong; empty if nothing is."""
        if self.priced and not self.row["billed_cost"] and not self.free:
            return "costs 0, and nothing says that it is free"
        needed = bool(self.disagreements) or not self.priced
        if needed and not self.why:
            return f"is not explained: {self.found}"
        return f"is explained, with nothing to explain: {self.why}" if self.why and not needed else ""

    @property
    def found(self) -> str:
        """What there is to explain."""
        if not self.priced:
            return str(self.row["unpriced_reason"])
        return "; ".join(map(str, self.disagreements))

    @property
    def dollars(self) -> str:
        """The price, in short: of a million tokens in and out, or of what it is paid by."""
        if self.free or not self.priced:
            return "free" if self.free else ""
        prices = rate.from_text(self.row["billed_unit_prices"])
        if "input_mtok" in prices:
            told = [rate.plain(prices[key]) for key in ("input_mtok", "output_mtok") if key in prices]
            return " / ".join(told)
        return next(f"{rate.plain(prices[key])} {word}" for key, word in _WORDS.items() if key in prices)


def covered() -> Sequence[Covered]:
    """Each model of the list, with the book that comes with this version and no rules."""
    pricer, named, why = Pricer.bundled(), models(), explanations()
    calls = [
        {**_CALL, "provider": each.provider, "response_model": each.model, **told}
        for each in named
        for told in _MEASURES
    ]
    rows = price(pa.Table.from_pylist(calls, schema=OBSERVATIONS), pricer).to_pylist()
    starts = [number * len(_MEASURES) for number in range(len(named) + 1)]
    return [
        Covered(
            each,
            next((row for row in rows[first:last] if row["billed_cost"] is not None), rows[first]),
            [*disagreements(find(pricer.book, each.provider, each.model, ""), AT)],
            why.get(str(each), ""),
        )
        for each, (first, last) in zip(named, pairwise(starts), strict=True)
    ]


def models() -> Sequence[Named]:
    """The list of models."""
    with (DATA / "price_coverage.csv").open(encoding="utf-8", newline="") as file:
        return [Named(**row) for row in csv.DictReader(file)]


def explanations() -> Mapping[str, str]:
    """By model why it has no price, or why sources disagree and which is believed."""
    document = tomllib.loads((DATA / "price_coverage.toml").read_text("utf-8"))
    return {model: each["why"] for each in document["explanation"] for model in each["models"]}


def faults(found: Sequence[Covered]) -> Sequence[str]:
    """What is wrong with the coverage; nothing if all is well."""
    unknown = explanations().keys() - {str(each.named) for each in found}
    priced = sum(each.priced for each in found)
    return [
        *(f"{each.named} {each.fault}" for each in found if each.fault),
        *(f"{name} is explained, and not on the list" for name in sorted(unknown)),
        *([f"{priced} models have a price, not {LEAST}"] if priced < LEAST else []),
    ]


def summary(found: Sequence[Covered]) -> str:
    """The numbers, in a sentence."""
    priced, free = sum(each.priced for each in found), sum(each.free for each in found)
    disagreed = sum(bool(each.disagreements) for each in found)
    return (
        f"{priced} of {len(found)} models have a price; {free} of these are free, and meant to be. "
        f"Sources disagree about {disagreed}."
    )


def page() -> str:
    """The page of the reference."""
    found = covered()
    head = (
        "# Price coverage\n\n"
        f"Model names as spans spell them, and the price that each had on {AT:%Y-%m-%d} at {AT:%H:%M} UTC\n"
        "in the book that comes with this version, without any rule. Dollars: of a million input tokens /\n"
        "output tokens, or as it says. `make prices-coverage` prints what is to be explained.\n\n"
        f"{summary(found)}\n\n"
        "| provider | model | price | source | key | found by | about it |\n|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(map(_line, found))


def _line(each: Covered) -> str:
    row = each.row
    source, key = (f"`{row[name]}`" if each.priced else "" for name in ("price_source", "price_key"))
    about = each.why
    if each.disagreements:
        about = f"{'; '.join(map(str, each.disagreements))}. {each.why}"
    if not each.priced:
        about = f"unpriced: {each.why}"
    cells = (
        each.named.provider,
        f"`{each.named.model}`",
        each.dollars,
        source,
        key,
        row["match_rule"] if each.priced else "",
        about,
    )
    return f"| {' | '.join(cells)} |\n"


@click.command()
def main() -> None:
    """Print the coverage."""
    found = covered()
    click.echo(summary(found))
    for each in found:
        if not each.priced:
            click.echo(f"\n{each.named}: no price: {each.why}")
        elif each.disagreements:
            click.echo(f"\n{each.named}: {each.row['price_source']} is believed: {each.why}")
            for disagreement in each.disagreements:
                click.echo(f"    {disagreement}")
    if wrong := faults(found):
        click.echo("")
        raise click.ClickException("\n".join(wrong))


if __name__ == "__main__":
    main()
