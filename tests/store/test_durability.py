"""What was acknowledged is there after the process was killed, and nothing twice."""

import contextlib
import json
import random
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import IO, Final

from tests.store import rows
from tests.store.writer_to_kill import CALLS

ROUNDS: Final = 20
COST: Final = Decimal("0.0085")
"""Of each call, in US dollars."""


def test_what_was_acknowledged_survives_every_kill_and_nothing_is_there_twice(tmp_path: Path) -> None:
    dsn = f"chdb://{tmp_path}/store"
    taken = 0  # commits that were acknowledged, or are sent again: 0, 1, ...
    with contextlib.ExitStack() as running:
        turns = [_writer(dsn, running)]
        for _ in range(ROUNDS):
            turns.append(_writer(dsn, running))  # it loads while the one before it writes
            writer = turns.pop(0)
            _check(_begin(writer, str(taken)), taken)
            told = [_line(writer, "taken") for _ in range(random.randint(1, 6))]
            time.sleep(random.uniform(0.0, 0.02))  # anywhere in a commit
            writer.kill()
            told += [line.removeprefix("taken ") for line in _out(writer).read().splitlines()]
            # The next one begins with the commit that was cut off, as its sender would: it may have landed.
            assert [int(number) for number in told] == list(range(taken, taken + len(told)))
            taken += len(told)
            writer.wait()
        _check(_begin(turns[0], "stop"), taken)
        assert turns[0].wait(30) == 0


def _check(stored: str, taken: int) -> None:
    """All calls of the commits that were taken are stored once, and no others, but for one commit's."""
    numbers, cost = json.loads(stored)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) in (CALLS * taken, CALLS * (taken + 1))
    assert Decimal(cost) == len(numbers) * COST


def _writer(dsn: str, running: contextlib.ExitStack) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.store.writer_to_kill", dsn],
        cwd=Path(rows.__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    running.enter_context(writer)
    running.callback(writer.kill)
    return writer


def _begin(writer: subprocess.Popen[str], first: str) -> str:
    assert writer.stdin is not None
    writer.stdin.write(f"{first}\n")
    writer.stdin.flush()
    return _line(writer, "stored")


def _line(writer: subprocess.Popen[str], word: str) -> str:
    """What follows the word on the next line that begins with it; others are of the log."""
    for line in _out(writer):
        if line.startswith(f"{word} "):
            return line.removeprefix(f"{word} ").strip()
    raise AssertionError(writer.wait())


def _out(writer: subprocess.Popen[str]) -> IO[str]:
    assert writer.stdout is not None
    return writer.stdout
