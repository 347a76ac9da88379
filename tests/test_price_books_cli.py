"""`otel-usage prices`: books are shown, made, held and approved; nothing is downloaded unasked."""

import http.server
import json
import logging
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from click.testing import CliRunner, Result

from otel_usage.cli import main
from otel_usage.config import Settings
from otel_usage.pricing.build import build
from otel_usage.pricing.sources import litellm
from otel_usage.store import Store
from tests.store.rows import usage
from tests.test_bookshelf import BUNDLED, providers

_SHORT: Final = BUNDLED[:12]


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were opened."""
    opened: list[str] = []
    urlopen = urllib.request.urlopen

    def open_(url: str, **more: Any) -> Any:  # noqa: ANN401
        opened.append(url)
        return urlopen(url, **more)

    monkeypatch.setattr(urllib.request, "urlopen", open_)
    return opened


@pytest.fixture
def run(migrated_dsn: str) -> Any:  # noqa: ANN401
    """Run `otel-usage prices` with these arguments, on a database with its schema."""

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(main, ["prices", *arguments], env={"OTEL_USAGE_DSN": migrated_dsn})
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


def _genai(price: str) -> bytes:
    """genai-prices' file as it is published, with gpt-4o at this price."""
    known = providers({"input_mtok": price, "output_mtok": "10"})
    raw = [{"api_pattern": "x", "name": each["id"], **_published(each)} for each in known]
    return json.dumps(raw).encode()


def _published(node: Any, *, price: bool = False) -> Any:  # noqa: ANN401 (JSON)
    """With prices as numbers, not as text."""
    match node:
        case dict():
            return {key: _published(value, price=price or key == "prices") for key, value in node.items()}
        case list():
            return [_published(each, price=price) for each in node]
        case str() if price and node.replace(".", "").isdigit():
            return float(node)
        case _:
            return node


@pytest.fixture
def newer(tmp_path: Path) -> list[str]:
    """The flags of a small genai-prices file."""
    file = tmp_path / "genai.json"
    file.write_bytes(_genai("3"))
    none = tmp_path / "corrections.toml"
    none.write_text('version = "none"\n')
    return ["--genai-prices", str(file), "--genai-prices-version", "9", "--corrections", str(none)]


def test_the_book_in_force_is_shown(run: Any) -> None:  # noqa: ANN401
    told = run("show").stdout.splitlines()
    assert told[0] == f"sha256:{BUNDLED} is in force"
    assert told[2].split()[1:3] == ["models", "of"]
    assert len(told) == 1 + len(build().report.models)


def test_a_model_is_shown_with_what_else_it_may_cost(run: Any) -> None:  # noqa: ANN401
    told = run("show", "gemini-2.5-pro", "--provider", "gcp.vertex_ai").stdout
    assert told.startswith("google/gemini-2.5-pro (genai-prices@")
    assert "  input_mtok               1.25\n" in told
    assert (
        "above 200000 input tokens:\n  cache_read_mtok          0.25\n  input_mtok               2.5\n"
        in told
    )
    assert "processing=batch:\n  input_mtok               0.625\n" in told


def test_a_model_that_is_not_known_is_told(run: Any) -> None:  # noqa: ANN401
    result = run("show", "nope")
    assert result.exit_code == 2
    assert "The price book has no model nope." in result.stderr


def test_the_shipped_book_has_nothing_wrong_and_needs_no_update(run: Any, downloads: list[str]) -> None:  # noqa: ANN401
    checked = run("check")
    assert (checked.exit_code, checked.stdout) == (0, f"nothing is wrong in sha256:{BUNDLED}; 0 notes\n")
    assert run("update").stdout.splitlines()[-1] == f"sha256:{BUNDLED} is in force already"
    assert run("diff").stdout == f"0 differences from sha256:{_SHORT}, in force\n"
    assert not downloads


def test_a_disagreement_of_the_sources_on_a_model_in_use_is_listed(run: Any, dsn: str) -> None:  # noqa: ANN401
    row = {"started_at": time.time_ns(), "provider": "mistral_ai", "response_model": "mistral-large-latest"}
    with Store.open(Settings(dsn=dsn)) as store:
        store.insert(usage(row))
    told = (
        "note: genai-prices/mistral/mistral-large: litellm: mistral/mistral/mistral-large-latest disagrees: "
    )
    for command in ("check", "update"):
        result = run(command)
        assert result.exit_code == 0
        assert told in result.stdout


