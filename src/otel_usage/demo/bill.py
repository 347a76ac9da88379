"""The bill as the REST API tells it, and how it looks on a terminal."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from shutil import which
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from otel_usage.attributes import SYSTEM

NOBODY: Final = "(system)"
"""Shown as the account of what no account pays for."""
UNKNOWN: Final = "unknown"
NOT_REPORTED: Final = "-"
LIMIT: Final = 1000
"""Records asked for: far more than the demo has."""
TIMEOUT: Final = 10.0
"""Seconds the API may take to answer."""

RECORD: Final = {
    "accountId": "acme",
    "transactionId": "ticket-3",
    "modelId": "gpt-4o",
    "usageType": "text",
    "inputTokens": 1500,
    "outputTokens": 500,
    "cachedTokens": 200,
}
"""A record to post: it costs $0.0085."""

Cost = Decimal | None
"""US dollars; None is unknown."""


@dataclass(frozen=True, slots=True)
class Record:
    """A usage record of `GET /v1/usage`."""

    payer: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cost: Cost


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the bill: of one payer or one model."""

    name: str
    calls: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class Bill:
    """The records, oldest first, and the shares and the total of `GET /v1/usage?summary=true`."""

    records: Sequence[Record]
    by_payer: Sequence[Share]
    by_model: Sequence[Share]
    total: Cost


def read(api: str) -> Bill:
    """Ask the API on `host:port`. Raises OSError if it does not answer."""
    records = [_record(found) for found in reversed(_usage(api, limit=LIMIT)["usageRecords"])]
    summary = _usage(api, summary="true")["summary"]
    return Bill(
        records=records,
        by_payer=[
            _of_payer(api, payer, records) for payer in dict.fromkeys(record.payer for record in records)
        ],
        by_model=[
            Share(model, found["count"], _known(found["costUsd"], [r for r in records if r.model == model]))
            for model, found in summary["byModel"].items()
        ],
        total=_known(summary["totalCostUsd"], records),
    )


def get(api: str, path: str) -> Any:  # noqa: ANN401 - JSON
    """The JSON at `path`; numbers with a fraction are Decimal, digit by digit."""
    # No proxy: the API is on this machine, whatever the environment says.
    with build_opener(ProxyHandler({})).open(f"http://{api}{path}", timeout=TIMEOUT) as answer:
        return json.load(answer, parse_float=Decimal)


def tables(bill: Bill) -> str:
    """The records, and whom and which models they are charged to."""
    calls = [
        (r.payer, r.model, _count(r.input_tokens), _count(r.output_tokens), r.cost) for r in bill.records
    ]
    lines = [
        "The calls, as GET /v1/usage tells them:",
        *_table(("account", "model", "input", "output", "cost in USD"), calls, names=2),
        "",
        "Who pays, and for which model, as GET /v1/usage?summary=true tells it:",
        *_table(("account", "calls", "cost in USD"), _shares(bill.by_payer, bill.total)),
        "",
        *_table(("model", "calls", "cost in USD"), _shares(bill.by_model, bill.total)),
    ]
    unpriced = [record.model for record in bill.records if record.cost is None]
    if unpriced:
        lines += [
            "",
            f"  {UNKNOWN}: no price book knows {', '.join(dict.fromkeys(unpriced))}. No total contains it.",
        ]
    return "\n".join(lines)


def try_it(api: str, *, keep: bool) -> str:
    """Requests to copy, and, unless the server is kept, how to keep it."""
    record = json.dumps(RECORD).replace(', "inputTokens"', ',\n    "inputTokens"')
    return "\n".join(
        [
            "Try it:" if keep else f"To try it yourself, keep the server with `{_command()} --keep`. Then:",
            "",
            f"  curl -s 'http://{api}/v1/usage?accountId=acme'",
            f"  curl -s 'http://{api}/v1/usage?summary=true'",
            f"  curl -s http://{api}/v1/usage/record -H 'Content-Type: application/json' -d '",
            f"    {record}'",
        ]
    )


def _usage(api: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
    return get(api, f"/v1/usage?{urlencode(parameters)}")


def _record(found: dict[str, Any]) -> Record:
    return Record(
        payer=NOBODY if found["context"] == SYSTEM else found["accountId"],
        model=found["modelId"],
        input_tokens=found["inputTokens"],
        output_tokens=found["outputTokens"],
        cost=_money(found["estimatedCostUsd"]),
    )


def _of_payer(api: str, payer: str, records: Sequence[Record]) -> Share:
    whose = {"context": SYSTEM} if payer == NOBODY else {"accountId": payer}
    summary = _usage(api, summary="true", **whose)["summary"]
    calls = sum(model["count"] for model in summary["byModel"].values())
    return Share(payer, calls, _known(summary["totalCostUsd"], [r for r in records if r.payer == payer]))


def _known(sum_of_known: object, records: Sequence[Record]) -> Cost:
    """A sum of costs; unknown if it sums up nothing but unknowns."""
    return None if all(record.cost is None for record in records) else _money(sum_of_known)


def _money(number: object) -> Cost:
    return None if number is None else Decimal(str(number))


def _shares(shares: Sequence[Share], total: Cost) -> list[tuple[str, str, Cost]]:
    calls = sum(share.calls for share in shares)
    return [*((share.name, f"{share.calls}", share.cost) for share in shares), ("total", f"{calls}", total)]


def _count(tokens: int | None) -> str:
    return NOT_REPORTED if tokens is None else f"{tokens:,}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str | Cost]], *, names: int = 1) -> list[str]:
    """Lines of columns: `names` to the left, then numbers to the right, money with its points in line."""
    money = [cell for row in rows for cell in row if isinstance(cell, Decimal)]
    digits = max((-int(amount.as_tuple().exponent) for amount in money), default=0)
    lines = [[_cell(cell, digits) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return ["  " + "  ".join(_aligned(line, widths, names)) for line in lines]


def _aligned(line: Sequence[str], widths: Sequence[int], names: int) -> list[str]:
    left = [cell.ljust(width) for cell, width in zip(line[:names], widths[:names], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(line[names:], widths[names:], strict=True)]
    return left + right


def _cell(value: str | Cost, digits: int) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:.{digits}f}" if isinstance(value, Decimal) else value


def _command() -> str:
    """How the demo was started, to be typed again."""
    name = Path(sys.argv[0]).name
    if name == "__main__.py":
        return "python -m otel_usage demo"
    return f"{name if which(name) == sys.argv[0] else sys.argv[0]} demo"
