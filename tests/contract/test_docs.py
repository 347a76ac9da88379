"""The documents say what the code does."""

import re
from pathlib import Path

import click
import pytest

from otel_usage import dialects
from otel_usage.cli import main
from otel_usage.config import Settings
from otel_usage.dialects.conventions import CONVENTIONS
from otel_usage.dialects.documents import DOCUMENTS as JSON_DOCUMENTS
from otel_usage.dialects.events import EVENTS
from otel_usage.dialects.metrics import METERS
from tools.reference import REFERENCE, pages, variable

ROOT = REFERENCE.parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_the_readme_is_at_most_120_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_every_setting_is_documented() -> None:
    page = (REFERENCE / "configuration.md").read_text()
    assert [name for name in Settings.model_fields if f"`{variable(name)}`" not in page] == []


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_command_is_documented() -> None:
    page = (REFERENCE / "cli.md").read_text()
    assert isinstance(main, click.Group)
    assert [name for name in main.commands if f"## otel-usage {name}\n" not in page] == []


def test_whatever_is_read_is_on_the_page_of_dialects() -> None:
    page = (REFERENCE / "dialects.md").read_text()
    language = dialects.of_spans()
    read = {
        *(*language.attributes, *language.totals, *language.prefixes, *language.span_names),
        *(scope for convention in CONVENTIONS for scope in convention.scopes),
        *(document.attribute for document in JSON_DOCUMENTS),
        *(name for event in EVENTS for name in (*event.names, *event.short_names)),
        *(name for event in EVENTS for names in event.dialect.fields.values() for name in names),
        *(meter.metric for meter in METERS),
    }
    assert sorted(name for name in read if f"`{name}`" not in page) == []


def test_no_two_headings_of_a_page_are_equal() -> None:
    for path in pages():
        headings = re.findall(r"^#+ .*", path.read_text(), re.MULTILINE)
        assert len(headings) == len(set(headings)), path.name


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_a_generated_page_is_fresh(path: Path) -> None:
    assert path.read_text() == pages()[path], "stale: run `make docs`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_target_named_in_the_readme_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text()))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named - targets == set()


def test_the_makefile_explains_each_of_its_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    explained = re.findall(r"^([a-z]+):.*## \w", makefile, re.MULTILINE)
    assert explained == targets
    assert len(targets) <= 14


def test_decisions_are_numbered_without_gaps_and_have_their_four_parts() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    for path in decisions:
        parts = re.findall(r"^## (\w+)", path.read_text(), re.MULTILINE)
        assert parts == ["Status", "Context", "Decision", "Consequences"], path.name
