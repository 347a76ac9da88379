"""The log: one JSON object a line for machines, readable for people, whoever logs."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from otel_usage import telemetry


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_one_json_object_when_no_one_watches() -> None:
    stream = io.StringIO()
    telemetry.configure(stream)
    structlog.get_logger().info("serving", grpc="127.0.0.1:4317")
    [line] = stream.getvalue().splitlines()
    told = json.loads(line)
    assert told.pop("timestamp").endswith("Z")
    assert told == {"event": "serving", "grpc": "127.0.0.1:4317", "level": "info"}


def test_what_libraries_log_has_the_same_form() -> None:
    stream = io.StringIO()
    telemetry.configure(stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "Invalid HTTP request received."


def test_an_exception_is_part_of_its_line() -> None:
    stream = io.StringIO()
    telemetry.configure(stream)
    structlog.get_logger().error("request failed", exc_info=ValueError("reason"))
    [line] = stream.getvalue().splitlines()
    assert "ValueError: reason" in json.loads(line)["exception"]


def test_a_terminal_gets_lines_to_read() -> None:
    stream = _Terminal()
    telemetry.configure(stream)

    structlog.get_logger().info("serving", grpc="127.0.0.1:4317")
    assert "serving" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_configuring_twice_does_not_double_the_lines() -> None:
    stream = io.StringIO()
    telemetry.configure(stream)
    telemetry.configure(stream)
    structlog.get_logger().info("once")
    assert len(stream.getvalue().splitlines()) == 1
