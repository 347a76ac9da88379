"""`attribution()`: scopes, their nesting, their end, and what is refused."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from opentelemetry.context import get_current

from otel_usage import attributes, attribution
from otel_usage.instrumentation.billing import BillingAttributes, billing_attributes

pytestmark = pytest.mark.anyio

ACME = BillingAttributes(account_id="acme", context="customer")


def test_there_is_no_attribution_outside_a_scope() -> None:
    assert billing_attributes() is None


def test_an_account_without_a_context_is_a_customer() -> None:
    with attribution(account_id="acme"):
        assert billing_attributes() == ACME


def test_a_scope_leaves_the_context_as_it_found_it() -> None:
    before = get_current()
    with attribution(account_id="acme"), attribution(context="system"):
        pass
    assert get_current() is before


def test_a_scope_ends_when_its_body_raises() -> None:
    before = get_current()
    with pytest.raises(KeyError), attribution(account_id="acme"):
        raise KeyError
    assert get_current() is before


def test_scopes_nest_field_by_field() -> None:
    with attribution(account_id="acme", transaction_id="t1", usage_type="text"):
        with attribution(transaction_id="t2"):
            assert billing_attributes() == BillingAttributes("acme", "t2", "customer", "text")
            with attribution(account_id="globex", usage_type="embedding"):
                assert billing_attributes() == BillingAttributes("globex", "t2", "customer", "embedding")
            assert billing_attributes() == BillingAttributes("acme", "t2", "customer", "text")
        assert billing_attributes() == BillingAttributes("acme", "t1", "customer", "text")


def test_system_use_inside_a_customers_scope_is_not_the_customers() -> None:
    with attribution(account_id="acme", transaction_id="t1"), attribution(context="system"):
        assert billing_attributes() == BillingAttributes(None, "t1", "system")


def test_an_account_inside_a_system_scope_is_a_customer_again() -> None:
    with attribution(context="system"), attribution(account_id="acme"):
        assert billing_attributes() == ACME


def test_context_customer_takes_the_account_in_scope() -> None:
    with attribution(account_id="acme"), attribution(context="customer"):
        assert billing_attributes() == ACME


def test_nothing_given_changes_nothing() -> None:
    with attribution(account_id="acme"), attribution():
        assert billing_attributes() == ACME


async def test_it_is_an_async_context_manager() -> None:
    before = get_current()
    async with attribution(account_id="acme"):
        await asyncio.sleep(0)
        assert billing_attributes() == ACME
    assert get_current() is before


def test_it_decorates_a_function_and_each_call_has_its_own_scope() -> None:
    @attribution(account_id="acme")
    def countdown(n: int) -> list[BillingAttributes | None]:
        return [billing_attributes(), *(countdown(n - 1) if n else [])]

    assert countdown.__name__ == "countdown"
    assert countdown(2) == [ACME] * 3
    assert billing_attributes() is None


async def test_it_decorates_a_coroutine_function() -> None:
    @attribution(context="system")
    async def review() -> BillingAttributes | None:
        await asyncio.sleep(0)
        return billing_attributes()

    system = BillingAttributes(context="system")
    assert list(await asyncio.gather(review(), review())) == [system, system]
    assert billing_attributes() is None


def test_a_decorated_function_keeps_the_callers_scope_for_what_it_does_not_say() -> None:
    @attribution(usage_type="embedding")
    def index() -> BillingAttributes | None:
        return billing_attributes()

    with attribution(account_id="acme"):
        assert index() == BillingAttributes("acme", None, "customer", "embedding")


def _generator() -> Iterator[int]:
    yield 1


async def _async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [_generator, _async_generator])
def test_a_generator_is_not_decorated_silently(function: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="cannot decorate a generator"):
        attribution(account_id="acme")(function)


async def test_tasks_do_not_see_each_others_scopes() -> None:
    async def work(account: str) -> str | None:
        async with attribution(account_id=account):
            await asyncio.sleep(0.001)
            billing = billing_attributes()
            return billing.account_id if billing else None

    accounts = [f"account-{n}" for n in range(20)]
    assert await asyncio.gather(*map(work, accounts)) == accounts


async def test_a_task_started_in_a_scope_keeps_it_after_the_scope_ended() -> None:
    async def late() -> BillingAttributes | None:
        await asyncio.sleep(0.001)
        return billing_attributes()

    async with attribution(account_id="acme"):
        task = asyncio.create_task(late())
    assert billing_attributes() is None
    assert await task == ACME


async def test_work_moved_to_a_thread_by_asyncio_stays_in_scope() -> None:
    with attribution(account_id="acme"):
        assert await asyncio.to_thread(billing_attributes) == ACME


def test_a_bare_thread_starts_outside_and_a_copied_context_takes_the_scope_along() -> None:
    seen: list[BillingAttributes | None] = []
    with attribution(account_id="acme"):
        context = contextvars.copy_context()
        for target in (
            lambda: seen.append(billing_attributes()),
            lambda: seen.append(context.run(billing_attributes)),
        ):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == [None, ACME]


def test_a_scope_closed_elsewhere_does_not_raise(caplog: pytest.LogCaptureFixture) -> None:
    scope = attribution(account_id="acme")
    contextvars.copy_context().run(scope.__enter__)
    with caplog.at_level(logging.CRITICAL):
        scope.__exit__(None, None, None)
    assert billing_attributes() is None


def test_one_scope_is_entered_once_at_a_time() -> None:
    scope = attribution(account_id="acme")
    with scope, pytest.raises(RuntimeError, match="already entered"):
        scope.__enter__()
    with scope:
        assert billing_attributes() == ACME
    assert billing_attributes() is None


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"account_id": ""}, ValueError, "account_id is blank"),
    ({"account_id": " \t"}, ValueError, "account_id is blank"),
    ({"transaction_id": ""}, ValueError, "transaction_id is blank"),
    ({"account_id": "a" * 257}, ValueError, "account_id has 257 characters, 256 are allowed"),
    ({"transaction_id": "a" * 257}, ValueError, "transaction_id has 257 characters"),
    ({"account_id": 42}, TypeError, "account_id must be a string, not int"),
    ({"account_id": "\ud800"}, ValueError, "account_id is not valid Unicode"),
    ({"context": "internal"}, ValueError, "context is 'internal', not one of customer, system"),
    ({"usage_type": "video"}, ValueError, "usage_type is 'video', not one of text, embedding"),
    ({"account_id": "acme", "context": "system"}, ValueError, "leave out account_id"),
]


@pytest.mark.parametrize(("fields", "error", "message"), WRONG)
def test_wrong_use_is_refused_before_anything_runs(
    fields: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        attribution(**fields)


def test_a_customer_without_any_account_is_refused_on_entry() -> None:
    before = get_current()
    with pytest.raises(ValueError, match="needs an account_id"), attribution(context="customer"):
        pytest.fail("entered")
    with (
        attribution(account_id="acme"),
        attribution(context="system"),
        pytest.raises(ValueError, match="needs an account_id"),
        attribution(context="customer"),
    ):
        pytest.fail("entered")
    assert get_current() is before


def test_the_longest_id_is_allowed() -> None:
    with attribution(account_id="ä" * attributes.MAX_ID):
        pass
