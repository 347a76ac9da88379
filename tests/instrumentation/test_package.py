"""What an import brings along: into an application no server, into the server's core no OpenTelemetry."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import otel_usage

SERVER = (
    "clickhouse_connect",
    "genai_prices",
    "grpc",
    "numpy",
    "pyarrow",
    "pydantic",
    "starlette",
    "uvicorn",
)


def loaded_by(statement: str) -> set[str]:
    """Top-level packages that are loaded after `statement` in a new interpreter."""
    program = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_an_application_loads_nothing_of_the_server() -> None:
    loaded = loaded_by("from otel_usage import UsageInstrumentor, attribution, record_usage")
    assert "opentelemetry" in loaded
    assert loaded.isdisjoint(SERVER)


def test_a_module_of_the_server_loads_no_opentelemetry() -> None:
    assert "opentelemetry" not in loaded_by("import otel_usage.model")


def test_the_version_is_the_one_that_is_installed() -> None:
    assert otel_usage.__version__ == version("otel-usage")


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(getattr(otel_usage, name) for name in otel_usage.__all__)
    with pytest.raises(AttributeError, match="module 'otel_usage' has no attribute 'atribution'"):
        _ = otel_usage.atribution  # type: ignore[attr-defined]
