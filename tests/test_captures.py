"""Every capture, over both wires of a running server, and the bill of the libraries that must be exact."""

import pytest

from tests import captures

pytestmark = pytest.mark.captures


@pytest.fixture(scope="module")
def sent() -> tuple[captures.Answers, list[captures.Bill]]:
    if not captures.files():
        pytest.skip(f"no captures in {captures.folder()}; name their folder in CAPTURES")
    return captures.run()


def test_every_capture_goes_through_both_wires_with_success(
    sent: tuple[captures.Answers, list[captures.Bill]],
) -> None:
    answers, bills = sent
    assert answers.grpc == []
    assert answers.http == []
    assert bills


@pytest.mark.parametrize("library", captures.REQUIRED)
def test_the_bill_is_the_best_that_can_be_known(
    sent: tuple[captures.Answers, list[captures.Bill]], library: str
) -> None:
    _, bills = sent
    mine = [bill for bill in bills if bill.capture.library == library]
    assert mine
    assert {bill.capture.scenario: bill.faults for bill in mine if bill.faults} == {}
