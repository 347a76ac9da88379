"""Every captured run, over both wires of a running server, and the bill of each."""

import pytest

from tests import captures

pytestmark = pytest.mark.captures


@pytest.fixture(scope="module")
def sent() -> captures.Run:
    if not captures.files():
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    return captures.run()


def test_every_request_is_taken_and_accounted_for_and_adds_nothing_when_sent_again(
    sent: captures.Run,
) -> None:
    assert sent.bills
    assert sent.problems == []


def test_nothing_is_charged_that_was_not_used(sent: captures.Run) -> None:
    over = {bill.capture.name: [fault.text for fault in bill.over] for bill in sent.bills if bill.over}
    assert over == {}
    assert [row for row in sent.strays if row.charged] == []


def test_every_bill_is_exact_or_the_best_that_the_emitter_allows(sent: captures.Run) -> None:
    assert sent.wrong == []


def test_every_expected_loss_is_still_one(sent: captures.Run) -> None:
    faults = {(bill.capture.library, fault.text) for bill in sent.bills for fault in bill.faults}
    assert captures.EXPECTED_LOSSES.keys() - faults == set()
