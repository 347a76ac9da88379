"""Who pays for what runs here: the billing attributes in scope.

They live in the OpenTelemetry Context, beside the current span, and go where it goes: into awaited
code and into asyncio tasks, and into a new thread only if its context is carried there.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, ParamSpec, TypeVar, cast

from opentelemetry.context import Context, attach, detach, get_value, set_value

from otel_usage.attributes import (
    ACCOUNT_ID,
    CONTEXT,
    CONTEXTS,
    CUSTOMER,
    MAX_ID,
    SYSTEM,
    TRANSACTION_ID,
    USAGE_TYPE,
    USAGE_TYPES,
)

BillingContext = Literal["customer", "system"]
UsageType = Literal["text", "embedding", "audio_stt", "audio_tts"]

P = ParamSpec("P")
R = TypeVar("R")

_KEY: Final = "otel_usage.billing"


def attribution(
    *,
    account_id: str | None = None,
    transaction_id: str | None = None,
    context: BillingContext | None = None,
    usage_type: UsageType | None = None,
) -> "Attribution":
    """Say who pays for the LLM calls made inside: `with`, `async with`, or a decorator.

    Scopes nest. A field that is left out, or None, is taken from the enclosing scope. An `account_id`
    without a `context` means `customer`. `context="system"` is the operator's own use: the account of
    the enclosing scope does not apply in it, its transaction still does.

    Raises:
        TypeError: an id is not a string, or a generator function is decorated.
        ValueError: an id is blank, longer than 256 characters or not Unicode; `context` or `usage_type`
            is unknown; `context="system"` comes with an account; or, on entry, `context="customer"`
            has no account, neither here nor in an enclosing scope.
        RuntimeError: the same object is entered twice at once (a decorator may be: it makes its own).
    """
    _check_id("account_id", account_id)
    _check_id("transaction_id", transaction_id)
    _check_choice("context", context, CONTEXTS)
    _check_choice("usage_type", usage_type, USAGE_TYPES)
    if context == SYSTEM and account_id is not None:
        raise ValueError("context='system' is nobody's bill: leave out account_id")
    return Attribution(BillingAttributes(account_id, transaction_id, context, usage_type))


@dataclass(frozen=True, slots=True)
class BillingAttributes:
    """The billing attributes in scope; None is 'not said'."""

    account_id: str | None = None
    transaction_id: str | None = None
    context: str | None = None
    usage_type: str | None = None

    def within(self, outer: "BillingAttributes") -> "BillingAttributes":
        """These, completed from the enclosing scope."""
        inherited_account = None if self.context == SYSTEM else outer.account_id
        return BillingAttributes(
            account_id=self.account_id or inherited_account,
            transaction_id=self.transaction_id or outer.transaction_id,
            context=self.context or (CUSTOMER if self.account_id else outer.context),
            usage_type=self.usage_type or outer.usage_type,
        )

    def items(self) -> Iterator[tuple[str, str]]:
        """Attribute names and values, as they stand on a span."""
        if self.account_id is not None:
            yield ACCOUNT_ID, self.account_id
        if self.transaction_id is not None:
            yield TRANSACTION_ID, self.transaction_id
        if self.context is not None:
            yield CONTEXT, self.context
        if self.usage_type is not None:
            yield USAGE_TYPE, self.usage_type


def billing_attributes(context: Context | None = None) -> BillingAttributes | None:
    """The billing attributes in scope in `context`, by default the current one; None outside any scope."""
    found = get_value(_KEY, context)
    return found if isinstance(found, BillingAttributes) else None


class Attribution:
    """What `attribution()` returns: a scope to enter, once at a time, or a decorator."""

    __slots__ = ("_billing", "_token")

    def __init__(self, billing: BillingAttributes) -> None:
        self._billing = billing
        self._token: Token[Context] | None = None

    def __enter__(self) -> None:
        if self._token is not None:
            raise RuntimeError("this attribution() is already entered: call attribution() for every `with`")
        self._token = self._attach()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            detach(token)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function or a coroutine function: each call runs in a scope of its own."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                "attribution() cannot decorate a generator: its body runs in the context of whoever "
                "iterates it. Enter attribution() inside it, around the calls"
            )
        return self._around_coroutine(function) if _is_async(function) else self._around(function)

    def _around(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def attributed(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._scope():
                return function(*args, **kwargs)

        return attributed

    def _around_coroutine(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        async def attributed(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401 - what R awaits to
            with self._scope():
                return await cast("Awaitable[Any]", function(*args, **kwargs))

        return cast("Callable[P, R]", attributed)

    @contextmanager
    def _scope(self) -> Iterator[None]:
        token = self._attach()
        try:
            yield
        finally:
            detach(token)

    def _attach(self) -> Token[Context]:
        billing = self._billing.within(billing_attributes() or BillingAttributes())
        if billing.context == CUSTOMER and billing.account_id is None:
            raise ValueError("context='customer' needs an account_id, here or in an enclosing attribution()")
        return attach(set_value(_KEY, billing))


def _is_async(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(function)


def _check_id(name: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} is blank: leave it out if there is none")
    if len(value) > MAX_ID:
        raise ValueError(f"{name} has {len(value)} characters, {MAX_ID} are allowed")
    # An exporter cannot encode it, and would lose every other span of its batch with it.
    if not _is_unicode(value):
        raise ValueError(f"{name} is not valid Unicode (it contains a lone surrogate)")


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(choices)}")
