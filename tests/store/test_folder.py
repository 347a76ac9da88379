"""The folder of an embedded store that is damaged, or another's: one sentence, which says what to do."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from otel_usage.model import Permanent
from otel_usage.store import folder
from otel_usage.store.client import Embedded, connect
from tests.store import rows

_ROOT: Final = Path(rows.__file__).parents[2]
_WRITE: Final = """
import sys
from otel_usage.config import Settings
from otel_usage.store import Store
from tests.store.rows import usage
with Store.open(Settings(dsn=sys.argv[1])) as store:
    for call in range(2):
        store.insert(usage({"call": call}))
"""
_AS_NOBODY: Final = """
import os, sys
from pathlib import Path
from otel_usage.model import Permanent
from otel_usage.store.client import Embedded, connect
if not os.geteuid():
    os.setuid(65_534)  # root may write anywhere
try:
    connect(Embedded(Path(sys.argv[1])), timeout=1)
except Permanent as error:
    print(error)
"""
_GARBAGE: Final = bytes(range(256))
_FREE: Final = [f"--{name}-address=127.0.0.1:0" for name in ("grpc", "otlp-http", "api")]


def _run(at: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otel_usage", *command, f"--dsn=chdb://{at}"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _sentence(done: subprocess.CompletedProcess[str], at: Path) -> str:
    """The one sentence, after the name of the store."""
    [line] = done.stderr.splitlines()
    start = f"Error: The embedded store at {at} "
    assert line.startswith(start)
    assert (done.returncode, done.stdout) == (2, "")
    return line.removeprefix(start)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two calls, in a part each."""
    made = tmp_path_factory.mktemp("written") / "store"
    subprocess.run(
        [sys.executable, "-c", _WRITE, f"chdb://{made}"], cwd=_ROOT, check=True, capture_output=True
    )
    return made


@pytest.fixture
def store(written: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(written, tmp_path / "store", symlinks=True))


def _part(store: Path) -> Path:
    return min((store / "data/otel_usage/usage_rows").resolve().glob("2025*_*"))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda store: next(store.glob("store/*/*/usage_rows.sql")).write_bytes(_GARBAGE), "usage_rows.sql"),
        (lambda store: (store / "metadata/otel_usage.sql").write_bytes(b""), "metadata/otel_usage.sql"),
    ],
    ids=["a table's definition", "the database's definition"],
)
def test_a_definition_that_cannot_be_read_is_named(
    store: Path, damage: Callable[[Path], object], complaint: str
) -> None:
    damage(store)
    told = _sentence(_run(store, "schema", "apply"), store)
    assert told.startswith("cannot be opened: Code: 62. DB::Exception: ")
    assert complaint in told
    assert told.endswith("restore it from a backup, or name a new folder in OTEL_USAGE_DSN.")


@pytest.mark.parametrize(
    ("file", "command"),
    [("data.bin", ["serve", *_FREE]), ("checksums.txt", ["schema", "apply"])],
)
def test_rows_that_cannot_be_read_are_not_left_out_of_the_bill(
    store: Path, file: str, command: list[str]
) -> None:
    part = _part(store)
    (part / file).write_bytes(_GARBAGE)
    told = _sentence(_run(store, *command), store)
    aside = part.parent / "detached" / f"broken-on-start_{part.name}"
    assert told == (
        f"is damaged: a part of table usage_rows cannot be read, and was put aside as {aside}; "
        "restore the store from a backup, or move the part away to go on without its rows."
    )
    if command[0] == "schema":
        assert _sentence(_run(store, *command), store) == told  # for as long as it is there
        aside.rename(store.parent / "moved away")
        assert _run(store, *command).stdout == "nothing to apply\n"


def test_a_table_whose_data_is_gone_is_not_made_anew(store: Path) -> None:
    shutil.rmtree((store / "data/otel_usage/usage_rows").resolve())
    assert _refused(store) == (
        "is damaged: the data of table usage_rows is gone; "
        "restore it from a backup, or name a new folder in OTEL_USAGE_DSN."
    )


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["notes.txt", "photos/a.jpg"], "the folder has other files (notes.txt, photos); "),
        (["data/a.csv", *"bacde"], "the folder has other files (a, b, c, ...); "),
        (["metadata/system.sql", "store/x", "uuid"], "the folder is of a ClickHouse server; "),
    ],
    ids=["a few", "many", "a server's"],
)
def test_a_folder_of_others_is_left_alone(tmp_path: Path, names: list[str], told: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    before = sorted(tmp_path.rglob("*"))
    assert _refused(tmp_path).startswith(f"cannot be opened: {told}name ")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("names", [[], [".hidden", "lost+found"], ["status", "tmp"]])
def test_a_folder_that_nobody_uses_is_one_for_a_store(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert folder.prepare(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert _refused(tmp_path / "file") == "cannot be opened: it is a file; name a folder in OTEL_USAGE_DSN."


def test_a_folder_that_may_not_be_written_is_told_as_such() -> None:
    with tempfile.TemporaryDirectory() as name:  # whose parents all may enter
        Path(name).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, name], cwd=_ROOT, capture_output=True, text=True, check=True
        )
        Path(name).chmod(0o755)
    told = f"The embedded store at {name} cannot be opened: this user may not write there; "
    assert done.stdout.startswith(told)


def _refused(at: Path) -> str:
    """What is said of the folder, after its name; before an engine is started."""
    with pytest.raises(Permanent) as caught:
        connect(Embedded(at), timeout=1)
    assert caught.value.field == "dsn"
    return str(caught.value).removeprefix(f"The embedded store at {at} ")
