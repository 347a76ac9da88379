"""Who is whose child, and who says who pays."""

import numpy as np
import pyarrow as pa

from otel_usage.lineage import ROOT, Lineage, span_keys, trace_keys
from otel_usage.names import Names
from tests.resolution import Span, claims

TENANT = Names.of(pa.array(["default"]).dictionary_encode())


def keys(trace: int, *spans: int) -> np.ndarray:
    traces = trace_keys(
        Names.of(pa.array(["default"] * len(spans)).dictionary_encode()),
        pa.array([trace.to_bytes(16)] * len(spans), pa.binary(16)),
    )
    return span_keys(traces, pa.array([span.to_bytes(8) for span in spans], pa.binary(8)))


def trace(number: int, tenant: str = "default") -> np.ndarray:
    return trace_keys(
        Names.of(pa.array([tenant]).dictionary_encode()), pa.array([number.to_bytes(16)], pa.binary(16))
    )


def test_a_noted_span_has_its_parent_and_another_is_unknown() -> None:
    lineage = Lineage(64, 8)
    lineage.note(keys(1, 5, 6), keys(1, 9, 0))
    parents, known = lineage.parents(keys(1, 5, 6, 7))
    assert parents.tolist() == [keys(1, 9)[0], ROOT, ROOT]
    assert known.tolist() == [True, True, False]


def test_a_trace_of_another_tenant_is_another_trace() -> None:
    assert trace(1) != trace(1, "other")


def test_a_claim_is_new_once_for_its_trace_and_is_found_by_span_and_by_trace() -> None:
    lineage = Lineage(64, 8)
    spans = [Span(5, account="a"), Span(6, account="a"), Span(7, account="b")]
    ids = keys(1, 5, 6, 7)
    lineage.note(ids, keys(1, 0, 0, 0))
    traces = np.repeat(trace(1), 3)
    assert lineage.claim(ids, traces, claims(spans)).tolist() == [0, 2]
    assert lineage.claim(ids, traces, claims(spans)).tolist() == []
    assert [claim[0] for claim in lineage.say(lineage.claims_of(ids))] == ["a", "a", "b"]
    _, numbers = lineage.claims_in(trace(1))
    assert sorted(claim[0] for claim in lineage.say(numbers)) == ["a", "b"]
    assert lineage.claims_in(trace(2))[1].tolist() == []


def test_old_claims_are_forgotten_and_never_taken_for_others() -> None:
    lineage = Lineage(64, 4)
    for number in range(1, 8):
        span = keys(number, 1)
        lineage.note(span, keys(number, 0))
        lineage.claim(span, trace(number), claims([Span(1, trace=number, account=f"account {number}")]))
    for number in range(1, 8):
        found = lineage.say(lineage.claims_in(trace(number))[1])
        of_span = lineage.claims_of(keys(number, 1))
        assert [claim[0] for claim in found] in ([], [f"account {number}"])
        assert of_span[0] == -1 or lineage.say(of_span)[0][0] == f"account {number}"
    assert lineage.say(lineage.claims_in(trace(7))[1])[0][0] == "account 7"
