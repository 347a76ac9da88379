"""The steps from bytes to priced rows do not care what else is in the commit."""

from typing import Any, Final

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.extract import observations
from otel_usage.lineage import Lineage
from otel_usage.otlp.decode import decode
from otel_usage.pricing import Pricer, price
from otel_usage.resolve import resolve
from tests import strategies

_TENANT: Final = "default"
_SKEW_NS: Final = 86_400 * 10**9


@pytest.fixture(scope="module")
def book() -> Pricer:
    return Pricer.bundled()


def _observations(bodies: list[bytes]) -> pa.Table:
    tenants = [_TENANT] * len(bodies)
    spans = decode(bodies)
    return observations(spans, tenants, now_ns=strategies.NOW_NS, max_clock_skew_ns=_SKEW_NS).observations


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows in order of the call, without the index of the request."""
    columns = table.drop_columns([name for name in ("request",) if name in table.column_names])
    started_at = columns.schema.get_field_index("started_at")
    whole = columns.set_column(started_at, "started_at", columns["started_at"].cast(pa.int64()))
    return sorted(whole.to_pylist(), key=lambda row: (row["call_id"], row["version"], str(row)))


@strategies.examples(200)
@given(made=st.lists(strategies.requests(), max_size=4), data=st.data())
def test_observations_are_the_same_alone_together_and_in_any_order(
    made: list[strategies.Made], data: st.DataObject
) -> None:
    bodies = [each.body for each in made]
    together = _rows(_observations(bodies))
    shuffled = _rows(_observations(data.draw(st.permutations(bodies))))
    alone = [_observations([body]) for body in bodies]
    apart = _rows(pa.concat_tables([_observations([]), *alone]))
    assert together == shuffled
    assert together == apart


@strategies.examples(100)
@given(made=st.lists(strategies.requests(), max_size=3))
def test_a_price_is_the_same_alone_and_together(made: list[strategies.Made], book: Pricer) -> None:
    found = _observations([each.body for each in made])
    together = price(found, book)
    alone = [price(found.slice(row, 1), book) for row in range(found.num_rows)]
    assert _rows(together) == _rows(pa.concat_tables([price(found.slice(0, 0), book), *alone]))


@strategies.examples(200)
@given(made=st.lists(strategies.requests(), max_size=4), data=st.data())
def test_of_the_observations_of_a_call_the_same_one_counts_in_any_order(
    made: list[strategies.Made], data: st.DataObject
) -> None:
    bodies = [each.body for each in made]
    shuffled = data.draw(st.permutations(bodies))
    once, twice = (_resolved(order) for order in (bodies, [*shuffled, *shuffled]))
    assert _rows(once) == _rows(twice)
    assert len(set(once["call_id"].to_pylist())) == once.num_rows


def _resolved(bodies: list[bytes]) -> pa.Table:
    found = _observations(bodies)
    return resolve(found.slice(0, 0), found, Lineage(1 << 8, 1 << 4)).rows


@strategies.examples(100)
@given(made=st.lists(strategies.requests(), max_size=3))
def test_a_cost_is_null_if_and_only_if_a_reason_says_why(made: list[strategies.Made], book: Pricer) -> None:
    for row in price(_observations([each.body for each in made]), book).to_pylist():
        assert (row["billed_cost"] is None) == bool(row["unpriced_reason"])
        assert (row["list_cost"] is None) == bool(row["unpriced_reason"])
        assert row["billed_cost"] is None or row["billed_cost"] >= 0
