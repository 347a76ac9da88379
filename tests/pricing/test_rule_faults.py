"""What is wrong with a price rule is told before it is written: all of it, each by its field."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import pytest

from otel_usage.attributes import MAX_ID
from otel_usage.model import MAX_NAME
from otel_usage.pricing import rate
from otel_usage.pricing.rule_faults import MAX_REASON, faults
from otel_usage.pricing.rules import OPEN_END_NS, Kind, Rule

_USUAL: Final = {
    "rule_id": "r-1",
    "tenant": "acme",
    "model": "gpt-*",
    "kind": Kind.FREE,
    "author": "finn",
    "reason": "the contract",
}
_PRICES: Final = {"kind": Kind.PRICES}
_TIMES: Final = {"kind": Kind.MULTIPLIER}
_ALIAS: Final = {"kind": Kind.ALIAS}


def fields(**changed: Any) -> list[str]:  # noqa: ANN401 (of Rule)
    """The fields with a fault, of a rule that has none until it is changed."""
    return [fault.field for fault in faults(Rule(**{**_USUAL, **changed}))]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"kind": Kind.REPORTED},
        _ALIAS | {"to_model": "gpt-4o"},
        _ALIAS | {"to_model": "gpt-4o", "to_provider": "azure"},
        _PRICES | {"prices": {key: Decimal("0.01") for key in rate.price_keys()}},
        _PRICES | {"prices": {"input_mtok": Decimal(0), "output_mtok": Decimal("0.000000000001")}},
        _TIMES | {"multiplier": Decimal("1.20")},
        _TIMES | {"multiplier": Decimal("0.000001")},
        _TIMES | {"multiplier": Decimal(1000)},
        {"author": "", "reason": "2 * the price, from März on"},
        {"account_id": "a" * MAX_ID, "provider": "azure.ai.openai", "service_tier": "flex"},
        {"valid_from_ns": 5, "valid_to_ns": 6},
        {"model": "*"},
        {"model": "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc"},
    ],
)
def test_a_rule_that_can_be_written_has_no_faults(changed: Mapping[str, Any]) -> None:
    assert faults(Rule(**{**_USUAL, **changed})) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"rule_id": ""}, "rule_id"),
        ({"rule_id": "a/b"}, "rule_id"),
        ({"rule_id": "r@1"}, "rule_id"),
        ({"rule_id": "r\n"}, "rule_id"),
        ({"rule_id": "r" * 65}, "rule_id"),
        ({"tenant": ""}, "tenant"),
        ({"model": ""}, "model"),
        ({"model": " gpt-4o"}, "model"),
        ({"model": "gpt\n4o"}, "model"),
        ({"model": "\udcff"}, "model"),
        ({"model": "g" * (MAX_NAME + 1)}, "model"),
        ({"account_id": "a" * (MAX_ID + 1)}, "account_id"),
        ({"account_id": "a*"}, "account_id"),
        ({"provider": "*"}, "provider"),
        ({"service_tier": "flex "}, "service_tier"),
        ({"reason": ""}, "reason"),
        ({"reason": " "}, "reason"),
        ({"reason": "r" * (MAX_REASON + 1)}, "reason"),
        ({"author": "a" * (MAX_ID + 1)}, "author"),
        ({"valid_from_ns": -1}, "valid_from_ns"),
        ({"valid_to_ns": OPEN_END_NS + 1}, "valid_to_ns"),
        ({"valid_from_ns": 7, "valid_to_ns": 7}, "valid_to_ns"),
        ({"valid_from_ns": 8, "valid_to_ns": 7}, "valid_to_ns"),
        (_ALIAS, "to_model"),
        (_ALIAS | {"to_model": "gpt-*"}, "to_model"),
        (_ALIAS | {"to_model": "gpt-4o", "to_provider": "a*"}, "to_provider"),
        ({"to_model": "gpt-4o"}, "to_model"),
        ({"to_provider": "azure"}, "to_provider"),
        ({"multiplier": Decimal(2)}, "multiplier"),
        ({"prices": {"input_mtok": Decimal(1)}}, "prices"),
        (_PRICES, "prices"),
        (_PRICES | {"prices": {"input_mtok": Decimal(0)}}, "prices"),
        (_TIMES | {"multiplier": Decimal(0)}, "multiplier"),
        (_TIMES | {"multiplier": Decimal(-1)}, "multiplier"),
        (_TIMES | {"multiplier": Decimal("1000.000001")}, "multiplier"),
        (_TIMES | {"multiplier": Decimal("1.0000001")}, "multiplier"),
        (_TIMES | {"multiplier": Decimal("1E+999999")}, "multiplier"),
        (_TIMES | {"multiplier": Decimal("1E-999999")}, "multiplier"),
        *(
            (_TIMES | {"multiplier": Decimal(text)}, "multiplier")
            for text in ("NaN", "sNaN", "Infinity", "-Infinity")
        ),
    ],
)
def test_a_fault_is_told_by_its_field(changed: Mapping[str, Any], field: str) -> None:
    assert set(fields(**changed)) == {field}


@pytest.mark.parametrize(
    ("key", "price"),
    [
        ("input_mtok", "-1"),
        ("input_mtok", "0.0000000000001"),
        ("input_mtok", "1000000.01"),
        ("input_mtok", "1E+999999"),
        ("input_mtok", "1E-999999"),
        ("requests_kcount", "1000.01"),
        ("audio_hours", "3600.01"),
        ("input_tokens", "1"),
        ("storage_searches_kcount", "1"),
        ("", "1"),
        *(("input_mtok", text) for text in ("NaN", "sNaN", "Infinity", "-Infinity")),
    ],
)
def test_a_wrong_price_is_told_by_its_key(key: str, price: str) -> None:
    prices = {key: Decimal(price), "output_mtok": Decimal(1)}
    assert fields(kind=Kind.PRICES, prices=prices) == [f"prices.{key}"]


@pytest.mark.parametrize(
    ("key", "price"), [("input_mtok", "1000000"), ("requests_kcount", "1000"), ("audio_hours", "3600")]
)
def test_a_price_may_be_as_high_as_what_is_summed_without_loss(key: str, price: str) -> None:
    assert fields(kind=Kind.PRICES, prices={key: Decimal(price)}) == []


def test_all_faults_are_told_at_once() -> None:
    prices = {"input": Decimal(1), "output_mtok": Decimal(-1)}
    changed = {"tenant": "", "model": "", "reason": "", "valid_to_ns": 0}
    assert fields(kind=Kind.PRICES, prices=prices, **changed) == [
        "tenant",
        "model",
        "reason",
        "valid_to_ns",
        "prices.input",
        "prices.output_mtok",
    ]


def test_a_rule_for_cache_and_audio_has_a_price_of_audio_from_the_cache() -> None:
    prices = {key: Decimal(1) for key in ("input_mtok", "cache_read_mtok", "input_audio_mtok")}
    assert fields(**_PRICES, prices=prices) == ["prices.cache_audio_read_mtok"]
    assert fields(**_PRICES, prices={**prices, "cache_audio_read_mtok": Decimal(1)}) == []
