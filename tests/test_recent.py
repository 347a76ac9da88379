"""What is remembered of calls: under which key their row is, and that a better observation moves it."""

from typing import Any, Final

import pyarrow as pa

from otel_usage.model import OBSERVATIONS
from otel_usage.recent import RecentCalls

_HOUR: Final = 3_600 * 10**9
_NOON: Final = 1_764_000_000 * 10**9 // _HOUR * _HOUR
_RESPONSE: Final = "chatcmpl-0123456789abcdef"


def _observations(*told: dict[str, Any]) -> pa.Table:
    usual = {
        "account_id": "acme",
        "started_at": _NOON,
        "call_id": b"the call of all.",
        "version": 5,
        "role": "inference",
        "response_id": _RESPONSE,
        "trace_id": bytes(16),
        "span_id": bytes(8),
    }
    blank = {
        field.name: None if field.nullable else 0 if pa.types.is_integer(field.type) else ""
        for field in OBSERVATIONS
    }
    return pa.Table.from_pylist([{**blank, **usual, **each} for each in told], schema=OBSERVATIONS)


def _keys(observations: pa.Table) -> list[tuple[str, int]]:
    started = observations["started_at"].cast(pa.int64()).to_pylist()
    return list(zip(observations["account_id"].to_pylist(), started, strict=True))


def _after(*told: dict[str, Any], slots: int = 1 << 10) -> RecentCalls:
    recent = RecentCalls(slots)
    for each in told:
        recent.remember(recent.adopt(_observations(each)))
    return recent


def test_a_call_that_is_not_known_keeps_its_key() -> None:
    adoption = RecentCalls(1 << 10).adopt(_observations({"account_id": "globex"}))
    assert _keys(adoption.observations) == [("globex", _NOON)]
    assert adoption.tombstones.num_rows == 0


def test_a_call_is_not_known_before_it_is_durable() -> None:
    recent = RecentCalls(1 << 10)
    recent.adopt(_observations({}))
    assert _keys(recent.adopt(_observations({"account_id": "globex", "version": 1})).observations) == [
        ("globex", _NOON)
    ]


def test_a_worse_observation_takes_the_key_of_its_call() -> None:
    late = {"account_id": "globex", "started_at": _NOON - 1, "version": 4}
    adoption = _after({}).adopt(_observations({"call_id": b"another call....", "account_id": "x"}, late))
    assert _keys(adoption.observations) == [("x", _NOON), ("acme", _NOON)]
    assert adoption.tombstones.num_rows == 0


def test_a_better_observation_keeps_its_key_and_takes_back_the_other() -> None:
    adoption = _after({}).adopt(_observations({"account_id": "globex", "version": 6}))
    assert _keys(adoption.observations) == [("globex", _NOON)]
    assert _keys(adoption.tombstones) == [("acme", _NOON)]
    (tombstone,) = adoption.tombstones.to_pylist()
    assert (tombstone["is_deleted"], tombstone["version"]) == (1, 6)
    assert tombstone["call_id"] == b"the call of all."


def test_the_best_observation_is_the_one_that_is_remembered() -> None:
    recent = _after({}, {"account_id": "globex", "version": 6}, {"account_id": "initech", "version": 2})
    assert _keys(recent.adopt(_observations({})).observations) == [("globex", _NOON)]


def test_the_same_hour_is_the_same_key() -> None:
    adoption = _after({}).adopt(_observations({"started_at": _NOON + _HOUR - 1, "version": 6}))
    assert adoption.tombstones.num_rows == 0


def test_calls_without_a_response_id_and_rollups_are_not_remembered() -> None:
    recent = _after({"response_id": ""}, {"role": "rollup"})
    assert _keys(recent.adopt(_observations({"account_id": "globex", "version": 1})).observations) == [
        ("globex", _NOON)
    ]


def test_the_call_whose_place_is_taken_is_forgotten() -> None:
    recent = _after({}, {"call_id": b"another call....", "account_id": "x"}, slots=1)
    assert _keys(recent.adopt(_observations({"account_id": "globex", "version": 1})).observations) == [
        ("globex", _NOON)
    ]
