"""What is installed, and what it drags in."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

import otel_usage

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SERVER_SIDE = {
    "chdb",
    "click",
    "clickhouse_connect",
    "genai_prices",
    "grpc",
    "numpy",
    "openai",
    "pandas",
    "ptars",
    "pyarrow",
    "pydantic",
    "starlette",
    "structlog",
    "uvicorn",
}
"""What an instrumented application must never load because of us. grpc comes with the exporter, once used."""


def _python(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=False)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared(*extras: str) -> set[str]:
    project = PROJECT["project"]
    named = [
        *project["dependencies"],
        *(d for extra in extras for d in project["optional-dependencies"][extra]),
    ]
    return {_normal(re.split(r"[<>=!~\[; ]", name)[0]) for name in named}


def _imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"otel_usage"}


@pytest.mark.parametrize("module", ["otel_usage", "otel_usage.instrumentation"])
def test_the_instrumentation_loads_nothing_of_the_server(module: str) -> None:
    used = "otel_usage.attribution, otel_usage.record_usage, otel_usage.UsageInstrumentor"
    done = _python(f"import sys, {module}, otel_usage; {used}; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert module in loaded
    assert loaded & SERVER_SIDE == set()


def test_without_the_server_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['click'] = None\n"
        "from otel_usage.__main__ import main; sys.argv = ['otel-usage']; main()"
    )
    done = _python(code)
    assert done.returncode == 1
    assert "pip install 'otel-usage[all]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fault_of_our_own_is_not_taken_for_a_missing_package() -> None:
    done = _python(
        "import sys; sys.modules['otel_usage.cli'] = None; from otel_usage.__main__ import main; main()"
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("folder", "extras"), [("", ["server", "chdb", "demo"]), ("instrumentation", [])], ids=["all", "base"]
)
def test_every_package_imported_is_a_declared_dependency(folder: str, extras: list[str]) -> None:
    providers = packages_distributions()
    declared = _declared(*extras)
    files = list((ROOT / "src" / "otel_usage" / folder).rglob("*.py"))
    assert files
    imported = set().union(*(_imported(path) for path in files))
    assert {name for name in imported if not declared & {_normal(d) for d in providers[name]}} == set()


def test_the_version_is_said_once() -> None:
    assert otel_usage.__version__ == version("otel-usage") == PROJECT["project"]["version"]


def test_zero_code_instrumentation_finds_the_instrumentor() -> None:
    (found,) = entry_points(group="opentelemetry_instrumentor", name="otel_usage")
    assert found.load().__name__ == "UsageInstrumentor"


def test_the_wheel_carries_the_sql_and_the_type_marker(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    packed = set(ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {str(path.relative_to(source)) for path in source.rglob("*.sql")}
    assert wanted
    assert wanted | {"otel_usage/py.typed", "otel_usage/cli.py"} <= packed
    assert [name for name in packed if not name.startswith(("otel_usage/", "otel_usage-"))] == []


def test_the_lock_names_no_index_host_and_no_folder() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert re.findall(r"^\s*-(?!-hash=)\S+", lock, re.MULTILINE) == []


def test_the_lock_pins_and_hashes_every_dependency() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==\S+.*\\\n\s+--hash=sha256:", lock, re.MULTILINE)
    entries = re.findall(r"^[A-Za-z].*", lock, re.MULTILINE)
    assert len(pinned) == len(entries)
    assert _declared("server", "chdb", "demo") - {_normal(name) for name in pinned} == set()
