"""The gate: what refuses a book, what holds it, what is noted; and the difference of two books."""

import copy
import json
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import pytest

from otel_usage.pricing.build import build
from otel_usage.pricing.changes import Change, ChangeKind, changes
from otel_usage.pricing.document import find
from otel_usage.pricing.gate import Finding, Severity, gate

TODAY: Final = date(2026, 11, 25)
USED: Final = (("p", "m"),)


def _model(prices: Any, **more: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    return {"id": "m", "match": {"or": [{"equals": "m"}]}, "prices": prices, **more}


def _book(*models: dict[str, Any], source: str = "genai-prices") -> dict[str, Any]:
    provider = {"id": "p", "provider_match": {"or": [{"equals": "pp"}]}, "models": list(models)}
    return {"schema": 1, "sources": [{"name": source, "version": "1", "providers": [provider]}]}


def _gate(new: Any, old: Any = None, used: Sequence[tuple[str, str]] = USED) -> list[Finding]:  # noqa: ANN401
    return list(gate(new, old, used, today=TODAY))


def _messages(found: Sequence[Finding], severity: Severity) -> list[str]:
    return [each.message for each in found if each.severity is severity]


def test_the_shipped_book_passes() -> None:
    book = json.loads(build().body)
    used = [("openai", "gpt-4o"), ("mistral_ai", "mistral-large-latest"), ("ollama", "llama3.2")]
    found = _gate(book, copy.deepcopy(book), used)
    assert {each.severity for each in found} == {Severity.NOTE}
    assert [each.message for each in found] == [
        "litellm: mistral/mistral/mistral-large-latest disagrees: input_mtok 2 and 0.5, output_mtok 6 and 1.5"
    ]


@pytest.mark.parametrize(
    ("price", "told"),
    [
        ("-1", "negative"),
        ("NaN", "not finite"),
        ("Infinity", "not finite"),
        ("cheap", "not a number"),
        ("500.01", "over 500"),
    ],
)
def test_a_price_that_is_none_refuses_the_book(price: str, told: str) -> None:
    for prices in (
        {"input_mtok": price},
        {"input_mtok": {"base": "1", "tiers": [{"start": 200_000, "price": price}]}},
        [
            {"prices": {"input_mtok": "1"}},
            {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": price}},
        ],
    ):
        (finding,) = _gate(_book(_model(prices)))
        assert finding.severity is Severity.REFUSE
        assert told in finding.message
    variant = {"when": {"service_tier": "flex"}, "prices": {"input_mtok": price}}
    (finding,) = _gate(_book(_model({"input_mtok": "1"}, price_variants=[variant])))
    assert finding.severity is Severity.REFUSE


def test_a_price_of_500_dollars_and_one_that_is_allowed_pass() -> None:
    assert not _gate(_book(_model({"input_mtok": "500"})))
    dear = _model({"input_mtok": "150", "output_mtok": "600"}) | {"id": "openai/o1-pro"}
    assert not _gate(_book(dear))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda book: book.update(schema=2), "schema"),
        (lambda book: book.update(sources=[]), "sources"),
        (lambda book: book["sources"][0].pop("version"), "version"),
        (lambda book: book["sources"][0]["providers"][0].pop("id"), "id"),
        (lambda book: _first(book).pop("match"), "match"),
        (lambda book: _first(book).update(match={"like": "m"}), "like is no clause"),
        (lambda book: _first(book).update(match={"regex": "("}), "no regular expression"),
        (lambda book: _first(book).update(prices={"input_mtik": "1"}), "no price key"),
        (lambda book: _first(book).update(prices={"input_mtok": 1.5}), "no text"),
        (lambda book: _first(book).update(prices={"input_mtok": {"base": "1", "tiers": []}}), "tiers"),
        (
            lambda book: _first(book).update(prices=[{"constraint": {"start_date": "soon"}, "prices": {}}]),
            "soon",
        ),
    ],
)
def test_a_document_of_another_form_is_refused(change: Any, told: str) -> None:  # noqa: ANN401
    book = _book(_model({"input_mtok": "1"}))
    assert not _gate(book)
    change(book)
    found = _gate(book, book)
    assert {each.severity for each in found} == {Severity.REFUSE}
    assert any(told in each.message for each in found), found


