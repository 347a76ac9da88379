"""One call, one charge: which observations are charged, whatever the order in which they come."""

import itertools
import random
from dataclasses import replace

import pytest

from tests.resolution import Span, World

ID = "chatcmpl-0123456789abcdef"
OTHER_ID = "chatcmpl-fedcba9876543210"
AGENT = Span(1, role="rollup", input=300, output=30, scope="agents", seconds=9)


def splits(spans: list[Span]) -> list[list[list[Span]]]:
    """The spans whole, one by one, reversed, twice, and in random parts and orders."""
    rng = random.Random(7)
    result = [[spans], [[span] for span in spans], [[span] for span in reversed(spans)], [spans, spans]]
    for order in itertools.islice(itertools.permutations(spans), 24):
        cuts = sorted(rng.sample(range(1, len(spans)), rng.randrange(len(spans)))) if len(spans) > 1 else []
        result.append([list(order[a:b]) for a, b in itertools.pairwise([0, *cuts, len(spans)])])
    return result


def charged(spans: list[Span]) -> list[tuple[int, int | None, int | None, str]]:
    """The bill of the spans, the same however they are sent; and a sweep adds nothing."""
    bills = []
    for parts in splits(spans):
        world = World()
        for part in parts:
            world.send(part)
        bills.append(world.bill)
        world.sweep()
        assert world.bill == bills[-1], parts
        assert bills[-1] == bills[0], parts
    return bills[0]


def test_two_observations_with_one_response_id_are_one_call_and_the_loser_is_kept() -> None:
    sdk, framework = Span(2, response_id=ID, detail=4), Span(3, response_id=ID, trace=2, scope="langchain")
    assert charged([sdk, framework]) == [(2, 100, 10, "")]
    world = World()
    assert world.send([framework]) == ["inference"]
    assert world.send([sdk]) == ["inference"]
    losers = [row for row in world.rows.values() if row["role"] == "duplicate"]
    assert [(row["span_id"][-1], row["duplicate_of"]) for row in losers] == [(3, world.calls[0]["call_id"])]


def test_one_response_id_with_two_payers_in_two_hours_is_one_row() -> None:
    late = Span(2, response_id=ID, detail=4, start=3_600, account="beta")
    assert charged([Span(1, response_id=ID, start=3_599.5, account="alpha", trace=9), late]) == [
        (2, 100, 10, "beta")
    ]


def test_a_framework_span_above_the_sdk_span_is_the_same_call() -> None:
    framework = Span(1, scope="langchain", seconds=2)
    assert charged([framework, Span(2, parent=1, response_id=ID, detail=4, start=0.5)]) == [(2, 100, 10, "")]


def test_a_span_between_that_is_no_llm_call_does_not_hide_the_double() -> None:
    spans = [
        Span(1, scope="langchain", input=None, output=None, seconds=2),
        Span(5, parent=1, role=None),
        Span(2, parent=5, detail=4, start=0.5),
    ]
    assert charged(spans) == [(2, 100, 10, "")]


def test_two_calls_below_one_framework_span_without_usage_are_two_calls() -> None:
    framework = Span(1, scope="langchain", input=None, output=None, seconds=9)
    first, second = (
        Span(2, parent=1, input=70, output=7),
        Span(3, parent=1, input=80, output=8, start=2),
    )
    assert charged([framework, first, second]) == [(2, 70, 7, ""), (3, 80, 8, "")]


def test_a_model_call_whose_counts_are_those_of_the_calls_below_it_added_up_is_a_roll_up() -> None:
    outer = Span(1, scope="framework", input=150, output=15, seconds=9)
    first, second = (
        Span(2, parent=1, input=70, output=7),
        Span(3, parent=1, input=80, output=8, start=2),
    )
    assert charged([outer, first, second]) == [(2, 70, 7, ""), (3, 80, 8, "")]


def test_sibling_spans_of_two_emitters_with_equal_counts_at_one_time_are_one_call() -> None:
    framework, sdk = Span(1, scope="langsmith"), Span(2, response_id=ID, start=0.2, detail=4)
    assert charged([framework, sdk]) == [(2, 100, 10, "")]


def test_spans_of_two_emitters_in_two_traces_of_a_service_with_equal_counts_at_one_time_are_one_call() -> (
    None
):
    framework, sdk = Span(1, scope="langsmith", trace=5), Span(2, response_id=ID, start=0.2, detail=4)
    assert charged([framework, sdk]) == [(2, 100, 10, "")]
    assert len(charged([framework, replace(sdk, service="other")])) == 2


