"""Settings from flags and the environment, and one sentence for what cannot be done."""

import contextlib
import functools
import getpass
from collections.abc import Callable, Iterator
from typing import Any, Final

import click
from pydantic import ValidationError

from otel_usage.config import Settings
from otel_usage.model import Permanent, Retryable

USAGE_ERROR: Final = 2
"""Exit code: what was asked for cannot be. 1: it could, but not here or not now."""

_EXTRAS: Final = {"chdb": "chdb", "openai": "all"}
"""Module that is missing: extra that brings it. Any other: `server`."""


def user() -> str:
    """Who runs this; nobody, where the machine does not know them."""
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return ""


def _flag(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    field = Settings.model_fields[name]
    secret = field.default is None
    return click.option(
        f"--{name.replace('_', '-')}",
        envvar=_variable(name),
        show_envvar=True,
        show_default=False if secret else str(field.default),
        metavar={int: "INTEGER", float: "NUMBER"}.get(type(field.default), "TEXT"),
        help=field.description,
    )


def _variable(name: str) -> str:
    return f"{Settings.model_config['env_prefix']}{name}".upper()


def configured(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `settings`, and a flag for each setting in `names`, or for every one.

    A flag has the name of its setting and wins over the environment.
    """
    fields = names or tuple(Settings.model_fields)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**parameters: Any) -> None:  # noqa: ANN401 (what click parsed)
            flags = {name: parameters.pop(name) for name in fields}
            with told_plainly():
                command(settings=_settings(flags), **parameters)

        flagged = functools.reduce(lambda inner, name: _flag(name)(inner), reversed(fields), run)
        return functools.update_wrapper(flagged, command)

    return decorate


def _settings(flags: dict[str, str | None]) -> Settings:
    """The settings, from the flags that are given and the environment."""
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        faults = [f"{_variable(str(fault['loc'][0]))}: {fault['msg']}" for fault in error.errors()]
        raise Failure("; ".join(faults), USAGE_ERROR) from error


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Errors that were foreseen become a sentence and an exit code; a fault of ours stays a traceback."""
    try:
        yield
    except Permanent as error:
        raise Failure(str(error), USAGE_ERROR) from error
    except Retryable as error:
        raise Failure(str(error), 1) from error
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "otel_usage":
            raise
        install = f"pip install 'otel-usage[{_EXTRAS.get(missing, 'server')}]'"
        raise Failure(f"{missing} is not installed: {install}", 1) from error


class Failure(click.ClickException):
    """What could not be done, and the exit code that says so."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc] # click sets it on the class, and reads it on the instance
