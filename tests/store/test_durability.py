"""What was acknowledged is there after the process was killed."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.store import rows

WRITE: Final = """
import sys
from otel_usage.config import Settings
from otel_usage.store import Store
from tests.store.rows import usage
with Store.open(Settings(dsn=sys.argv[1])) as store:
    for commit in range(1000):
        store.insert(usage(*({"call": 10 * commit + call} for call in range(10))))
        print(commit, flush=True)
"""
COUNT: Final = """
import sys, anyio
from otel_usage.config import Settings
from otel_usage.store import Store
from otel_usage.store.queries import UsageFilter
from otel_usage.store.summary import summarize
with Store.open(Settings(dsn=sys.argv[1])) as store:
    print("calls", anyio.run(store.query, summarize(UsageFilter("default")))[0].calls)
"""


def test_an_acknowledged_insert_survives_a_kill(tmp_path: Path) -> None:
    dsn = f"chdb://{tmp_path}/store"
    root = Path(rows.__file__).parents[2]
    writer = subprocess.Popen([sys.executable, "-c", WRITE, dsn], cwd=root, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer:
        acknowledged = [
            line for line in (writer.stdout.readline() for _ in range(20)) if line.strip().isdigit()
        ]
        time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
        acknowledged += [line for line in writer.stdout.read().splitlines() if line.strip().isdigit()]
    counted = subprocess.run(
        [sys.executable, "-c", COUNT, dsn], cwd=root, capture_output=True, text=True, check=True
    )
    (calls,) = re.findall(r"calls (\d+)", counted.stdout)
    assert len(acknowledged) > 10
    assert int(calls) in (10 * len(acknowledged), 10 * len(acknowledged) + 10)
