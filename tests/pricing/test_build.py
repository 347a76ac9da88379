"""Building a price book: the same sources give the same bytes, and these are what is shipped."""

import gzip
import json
from importlib import resources
from typing import Any, Final

import pytest
from genai_prices.types import Provider, _providers_from_raw

from otel_usage.pricing import PriceBook
from otel_usage.pricing.build import Built, build
from otel_usage.pricing.document_faults import document_faults
from otel_usage.pricing.sources import corrections, genai, litellm
from otel_usage.pricing.sources.litellm import Vendored

_NOTHING: Final = b'version = "none"\n'


@pytest.fixture(scope="module")
def built() -> Built:
    return build()


def _file(version: str, **models: str) -> Vendored:
    entries = {
        key: {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": float(price)}
        for key, price in models.items()
    }
    return Vendored(version, json.dumps(entries).encode())


def _sources(built: Built) -> list[Any]:
    sources: list[Any] = json.loads(built.body)["sources"]
    return sources


def test_the_shipped_book_is_what_its_sources_make(built: Built) -> None:
    data = resources.files("otel_usage.pricing").joinpath("data")
    shipped = data.joinpath("book.json.gz").read_bytes()
    assert gzip.decompress(shipped) == built.body
    assert shipped[4:8] == bytes(4)  # no time in it


def test_a_book_built_twice_is_one_book(built: Built) -> None:
    again = build()
    assert again.body == built.body
    assert again.book_id == built.book_id
    assert again.packed == built.packed


def test_sources_stand_in_order_of_precedence(built: Built) -> None:
    assert [each["name"] for each in _sources(built)] == [
        "corrections",
        "genai-prices",
        "litellm",
        "litellm",
        "policy",
    ]
    assert list(built.report.models.values()) == [
        sum(len(provider["models"]) for provider in each["providers"]) for each in _sources(built)
    ]


def test_the_book_can_be_loaded_and_has_its_hash_as_id(built: Built) -> None:
    assert not document_faults(json.loads(built.body))
    assert PriceBook.load(built.body).id == built.book_id


def test_every_provider_reads_as_one_of_genai_prices(built: Built) -> None:
    for each in _sources(built):
        raw = [{"name": provider["id"], "api_pattern": "", **provider} for provider in each["providers"]]
        providers: list[Provider] = _providers_from_raw(raw)
        assert [one.id for one in providers] == [one["id"] for one in each["providers"]]


def test_the_document_has_no_floats_and_no_nulls(built: Built) -> None:
    def walk(value: object) -> None:
        assert value is not None
        assert not isinstance(value, float)
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(part)

    walk(json.loads(built.body))
    assert built.body == built.body.decode().encode("ascii")


def test_a_model_that_was_deleted_is_priced_from_the_older_file() -> None:
    files = [_file("2", kept="2e-06"), _file("1", KEPT="1e-06", deleted="3e-06")]
    sources = {
        each["version"]: [model["id"] for provider in each["providers"] for model in provider["models"]]
        for each in _sources(build(("0", []), files, _NOTHING))
        if each["name"] == litellm.NAME
    }
    assert sources == {"2": ["kept"], "1": ["deleted"]}


def test_what_is_left_out_is_told() -> None:
    built = build(("0", []), [_file("2", free="0", dear="1")], _NOTHING)
    assert {each.model: each.reason for each in built.report.dropped} == {
        "free": "priced at zero, or in units that are not counted",
        "dear": "input_mtok: 1000000 dollars is over 500: a fault of its unit, or to be allowed",
    }


def test_a_correction_that_expired_is_told_and_not_in_the_book() -> None:
    version, providers = genai.installed()
    others = [each for each in providers if each.id != "mistral"]
    report = build((version, others), [], corrections.bundled()).report
    assert {each.model for each in report.expired} == {"mistral-large-latest", "codestral"}
    read = corrections.read(corrections.bundled())
    assert report.models[f"corrections@{read.version}"] == len(read.corrections) - 2
