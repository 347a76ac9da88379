"""What the benchmarks compare does the same work."""

import time
from decimal import Decimal

from bench import bodies, naive
from bench.walk import walk
from otel_usage.extract import observations
from otel_usage.otlp.decode import decode
from otel_usage.pricing import Pricer, price
from tests import oracle


def test_the_naive_receiver_and_ours_charge_the_same_for_every_call() -> None:
    body = bodies.stamp(bodies.body(500, llm_share=0.5), 7)
    found = observations(decode([body]), ["default"], now_ns=time.time_ns(), max_clock_skew_ns=0).observations
    ours = {row["span_id"]: row["billed_cost"] for row in price(found, Pricer.bundled()).to_pylist()}
    cost, span_id = naive.COLUMNS.index("cost"), naive.COLUMNS.index("span_id")
    theirs = {row[span_id]: row[cost] for row in naive.rows(oracle.parse(body))}
    assert ours == theirs
    assert len(ours) > 200
    assert all(isinstance(amount, Decimal) and amount > 0 for amount in ours.values())


def test_every_request_sent_has_ids_of_its_own() -> None:
    template = bodies.body(20)
    spans = [span for number in range(5) for span in walk(bodies.stamp(template, number))]
    assert len({span["span_id"] for span in spans}) == 100
    assert len({span["trace_id"] for span in spans}) == 100
    assert len({span["attributes"]["gen_ai.response.id"] for span in spans}) == 100


def test_a_benchmarked_call_has_15_attributes_and_about_640_bytes() -> None:
    body = bodies.body(1_000)
    assert {len(span["attributes"]) for span in walk(body)} == {15}
    assert 600 < len(body) / 1_000 < 700