def test_equal_calls_of_one_emitter_at_one_time_are_as_many_calls() -> None:
    assert len(charged([Span(1), Span(2), Span(3, start=0.1)])) == 3


def test_equal_calls_seen_by_two_emitters_are_as_many_calls_as_each_saw() -> None:
    spans = [Span(n, scope="sdk", response_id=f"{ID}{n}") for n in (1, 2)]
    spans += [Span(n, scope="langchain") for n in (3, 4)]
    assert len(charged(spans)) == 2


def test_equal_calls_one_after_the_other_are_two_calls() -> None:
    assert len(charged([Span(1), Span(2, scope="langchain", start=60)])) == 2


def test_different_response_ids_are_never_one_call() -> None:
    assert (
        len(charged([Span(1, response_id=ID, seconds=2), Span(2, parent=1, scope="x", response_id=OTHER_ID)]))
        == 2
    )


def test_other_models_are_other_calls() -> None:
    assert len(charged([Span(1), Span(2, scope="other", model="claude-sonnet-4-5")])) == 2


def test_a_dated_model_name_is_the_same_model() -> None:
    assert len(charged([Span(1), Span(2, scope="other", model="openai/gpt-4o-2024-08-06", parent=1)])) == 1


def test_a_failed_call_and_its_retry_are_two_observations_and_one_of_them_has_usage() -> None:
    failed = Span(2, parent=1, input=None, output=None, error="429")
    spans = [
        Span(1, scope="langchain", seconds=5),
        failed,
        Span(3, parent=1, response_id=ID, start=2, detail=4),
    ]
    assert charged(spans) == [(2, None, None, ""), (3, 100, 10, "")]


def test_an_event_of_a_span_is_the_same_call() -> None:
    event = Span(2, signal="log", scope="events", start=1.0, seconds=0)
    assert charged([Span(2, detail=3), event]) == [(2, 100, 10, "")]


def test_an_output_without_reasoning_is_that_of_the_call_whose_reasoning_is_told() -> None:
    event = Span(
        0, trace=0, signal="log", scope="cli", output=30, reasoning=20, start=0.5, seconds=0, detail=3
    )
    assert charged([Span(2, scope="cli"), event]) == [(0, 100, 30, "")]


def test_a_roll_up_that_carries_the_response_id_of_its_call_is_no_observation_of_it() -> None:
    agent = Span(1, role="rollup", scope="agents", response_id=ID, detail=9)
    assert charged([agent, Span(2, parent=1, response_id=ID)]) == [(2, 100, 10, "")]


def test_a_roll_up_is_not_charged_while_its_calls_may_come() -> None:
    assert charged([AGENT]) == []


def test_a_roll_up_whose_calls_never_come_is_charged_when_due_and_taken_back_when_they_do() -> None:
    world = World()
    world.send([AGENT])
    world.sweep(due=True)
    assert world.bill == [(1, 300, 30, "")]
    world.sweep()
    assert world.bill == [(1, 300, 30, "")]
    world.send([Span(2, parent=1, start=1)])
    assert world.bill == [(2, 100, 10, "")]
    world.send([AGENT])
    world.sweep(due=True)
    assert world.bill == [(2, 100, 10, "")]


def test_a_roll_up_with_a_call_whose_path_is_lost_is_covered() -> None:
    world = World()
    world.send([AGENT, Span(2, parent=77, start=1)])
    world.sweep(due=True)
    assert world.bill == [(2, 100, 10, "")]


def test_a_roll_up_beside_a_call_of_the_same_trace_is_not_covered_by_it() -> None:
    world = World()
    world.send(
        [Span(9, role=None), Span(1, parent=9, role="rollup", input=300, output=30), Span(2, parent=9)]
    )
    world.sweep(due=True)
    assert sorted(world.bill) == [(1, 300, 30, ""), (2, 100, 10, "")]


def test_of_roll_ups_within_roll_ups_the_one_that_contains_the_others_is_charged() -> None:
    inner = [Span(n, parent=1, role="rollup", input=100, output=10, start=n, scope="agents") for n in (2, 3)]
    world = World()
    world.send([AGENT, *inner])
    world.sweep(due=True)
    assert world.bill == [(1, 300, 30, "")]


def test_of_roll_ups_within_roll_ups_those_are_charged_that_the_outer_does_not_contain() -> None:
    inner = [Span(n, parent=1, role="rollup", input=200, output=20, start=n, scope="agents") for n in (2, 3)]
    world = World()
    world.send([AGENT, *inner])
    world.sweep(due=True)
    assert [call[0] for call in world.bill] == [1, 2, 3]