def _first(book: dict[str, Any]) -> Any:  # noqa: ANN401
    return book["sources"][0]["providers"][0]["models"][0]


def test_a_move_above_a_quarter_of_a_model_in_use_holds_the_book() -> None:
    old = _book(_model({"input_mtok": "1"}))
    for price, moves in (("1.25", False), ("1.26", True), ("0.75", False), ("0.74", True)):
        held = _messages(_gate(_book(_model({"input_mtok": price})), old), Severity.HOLD)
        assert any("more than 25 %" in each for each in held) is moves
        # In place it is another price for the past too, however small.
        assert any("another price for the past: always" in each for each in held)


def test_a_move_of_a_model_that_is_not_in_use_is_noted() -> None:
    old, new = _book(_model({"input_mtok": "1"})), _book(_model({"input_mtok": "2"}))
    (finding,) = _gate(new, old, used=[("p", "other")])
    assert finding == Finding(Severity.NOTE, "1 models that are not in use have other prices")


def test_a_book_that_loses_more_than_a_twentieth_of_its_models_is_held() -> None:
    old = _book(*(_model({"input_mtok": "1"}, id=f"m{number}") for number in range(100)))
    for lost, severity in ((5, Severity.NOTE), (6, Severity.HOLD)):
        new = _book(*old["sources"][0]["providers"][0]["models"][lost:])
        (finding,) = _gate(new, old, used=[("p", "m99")])
        assert finding == Finding(severity, f"{lost} models that are not in use were removed")


def test_a_price_that_begins_in_future_passes_and_one_that_began_is_held() -> None:
    old = _book(_model({"input_mtok": "1"}))

    def dated(day: str) -> dict[str, Any]:
        later = {"constraint": {"start_date": day}, "prices": {"input_mtok": "1.1"}}
        return _book(_model([{"prices": {"input_mtok": "1"}}, later]))

    assert not _messages(_gate(dated("2026-11-26"), old), Severity.HOLD)
    (held,) = _messages(_gate(dated("2026-11-20"), old), Severity.HOLD)
    assert held.endswith("another price for the past: since 2026-11-20 00:00, input_mtok 1 to 1.1")


def test_a_price_by_the_hour_that_changes_is_held() -> None:
    def hourly(price: str) -> dict[str, Any]:
        night = {
            "constraint": {"start_time": "16:30:00+00:00", "end_time": "00:30:00+00:00"},
            "prices": {"input_mtok": price},
        }
        return _book(_model([{"prices": {"input_mtok": "1"}}, night]))

    assert not _messages(_gate(hourly("0.5"), hourly("0.5")), Severity.HOLD)
    (held,) = _messages(_gate(hourly("0.4"), hourly("0.5")), Severity.HOLD)
    assert "input_mtok 0.5 to 0.4" in held


def test_a_tier_and_a_context_that_change_are_held() -> None:
    def book(tier: str, flex: str) -> dict[str, Any]:
        prices = {"input_mtok": {"base": "1", "tiers": [{"start": 200_000, "price": tier}]}}
        variant = {"when": {"service_tier": "flex"}, "prices": {"input_mtok": flex}}
        return _book(_model(prices, price_variants=[variant]))

    old = book("2", "0.5")
    for new in (book("3", "0.5"), book("2", "0.9")):
        assert any("more than 25 %" in each for each in _messages(_gate(new, old), Severity.HOLD))


def test_a_model_in_use_that_goes_is_held() -> None:
    old = _book(_model({"input_mtok": "1"}))
    (held,) = _messages(_gate(_book(), old), Severity.HOLD)
    assert held == "is in use and has no price any more"


