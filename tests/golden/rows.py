"""Golden captures: real requests, and the observations they must give, for ever.

`python -m tests.golden.rows` writes the expected rows anew, from the oracle and not from the product.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests import oracle

CAPTURES: Final = Path(__file__).parent / "captures"
TENANT: Final = "default"
NOW_NS: Final = 1_798_761_600 * 10**9
"""2027-01-01: after all captures."""
MAX_CLOCK_SKEW_NS: Final = 86_400 * 10**9

Row = Mapping[str, Any]


def expected(capture: Path) -> list[Row]:
    """The rows a capture must give."""
    rows: list[Row] = json.loads(capture.with_suffix("").with_suffix(".json").read_text())
    return rows


def readable(row: Mapping[str, Any]) -> Row:
    """The row as it stands in the files: bytes in hex, and nothing that is empty or not reported."""
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
    return {name: value for name, value in sorted(shown.items()) if value not in ("", None)}


def _write() -> None:
    for capture in sorted(CAPTURES.glob("*/*.traces.pb")):
        request = oracle.parse(capture.read_bytes())
        verdict = oracle.verdict(
            request, index=0, tenant=TENANT, now_ns=NOW_NS, max_clock_skew_ns=MAX_CLOCK_SKEW_NS
        )
        rows = [readable(row) for row in verdict.rows]
        capture.with_suffix("").with_suffix(".json").write_text(
            json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        )


if __name__ == "__main__":
    _write()
