"""What is asked of ClickHouse is what is written down."""

import re

import pytest

from tests.golden import statements

_STATEMENTS = statements.statements()
_COMPOSED = statements.composed()
_OF_ALL_TENANTS = {
    "books": "*",
    "rules": {"read_rules", "rules_changed"},
    "retention": "*",
    "sums": "*",
    "expiries": "*",
    "unsettled": {"find_others", "find_unsettled"},
    "erasures": {"find_engine", "read_erasures", "replace_kept", "forget-merge_runs"},
}
"""Statements of the server's own upkeep: nobody's question."""


@pytest.mark.parametrize("name", sorted(_COMPOSED))
def test_a_statement_is_the_one_that_is_written_down(name: str) -> None:
    assert statements.readable(_COMPOSED[name]) == (statements.FOLDER / f"{name}.sql").read_text()


@pytest.mark.parametrize("name", sorted(_STATEMENTS))
def test_a_statement_uses_the_parameters_it_has_and_no_others(name: str) -> None:
    used = {found.group(1) for found in re.finditer(r"\{(\w+):", _STATEMENTS[name].sql)}
    assert used == {*_STATEMENTS[name].parameters}


def test_every_function_that_makes_a_statement_is_asked_for_one() -> None:
    assert {name.split("-")[0] for name in _STATEMENTS} == {*statements.makers()}


def test_each_statement_that_is_composed_is_written_down_and_nothing_else() -> None:
    assert {path.stem for path in statements.FOLDER.glob("*.sql")} == {*_COMPOSED}


def test_every_question_of_a_tenant_binds_it() -> None:
    for name, statement in _STATEMENTS.items():
        module, _, maker = name.partition(".")
        excepted = _OF_ALL_TENANTS.get(module, ())
        if excepted == "*" or maker in excepted:
            assert "tenant" not in statement.parameters
        else:
            assert "{tenant:String}" in statement.sql, name
