"""The ledger: everything received is accounted for, whoever counts, and senders cannot make it grow."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_usage.ledger import MAX_EMITTERS, OTHER, Balance, EmitterOutcome, Ledger, RequestCount
from otel_usage.model import MAX_NAME, Permanent, Retryable, Signal

counts = st.integers(0, 2**40)
balanced = st.builds(
    lambda signal, emitter, *parts: EmitterOutcome(signal, emitter, sum(parts), *parts),
    st.sampled_from([*Signal, "record"]),
    st.sampled_from(["", "openai", "botocore"]),
    *[counts] * 5,
)


def _balance(*commits: Sequence[EmitterOutcome]) -> Balance:
    ledger = Ledger()
    for commit in commits:
        ledger.add(commit)
    return ledger.balance()


def test_nothing_received_is_balanced() -> None:
    empty = _balance()
    assert (empty.balanced, empty.emitters, empty.requests, empty.signals()) == (True, [], [], [])
    assert (empty.waiting, empty.amended) == (0, 0)


def test_commits_add_up_by_signal_and_emitter() -> None:
    first = [
        EmitterOutcome(Signal.TRACES, "b", received=5, stored=2, duplicate=1, rollup=1, rejected=1),
        EmitterOutcome(Signal.TRACES, "a", received=3, ignored=3),
    ]
    second = [EmitterOutcome(Signal.TRACES, "b", received=1, stored=1), EmitterOutcome("logs", "b")]
    balance = _balance(first, second)
    assert balance.emitters == [
        EmitterOutcome("logs", "b"),
        EmitterOutcome("traces", "a", received=3, ignored=3),
        EmitterOutcome("traces", "b", received=6, stored=3, duplicate=1, rollup=1, rejected=1),
    ]
    assert balance.signals() == [
        EmitterOutcome("logs", ""),
        EmitterOutcome("traces", "", received=9, stored=3, duplicate=1, rollup=1, ignored=3, rejected=1),
    ]


@given(st.lists(st.lists(balanced)))
def test_balanced_commits_make_a_balanced_ledger(commits: list[list[EmitterOutcome]]) -> None:
    balance = _balance(*commits)
    assert balance.balanced
    received = sum(each.received for commit in commits for each in commit)
    assert sum(each.received for each in balance.emitters) == received
    assert sum(each.received for each in balance.signals()) == received


@pytest.mark.parametrize("only", ["received", "stored", "duplicate", "rollup", "ignored", "rejected"])
def test_an_item_that_is_on_one_side_only_is_seen(only: str) -> None:
    assert not _balance([EmitterOutcome("traces", "a", **{only: 1})]).balanced


def test_an_item_lost_by_one_emitter_is_not_made_up_for_by_another() -> None:
    balance = _balance([EmitterOutcome("traces", "a", received=1), EmitterOutcome("traces", "b", stored=1)])
    assert balance.signals()[0].balanced
    assert not balance.balanced


def test_emitters_beyond_the_limit_are_counted_together() -> None:
    names = [f"emitter {number}" for number in range(2 * MAX_EMITTERS)]
    balance = _balance([EmitterOutcome("traces", name, 1, 1) for name in names * 2])
    assert len(balance.emitters) == MAX_EMITTERS + 1
    found = {each.emitter: each.received for each in balance.emitters}
    assert found[OTHER] == 2 * MAX_EMITTERS
    assert found["emitter 0"] == 2
    assert balance.balanced


def test_a_long_name_is_cut() -> None:
    (emitter,) = _balance([EmitterOutcome("traces", "x" * 10_000, 1, 1)]).emitters
    assert len(emitter.emitter) == MAX_NAME + 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "accepted"),
        (Permanent("no"), "rejected"),
        (Retryable("later", retry_after=1), "refused"),
        (asyncio.CancelledError(), "refused"),
        (RuntimeError("ours"), "failed"),
    ],
)
def test_a_request_is_counted_by_how_it_ends(error: BaseException | None, outcome: str) -> None:
    ledger = Ledger()

    def end() -> None:
        with ledger.request(Signal.LOGS):
            assert ledger.balance().waiting == 1
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            end()
    else:
        end()
    balance = ledger.balance()
    assert (balance.waiting, balance.requests) == (0, [RequestCount("logs", outcome, 1)])


def test_a_signal_of_which_only_requests_came_is_told() -> None:
    ledger = Ledger()
    with ledger.request("logs"):
        pass
    assert ledger.balance().signals() == [EmitterOutcome("logs", "")]


def test_amended_rows_are_counted_beside_the_items() -> None:
    ledger = Ledger()
    ledger.amend(3)
    ledger.amend(4)
    assert (ledger.balance().amended, ledger.balance().emitters) == (7, [])


def test_no_count_is_lost_and_none_is_torn_while_threads_count() -> None:
    ledger, unbalanced = Ledger(), []

    def write() -> None:
        for _ in range(500):
            ledger.add([EmitterOutcome("traces", "a", 2, 1, ignored=1)])

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        unbalanced += [] if ledger.balance().balanced else [1]
    for writer in writers:
        writer.join()
    assert ledger.balance().emitters == [EmitterOutcome("traces", "a", 4000, 2000, ignored=2000)]
    assert unbalanced == []


def test_counting_begins_when_the_ledger_is_made() -> None:
    first, second = Ledger().balance(), Ledger().balance()
    assert 0 < first.since_ns <= second.since_ns
