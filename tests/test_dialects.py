"""The tables of dialects are sound: what is written down in them can be found, and means one thing."""

from collections import Counter
from itertools import chain

import pytest

from otel_usage import dialects
from otel_usage.dialects import conventions, emitters, providers
from otel_usage.dialects.dialect import NAME_FIELDS, QUANTITY_FIELDS, TEXT_FIELDS, TOTAL, Dialect
from otel_usage.dialects.version import Version
from otel_usage.model import TOKEN_COLUMNS

_EVERY = pytest.mark.parametrize("dialect", dialects.SPAN_DIALECTS, ids=lambda each: each.title)


@_EVERY
def test_a_dialect_names_fields_that_there_are(dialect: Dialect) -> None:
    assert dialect.fields.keys() <= {*NAME_FIELDS, *TEXT_FIELDS, TOTAL, *TOKEN_COLUMNS, *QUANTITY_FIELDS}
    assert dialect.title
    assert "\n" not in dialect.title


def test_values_are_compared_in_lower_case() -> None:
    language = dialects.of_spans()
    told = chain(*(kind.operations for kind in language.kinds), language.span_names)
    assert [value for value in told if value != value.lower()] == []


@_EVERY
def test_a_prefix_is_long_enough_to_be_looked_for(dialect: Dialect) -> None:
    assert [prefix for prefix in dialect.prefixes if len(prefix) < 8] == []


def test_an_attribute_carries_one_field() -> None:
    names = Counter(chain(*(set(chain(*each.fields.values())) for each in [_merged()])))
    fields = Counter(chain(*_merged().fields.values()))
    assert [name for name in names if fields[name] > 1] == []


def test_no_dialect_says_again_what_another_says() -> None:
    told = Counter(
        (field, name)
        for dialect in dialects.SPAN_DIALECTS
        for field, names in dialect.fields.items()
        for name in names
    )
    assert [each for each, times in told.items() if times > 1] == []


def test_every_total_is_kept_aside_too() -> None:
    language = dialects.of_spans()
    assert [name for name in language.totals if not name.startswith(language.prefixes)] == []


def test_a_value_of_a_kind_means_one_operation() -> None:
    told: dict[tuple[str, str], str] = {}
    for kind in chain(*(dialect.kinds for dialect in dialects.SPAN_DIALECTS)):
        for value, operation in kind.operations.items():
            assert told.setdefault((kind.attribute, value), operation) == operation


def test_every_convention_can_be_reached() -> None:
    """None stands behind one that fits the same emitters in any case."""
    for place, each in enumerate(conventions.CONVENTIONS):
        before = conventions.CONVENTIONS[:place]
        general = [
            scope
            for other in before
            if not (other.conditional or other.since or other.until)
            for scope in other.scopes
        ]
        assert set(each.scopes).isdisjoint(general), each


@pytest.mark.parametrize("lacks", [each.lacks for each in conventions.CONVENTIONS], ids=str)
def test_every_convention_has_a_name(lacks: conventions.Lacks) -> None:
    assert lacks.name in {
        conventions.INCLUSIVE,
        conventions.EXCLUDES_CACHE,
        conventions.EXCLUDES_CACHE_WRITE,
        conventions.EXCLUDES_REASONING,
        conventions.EXCLUDES_CACHE_AND_REASONING,
    }


@pytest.mark.parametrize(
    ("scope", "rank"),
    [
        ("com.anthropic.sdk.python", emitters.VENDOR),
        ("mistralai_sdk_tracer", emitters.VENDOR),
        ("opentelemetry.instrumentation.openai.v1", emitters.INSTRUMENTOR),
        ("opentelemetry.instrumentation.genai.anthropic", emitters.INSTRUMENTOR),
        ("openinference.instrumentation.bedrock", emitters.INSTRUMENTOR),
        ("@traceloop/instrumentation-openai", emitters.INSTRUMENTOR),
        ("@arizeai/openinference-instrumentation-openai", emitters.INSTRUMENTOR),
        ("logfire.openai", emitters.INSTRUMENTOR),
        ("@arizeai/openinference-instrumentation-langchain", emitters.FRAMEWORK),
        ("openinference.instrumentation.langchain", emitters.FRAMEWORK),
        ("opentelemetry.instrumentation.genai.openai_agents", emitters.FRAMEWORK),
        ("opentelemetry.instrumentation.openai_agents", emitters.FRAMEWORK),
        ("openlit.instrumentation.litellm", emitters.FRAMEWORK),
        ("pydantic-ai", emitters.FRAMEWORK),
        ("strands.telemetry.tracer", emitters.FRAMEWORK),
        ("my.application", emitters.UNKNOWN),
        ("", emitters.UNKNOWN),
    ],
)
def test_who_is_nearer_to_the_provider_ranks_higher(scope: str, rank: int) -> None:
    assert emitters.rank(scope) == rank


def test_versions_are_compared_by_their_numbers() -> None:
    told = ["0.1.9", "0.1.17", "0.1.45", "0.2rc1", "0.2", "1.3b0", "1.3", "v1.3.1", "1.10.0"]
    assert sorted(told, key=Version.of) == told
    assert Version.of("1.3") == Version.of("1.3.0")
    assert Version.of("1.3+local") == Version.of("1.3")
    assert Version.parse("latest") is None
    assert Version.parse("") is None
    with pytest.raises(ValueError, match="latest"):
        Version.of("latest")


def test_hosts_lead_to_providers_that_have_that_name() -> None:
    assert [name for name in providers.HOSTS.values() if providers.by_name(name) != name] == []


def _merged() -> Dialect:
    language = dialects.of_spans()
    return Dialect(title="all", fields={**language.names, **language.texts, **language.tokens})