def test_a_payer_on_the_nearest_span_above_pays() -> None:
    spans = [
        Span(9, role=None, account="far"),
        Span(8, parent=9, role=None, account="near", transaction="t1"),
        Span(7, parent=8, role=None),
        Span(1, parent=7),
        Span(2, parent=9, start=3),
    ]
    assert charged(spans) == [(1, 100, 10, "near"), (2, 100, 10, "far")]


def test_a_payer_on_a_sibling_pays_if_it_is_the_only_one_named() -> None:
    assert charged([Span(1, account="a"), Span(2, start=5)]) == [(1, 100, 10, "a"), (2, 100, 10, "a")]
    assert charged([Span(1, account="a"), Span(3, account="b", start=3), Span(2, start=5)])[2] == (
        2,
        100,
        10,
        "",
    )


def test_a_payer_above_comes_before_that_of_the_resource() -> None:
    assert charged([Span(9, role=None, account="above"), Span(1, parent=9, resource_account="resource")]) == [
        (1, 100, 10, "above")
    ]
    assert charged([Span(9, role=None), Span(1, parent=9, resource_account="resource")]) == [
        (1, 100, 10, "resource")
    ]


def test_the_payer_of_a_duplicate_pays_for_the_call() -> None:
    spans = [
        Span(9, role=None, account="a", trace=4),
        Span(1, parent=9, trace=4, response_id=ID, scope="langchain"),
    ]
    assert charged([*spans, Span(2, response_id=ID, detail=4)]) == [(2, 100, 10, "a")]


def test_a_stream_exported_twice_counts_as_it_ended() -> None:
    begun, ended = Span(1, input=None, output=None), Span(1, detail=3)
    world = World()
    assert world.send([begun]) == ["inference"]
    assert world.send([ended]) == ["inference"]
    assert world.send([begun]) == ["duplicate"]
    assert world.bill == [(1, 100, 10, "")]


def test_what_was_sent_before_writes_nothing() -> None:
    spans = [AGENT, Span(2, parent=1, account="a"), Span(3, parent=1, scope="x", start=5)]
    world = World()
    world.send(spans)
    before = world.writes
    assert world.send(spans) == ["duplicate"] * 3
    assert world.writes == before


@pytest.mark.parametrize("seed", range(40))
def test_calls_seen_by_several_emitters_are_charged_once_in_any_order_and_any_split(seed: int) -> None:
    rng = random.Random(seed)
    spans, truth = told(rng, calls=rng.randrange(1, 5))
    for number in range(12):
        world = World()
        order = rng.sample(spans, len(spans)) if number else spans
        at = 0
        while at < len(order):
            step = rng.randrange(1, 6)
            world.send(order[at : at + step])
            at += step
        assert sorted((row[1], row[2]) for row in world.bill) == truth
        world.send(rng.sample(spans, len(spans)))
        world.sweep(due=True)
        assert sorted((row[1], row[2]) for row in world.bill) == truth


def told(rng: random.Random, calls: int) -> tuple[list[Span], list[tuple[int, int]]]:
    """The spans of an agent's calls, as one to three emitters tell of each; and input and output of each."""
    agent = Span(1, role="rollup", scope="agents", input=0, output=0, seconds=100)
    spans, truth, number = [], [], 2
    for call in range(calls):
        usage = rng.choice([(700, 70), (rng.randrange(1, 5_000), rng.randrange(1, 500))])
        truth.append(usage)
        sdk = Span(
            number,
            parent=1,
            input=usage[0],
            output=usage[1],
            response_id=rng.choice(["", f"{ID}{call}"]),
            start=call * 10 + 0.5,
            detail=rng.randrange(2, 5),
        )
        number += 1
        above: list[Span] = []
        for scope in rng.sample(["langchain", "litellm"], rng.randrange(3)):
            nested = rng.random() < 0.6
            counted = rng.random() < 0.7 or not nested
            seen = Span(
                number,
                parent=1,
                trace=1 if nested else 100 + number,
                scope=scope,
                input=usage[0] if counted else None,
                output=usage[1] if counted else None,
                response_id=sdk.response_id if rng.random() < 0.3 else "",
                start=call * 10 + 0.2,
                seconds=2,
                detail=rng.randrange(2, 5),
            )
            number += 1
            if nested:
                sdk = replace(sdk, parent=seen.span)
                if above:
                    seen = replace(seen, parent=above[-1].span)
                above.append(seen)
            spans.append(seen)
        spans.append(sdk)
    total = [sum(counts) for counts in zip(*truth, strict=True)]
    return [*spans, replace(agent, input=total[0], output=total[1])], sorted(truth)