def test_newer_files_make_a_book_that_is_put_in_force(
    run: Any,  # noqa: ANN401
    newer: list[str],
    downloads: list[str],
) -> None:
    assert "price: genai-prices/openai/gpt-4o input_mtok: 2.5 -> 3\n" in run("diff", "--all", *newer).stdout
    result = run("update", *newer, "--author", "eva", "--reason", "it is so")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith(" is in force")
    shown = run("show").stdout
    assert " models of genai-prices@9\n" in shown
    assert shown.splitlines()[-1].endswith(" in force, eva: it is so")
    assert "  input_mtok               3\n" in run("show", "gpt-4o").stdout
    assert run("approve", _SHORT, "--reason", "back").stdout == f"sha256:{BUNDLED} is in force\n"
    assert not downloads


def test_a_book_that_moves_a_model_in_use_is_held_until_it_is_approved(
    run: Any,  # noqa: ANN401
    newer: list[str],
    dsn: str,
) -> None:
    with Store.open(Settings(dsn=dsn)) as store:
        store.insert(usage({"started_at": time.time_ns(), "response_model": "gpt-4o"}))
    held = run("update", *newer)
    assert held.exit_code == 1
    assert "hold: genai-prices/openai/gpt-4o: is in use and has another price for the past" in held.stdout
    last = held.stdout.splitlines()[-1]
    assert " is held: otel-usage prices approve " in last
    assert run("show").stdout.startswith(f"sha256:{BUNDLED} ")
    digits = last.split()[-1]
    assert run("diff", digits).exit_code == 0
    assert run("approve", digits).exit_code == 2  # without a reason
    assert run("approve", digits, "--reason", "it is so").exit_code == 0
    assert run("show").stdout.startswith(f"sha256:{digits}")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--genai-prices", "x"], "--genai-prices and --genai-prices-version go together"),
        (["--litellm-version", "1"], "--litellm and --litellm-version go together"),
        (["--litellm", "/no/file", "--litellm-version", "1"], "/no/file cannot be read: "),
        (["--corrections", "/dev/null"], "The corrections cannot be read"),
        (["--genai-prices", "/dev/null", "--genai-prices-version", "1"], "genai-prices cannot be read"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(run: Any, arguments: list[str], told: str) -> None:  # noqa: ANN401
    result = run("update", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert run("show").stdout.startswith(f"sha256:{BUNDLED} ")


def test_what_a_url_is_given_for_is_downloaded_and_nothing_else(
    run: Any,  # noqa: ANN401
    downloads: list[str],
) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/genai.json" else 404)
            self.end_headers()
            self.wfile.write(_genai("3"))

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/genai.json"
        result = run("update", "--genai-prices", url, "--genai-prices-version", "9")
        missing = run("update", "--genai-prices", f"{url}x", "--genai-prices-version", "9")
        server.shutdown()
    assert result.stdout.splitlines()[-1].endswith(" is in force")
    assert missing.exit_code == 2
    assert "404" in missing.stderr
    assert downloads == [url, f"{url}x"]


@pytest.mark.parametrize("price", ["-1e-6", "NaN", "Infinity", "1e9"])
def test_a_file_with_a_price_that_is_none_is_refused_and_names_it(
    run: Any,  # noqa: ANN401
    tmp_path: Path,
    price: str,
) -> None:
    *_, file = reversed(litellm.vendored())
    body = file.body.replace(
        b'"input_cost_per_token": 2.5e-06', f'"input_cost_per_token": {price}'.encode(), 1
    )
    assert body != file.body
    (tmp_path / "litellm.json").write_bytes(body)
    result = run("update", "--litellm", str(tmp_path / "litellm.json"), "--litellm-version", "9")
    assert result.exit_code == 1
    assert result.stdout.startswith("refuse: litellm@9/")
    assert result.stdout.splitlines()[-1].endswith(" is refused")
    assert "note: litellm@9 azure_ai/jais-30b-chat is left out: input_mtok: 3200" in result.stdout


def test_a_file_without_models_or_with_few_is_not_put_in_force(run: Any, tmp_path: Path) -> None:  # noqa: ANN401
    path = tmp_path / "litellm.json"
    path.write_text("{}")
    told = run("update", "--litellm", str(path), "--litellm-version", "9")
    assert (told.exit_code, told.stderr) == (2, "Error: The price data of LiteLLM 9 has no models.\n")
    *_, file = reversed(litellm.vendored())
    entries = json.loads(file.body)
    path.write_text(json.dumps(dict(list(entries.items())[: len(entries) // 2])))
    told = run("update", "--litellm", str(path), "--litellm-version", "9")
    assert told.exit_code == 1
    assert re.search(r"hold: litellm: it has \d+ models, and had 3721", told.stdout)
    assert "is held: otel-usage prices approve" in told.stdout
