"""The command line: a flag for every setting, and one sentence for what cannot be done."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner, Result

from otel_usage import __version__
from otel_usage.cli import main
from otel_usage.config import Settings
from otel_usage.store import schema
from tests import log_events
from tests.receiver.wires import llm_request


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def _run(*arguments: str | Path, **environment: str) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], env=environment)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_version_is_printed() -> None:
    assert _run("version").output == f"{__version__}\n"


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "otel_usage", "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{__version__}\n"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_a_flag_of_serve_that_names_its_variable_and_default(name: str) -> None:
    told = " ".join(_run("serve", "--help").output.split())
    assert f"--{name.replace('_', '-')} " in told
    default = Settings.model_fields[name].default
    variable = f"OTEL_USAGE_{name.upper()}"
    assert f"[env var: {variable}{'' if default is None else f'; default: ({default})'}]" in told


@pytest.mark.parametrize(
    ("flag", "value", "fault"),
    [
        ("--commit-rows", "many", "OTEL_USAGE_COMMIT_ROWS: Input should be a valid integer"),
        ("--commit-rows", "0", "OTEL_USAGE_COMMIT_ROWS: Input should be greater than 0"),
        ("--retry-after", "-1", "OTEL_USAGE_RETRY_AFTER: Input should be greater than 0"),
        ("--dsn", "postgres://a", "OTEL_USAGE_DSN is not usable"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence_that_names_it(flag: str, value: str, fault: str) -> None:
    result = _run(
        "serve",
        flag,
        value,
        "--grpc-address",
        "127.0.0.1:0",
        OTEL_USAGE_API_ADDRESS="127.0.0.1:0",
        OTEL_USAGE_OTLP_HTTP_ADDRESS="127.0.0.1:0",
    )
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {fault}")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_all_faults_of_the_settings_are_told_at_once() -> None:
    result = _run("serve", "--commit-rows", "0", OTEL_USAGE_RETRY_AFTER="soon")
    assert result.exit_code == 2
    assert "OTEL_USAGE_COMMIT_ROWS" in result.stderr
    assert "OTEL_USAGE_RETRY_AFTER" in result.stderr


def test_an_unknown_command_or_flag_is_a_usage_error() -> None:
    assert _run("fly").exit_code == 2
    assert _run("serve", "--fly").exit_code == 2


def test_the_schema_is_shown_without_a_database() -> None:
    assert _run("schema", "show", OTEL_USAGE_DSN="nonsense").stdout == schema.show()


def test_the_schema_is_applied_once_and_then_up_to_date(dsn: str) -> None:
    before = _run("schema", "check", "--dsn", dsn)
    assert before.exit_code == 1
    assert "does not exist: run otel-usage schema apply." in before.stdout
    applied = _run("schema", "apply", "--dsn", dsn).stdout.splitlines()
    assert applied == [f"applied {migration}" for migration in schema.migrations()]
    assert _run("schema", "apply", "--dsn", dsn).stdout == "nothing to apply\n"
    after = _run("schema", "check", "--dsn", dsn)
    assert (after.exit_code, after.stdout) == (0, "the schema is up to date\n")


def test_a_flag_wins_over_the_environment(dsn: str) -> None:
    assert _run("schema", "apply", "--dsn", dsn, OTEL_USAGE_DSN="nonsense").exit_code == 0
    assert _run("schema", "check", OTEL_USAGE_DSN=dsn).exit_code == 0


def test_a_database_that_does_not_answer_is_one_sentence() -> None:
    result = _run("schema", "check", "--dsn", "http://127.0.0.1:1/usage")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ClickHouse at 127.0.0.1:1 does not answer")
    assert len(result.stderr.splitlines()) == 1


def test_files_are_replayed_and_each_has_its_outcome(tmp_path: Path, dsn: str) -> None:
    good, bad, empty = tmp_path / "good", tmp_path / "bad", tmp_path / "empty"
    good.write_bytes(llm_request())
    bad.write_bytes(b"\xff")
    empty.write_bytes(b"")
    result = _run("replay", good, bad, empty, good, "--dsn", dsn)
    told = result.stdout.splitlines()
    assert told[0] == f"{good}: received 1 spans: 1 stored"
    assert told[3] == f"{good}: received 1 spans: 1 duplicate"
    assert told[1].startswith(f"{bad}: not an ExportTraceServiceRequest")
    assert told[2] == f"{empty}: received 0 spans"
    assert result.exit_code == 1
    assert _run("replay", good, "--dsn", dsn).exit_code == 0


def test_files_of_log_records_are_replayed_as_such(tmp_path: Path, dsn: str) -> None:
    file = tmp_path / "logs"
    file.write_bytes(
        log_events.request(
            "com.anthropic.claude_code.events", log_events.record(log_events.claude())
        ).SerializeToString()
    )
    result = _run("replay", "--signal", "logs", file, "--dsn", dsn)
    assert result.stdout == f"{file}: received 1 log records: 1 stored\n"


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    result = _run("replay", tmp_path / "none")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("chdb", "schema check --dsn chdb:///nowhere/{}", "chdb"),
        ("genai_prices", "replay /dev/null", "server"),
        ("uvicorn", "serve", "server"),
        ("clickhouse_connect", "schema show", "all"),
    ],
)
def test_what_is_not_installed_is_one_sentence_that_says_how(module: str, command: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from otel_usage.__main__ import main; sys.argv = {['otel-usage', *command.split()]!r}; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert f"otel-usage[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