def test_a_model_in_use_that_was_free_and_is_not_any_more_is_held() -> None:
    free = _book(_model({}, free=True), source="policy")
    assert not _gate(free, copy.deepcopy(free))
    assert _messages(_gate(_book(_model({})), free), Severity.HOLD) == ["is in use and has no price any more"]
    priced = _messages(_gate(_book(_model({"input_mtok": "1"})), free), Severity.HOLD)
    assert priced == ["is in use and has another price for the past: always, input_mtok none to 1"]


def test_what_counts_is_the_first_source_with_a_price() -> None:
    def book(*sources: tuple[str, dict[str, str]]) -> dict[str, Any]:
        parts = [_book(_model(prices), source=name)["sources"][0] for name, prices in sources]
        return {"schema": 1, "sources": parts}

    mine, theirs = ("corrections", {"input_mtok": "1"}), ("genai-prices", {"input_mtok": "2"})
    assert not _messages(
        _gate(book(mine, theirs), book(mine, ("genai-prices", {"input_mtok": "9"}))), Severity.HOLD
    )
    # A correction that expired moves the bill as much as a price.
    held = _messages(_gate(book(theirs), book(mine, theirs)), Severity.HOLD)
    assert any("input_mtok 1 to 2" in each for each in held)
    # A source that has the model without a price is passed over.
    assert not _messages(_gate(book(("genai-prices", {}), mine), book(mine)), Severity.HOLD)


def test_a_disagreement_of_the_sources_on_a_model_in_use_is_noted() -> None:
    def book(price: str) -> dict[str, Any]:
        ours, theirs = (
            _book(_model({"input_mtok": each}), source=name)["sources"][0]
            for name, each in (("genai-prices", "2"), ("litellm", price))
        )
        return {"schema": 1, "sources": [ours, theirs]}

    assert _messages(_gate(book("2.5")), Severity.NOTE) == ["litellm: p/m disagrees: input_mtok 2 and 2.5"]
    assert not _gate(book("2.0000000001"))
    assert not _gate(book("2.5"), used=[])


def test_a_model_is_found_by_every_name_of_its_provider() -> None:
    book = json.loads(build().body)
    found = {
        name: [entry.provider for entry in find(book, name, "gemini-2.5-pro")]
        for name in ("gcp.gemini", "google", "gcp.vertex_ai", "VERTEX_AI")
    }
    assert found == {
        "gcp.gemini": ["google", "gemini"],
        "google": ["google", "gemini"],
        "gcp.vertex_ai": ["google", "vertex"],
        "VERTEX_AI": ["google", "vertex"],
    }
    # Azure has it from OpenAI.
    assert [str(each) for each in find(book, "az.ai.openai", "gpt-4o")] == [
        "genai-prices: openai/gpt-4o",
        "litellm: azure/azure/gpt-4o",
    ]


def test_changes_are_what_came_what_went_and_each_price_that_moved() -> None:
    tiers = {"base": "1", "tiers": [{"start": 200_000, "price": "2"}]}
    gone, kept, came = (_model({"input_mtok": tiers}) | {"id": name} for name in ("gone", "kept", "came"))
    dearer = copy.deepcopy(kept)
    dearer["prices"]["input_mtok"]["tiers"][0]["price"] = "3"
    dearer["prices"]["output_mtok"] = "4"
    place = ("genai-prices", "p")
    assert changes(_book(gone, kept), _book(dearer, came)) == [
        Change(ChangeKind.ADDED, *place, "came"),
        Change(ChangeKind.REMOVED, *place, "gone"),
        Change(ChangeKind.PRICE, *place, "kept", "input_mtok > 200000", "2", "3"),
        Change(ChangeKind.PRICE, *place, "kept", "output_mtok", "", "4"),
    ]
    assert not changes(_book(kept), copy.deepcopy(_book(kept)))


def test_a_model_that_moves_to_the_older_file_has_not_changed() -> None:
    def book(*versions: Sequence[dict[str, Any]]) -> dict[str, Any]:
        parts = [_book(*models, source="litellm")["sources"][0] for models in versions]
        return {"schema": 1, "sources": parts}

    model = _model({"input_mtok": "1"})
    assert not changes(book([model], []), book([], [model]))
