"""The demo: what a newcomer sees is what the application did, to the last digit."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from otel_usage.config import Settings
from otel_usage.demo import bill, run, stage
from otel_usage.demo.bill import Bill, Record, Share

COMMAND = [sys.executable, "-m", "otel_usage", "demo"]

# The stand-in counts words and punctuation, so the bill can be worked out on paper. The handbook is 1,200
# tokens, of which 1,152 (9 * 128) are cached once it was seen by the same model. USD per million tokens,
# input / cached input / output: gpt-4o 2.50 / 1.25 / 10, gpt-4o-mini 0.15 / 0.075 / 0.60,
# claude-sonnet-4-5 3 / 0.30 / 15, text-embedding-3-small 0.02.
EXPECTED = [
    ("acme", "gpt-4o", 1205, 300, Decimal("0.0060125")),  # 1205 * 2.5 + 300 * 10
    ("acme", "gpt-4o", 1206, 200, Decimal("0.003575")),  # 54 * 2.5 + 1152 * 1.25 + 200 * 10
    ("acme", "claude-sonnet-4-5", 2200, 180, Decimal("0.0093")),  # 2200 * 3 + 180 * 15
    ("globex", "gpt-4o-mini", 1207, 200, Decimal("0.00030105")),  # 1207 * 0.15 + 200 * 0.6
    ("globex", "text-embedding-3-small", 4, None, Decimal("0.00000008")),  # 4 * 0.02
    ("globex", "house-llm-7b", 1205, 300, None),
    ("(system)", "gpt-4o", 1206, 300, Decimal("0.004575")),  # 54 * 2.5 + 1152 * 1.25 + 300 * 10
]
BY_PAYER = {"acme": Decimal("0.0188875"), "globex": Decimal("0.00030113"), "(system)": Decimal("0.004575")}
BY_MODEL = {
    "gpt-4o": Decimal("0.0141625"),
    "claude-sonnet-4-5": Decimal("0.0093"),
    "gpt-4o-mini": Decimal("0.00030105"),
    "text-embedding-3-small": Decimal("0.00000008"),
    "house-llm-7b": None,
}
TOTAL = Decimal("0.02376363")


def cost(cell: str) -> Decimal | None:
    return None if cell == "unknown" else Decimal(cell)


def rows(output: str, columns: int) -> list[list[str]]:
    """The rows of the tables with so many columns, without their headers and totals."""
    cells = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines() if line.startswith("  ")]
    return [row for row in cells if len(row) == columns and row[-1] != "cost in USD" and "---" not in row[-1]]


def test_it_prints_the_bill_that_can_be_worked_out_on_paper() -> None:
    started = time.monotonic()
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    calls = [(payer, model, number(i), number(o), cost(c)) for payer, model, i, o, c in rows(done.stdout, 5)]
    assert calls == EXPECTED
    shares = {name: cost(c) for name, _, c in rows(done.stdout, 3)}
    assert shares == {**BY_PAYER, **BY_MODEL, "total": TOTAL}
    assert "--keep" in done.stdout
    assert time.monotonic() - started < 60


def number(cell: str) -> int | None:
    return None if cell == "-" else int(cell.replace(",", ""))


def test_kept_it_serves_until_interrupted_and_the_requests_it_shows_work() -> None:
    with subprocess.Popen(
        [*COMMAND, "--keep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            shown = read_until(process, "Ctrl-C")
            requests = re.findall(r"curl -s '?http://([\d.:]+)(/[^\s']*)", shown)
            api, path = requests[0]
            assert {found["accountId"] for found in bill.get(api, path)["usageRecords"]} == {"acme"}
            api, path = requests[1]
            assert bill.get(api, path)["summary"]["totalCostUsd"] == TOTAL
            assert post(shown)["usageRecord"]["estimatedCostUsd"] == Decimal("0.0085")
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=30)
        finally:
            process.terminate()
    assert (process.returncode, errors) == (0, "")
    assert "Stopped" in rest


def read_until(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    shown = ""
    for line in process.stdout:
        shown += line
        if word in line:
            return shown
    pytest.fail(process.stderr.read())


def post(shown: str) -> Any:  # noqa: ANN401
    """Send the last request shown, as a shell would read it."""
    _, _, url, _, header, _, data = shlex.split(shown[shown.rindex("curl ") : shown.rindex("}'") + 2])
    request = Request(url, data=data.encode(), headers=dict([header.split(": ")]))  # noqa: S310
    with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
        return json.load(answer, parse_float=Decimal)


def test_an_unknown_cost_is_never_a_number() -> None:
    half = [Record("acme", "m", 1, 2, Decimal("0.5")), Record("acme", "mystery", None, 2, None)]
    shares = [Share("m", 1, Decimal("0.5")), Share("mystery", 1, None)]
    text = bill.tables(Bill(half, [Share("acme", 2, Decimal("0.5"))], shares, Decimal("0.5")))
    assert [row for row in rows(text, 5) if row[1] == "mystery"] == [["acme", "mystery", "-", "2", "unknown"]]
    assert "mystery. No total contains it." in text


def test_columns_are_aligned_whatever_they_hold() -> None:
    records = [Record("a", "m" * n, 10**n, None, Decimal(1).scaleb(-n)) for n in (1, 5, 12)]
    shares = [Share("a", 3, None)]
    lines = bill.tables(Bill(records, shares, shares, None)).splitlines()
    table = lines[1 : lines.index("")]
    assert len({len(line) for line in table}) == 1
    assert len({line.rindex(".") for line in table[2:]}) == 1
    assert "0.000000000001" in table[-1]


SILENT_APP = """
from openai import OpenAI
OpenAI().embeddings.create(model="m", input="Hello")
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(dsn=f"chdb://{tmp_path}/unused")


def test_calls_that_do_not_appear_are_a_failure(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tmp_path / "silent.py"
    app.write_text(SILENT_APP)
    monkeypatch.setattr(stage, "APP", app)
    monkeypatch.setattr(stage, "ROWS_TIMEOUT", 0.2)
    with pytest.raises(SystemExit, match=r"otel-usage demo: 0 of 2 calls appeared within 0 s\."):
        run(settings)


def test_an_application_that_fails_says_why(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tmp_path / "broken.py"
    app.write_text("raise ZeroDivisionError('of all things')")
    monkeypatch.setattr(stage, "APP", app)
    with pytest.raises(SystemExit, match=r"the application failed:(.|\n)*of all things"):
        run(settings)


def test_a_package_that_is_missing_is_named_with_its_cure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "find_spec", lambda name: None if name == "openai" else object())
    with pytest.raises(SystemExit, match=r"openai is not installed: pip install 'otel-usage\[all\]'"):
        run(settings)


def test_kept_it_takes_the_configured_port_or_another_if_it_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert stage.free(address) == "127.0.0.1:0"
    assert stage.free(address) == address
