"""Of the models that spans name: how many have a price, that none is free by accident, all is explained."""

import csv
import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from otel_usage.pricing import Pricer
from otel_usage.pricing.match import find
from tools import price_coverage
from tools.disagreements import Disagreement
from tools.price_coverage import AT, DATA, LEAST, Covered, Named


@pytest.fixture(scope="module")
def found() -> Sequence[Covered]:
    return price_coverage.covered()


def test_at_least_169_of_175_models_have_a_price(found: Sequence[Covered]) -> None:
    assert len(found) == 175
    assert sum(each.priced for each in found) >= LEAST == 169


def test_no_model_is_free_unless_that_is_meant(found: Sequence[Covered]) -> None:
    for each in found:
        if each.priced:
            assert (each.row["billed_cost"] > 0) != each.free, each.named
    assert {each.named.provider for each in found if each.free} == {"ollama", "openai", "openrouter"}


def test_a_model_without_a_price_has_a_reason_and_no_cost(found: Sequence[Covered]) -> None:
    for each in found:
        assert each.priced == (not each.row["unpriced_reason"]), each.named
        assert each.priced or each.row["list_cost"] is None


def test_nothing_is_wrong_with_the_coverage(found: Sequence[Covered]) -> None:
    assert price_coverage.faults(found) == []


def test_no_model_is_on_the_list_or_explained_twice() -> None:
    with (DATA / "price_coverage.csv").open(encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    assert len(rows) == len(set(rows))
    document = tomllib.loads((DATA / "price_coverage.toml").read_text("utf-8"))
    explained = [model for each in document["explanation"] for model in each["models"]]
    assert len(explained) == len(set(explained))
    assert all(re.fullmatch(r"[^\s|][^|\n]*[^\s|]", each["why"]) for each in document["explanation"])


def test_whose_price_is_corrected_is_explained_as_that(found: Sequence[Covered]) -> None:
    for each in found:
        corrected = each.priced and each.row["price_source"].startswith("corrections@")
        if corrected and each.disagreements:
            assert each.why.startswith("Corrected: "), each.named
        assert corrected or not each.why.startswith("Corrected: "), each.named


def test_a_disagreement_is_one_of_the_prices_that_the_sources_state(found: Sequence[Covered]) -> None:
    """Told by another reading: plain prices of the lowest tier, key by key."""
    book = Pricer.bundled().book
    by_name = {str(each.named): each for each in found}
    checked = 0
    for name, each in by_name.items():
        matches = [match for match in find(book, each.named.provider, each.named.model, "") if not match.free]
        prices = [vars(match.model.get_prices(AT)) for match in matches]
        for key, count in (("input_mtok", "input_tokens"), ("output_mtok", "output_tokens")):
            plain = [price[key] for price in prices if isinstance(price.get(key), Decimal)]
            if len(plain) == len(prices) > 1:
                unequal = max(plain) - min(plain) > Decimal("1e-6")
                told = any(one.count == count and one.start == 0 for one in each.disagreements)
                assert unequal == told, (name, key, plain)
                checked += 1
    assert checked > 100


def _covered(
    cost: str | None, *, rule: str = "response_model", why: str = "", differ: bool = False
) -> Covered:
    row: dict[str, Any] = {
        "billed_cost": None if cost is None else Decimal(cost),
        "match_rule": rule,
        "unpriced_reason": "" if cost else "unknown_model",
    }
    different = Disagreement("input_tokens", 0, {"a@1": Decimal(1), "b@1": None})
    return Covered(Named("p", "m"), row, [different] if differ else [], why)


@pytest.mark.parametrize(
    ("covered", "fault"),
    [
        (_covered("1"), ""),
        (_covered("0"), "costs 0, and nothing says that it is free"),
        (_covered("0", rule="response_model, free"), ""),
        (_covered(None), "is not explained: unknown_model"),
        (_covered(None, why="needs an alias"), ""),
        (_covered("1", differ=True), "is not explained: input_tokens: a@1 1, b@1 none"),
        (_covered("1", differ=True, why="a is right"), ""),
        (_covered("1", why="a is right"), "is explained, with nothing to explain: a is right"),
    ],
)
def test_what_is_wrong_is_told(covered: Covered, fault: str) -> None:
    assert covered.fault == fault


def test_too_few_prices_and_explanations_of_nothing_are_faults() -> None:
    faults = price_coverage.faults([_covered("1")])
    assert "1 models have a price, not 169" in faults
    assert "openai/dall-e-3 is explained, and not on the list" in faults


def test_the_command_prints_the_numbers_and_every_explanation(found: Sequence[Covered]) -> None:
    result = CliRunner().invoke(price_coverage.main)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(price_coverage.summary(found))
    assert all(each.why in result.output for each in found)


def test_the_page_has_every_model_on_a_line(found: Sequence[Covered]) -> None:
    lines = [line for line in price_coverage.page().splitlines() if line.startswith("| ")]
    assert len(lines) == len(found) + 1
    for each, line in zip(found, lines[1:], strict=True):
        assert line.startswith(f"| {each.named.provider} | `{each.named.model}` |")
        assert line.count("|") == 8
