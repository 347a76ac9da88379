"""The statements of the store, and those that it composes, as they are sent: `sql/<name>.sql`.

SQL that stands in the source as it is sent is not written down again.

`python -m tests.golden.statements` writes them anew. Read the diff: each line of it is another question.
"""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from otel_usage.erased import Erasure
from otel_usage.store import (
    books,
    coverage,
    erasures,
    expiries,
    groups,
    history,
    queries,
    receipts,
    repricing,
    retention,
    rules,
    summary,
    sums,
    unpriced,
    unsettled,
)
from otel_usage.store.erasures import KeptDay
from otel_usage.store.expiries import Orphan
from otel_usage.store.groups import Grouping
from otel_usage.store.history import Key
from otel_usage.store.queries import Place, Statement, UsageFilter
from otel_usage.store.repricing import Cursor, Reprice
from otel_usage.store.sums import Day
from otel_usage.store.unsettled import Horizon, Unsettled

FOLDER: Final = Path(__file__).parent / "sql"
MODULES: Final = (
    *(books, coverage, erasures, expiries, groups, history, queries, receipts),
    *(repricing, retention, rules, summary, sums, unpriced, unsettled),
)

_HOUR: Final = 3_600 * 10**9
_NOON: Final = 1_790_000_000 * 10**9 // _HOUR * _HOUR
_LATER: Final = _NOON + 90 * _HOUR + 1
_CALL: Final = bytes(range(16))
_ALL: Final = UsageFilter("acme")
_MUCH: Final = UsageFilter(
    "acme", "jane", "gpt-4o", "customer", "t-1", "openai", "text", "reported", from_ns=_NOON, to_ns=_LATER
)
_SPAN: Final = UsageFilter("acme", from_ns=_NOON + 1, to_ns=_LATER)
_PAST: Final = UsageFilter("acme", "jane", from_ns=_NOON, to_ns=_LATER, as_of_ns=_LATER)
_DAY: Final = Day(20260921, is_sealed=False, is_expired=False, rows=100, block=7, blocks=1, quiet_for=60)
_KEPT: Final = KeptDay(20260921, 11)
_ERASURE: Final = Erasure("acme", "erased-0123456789abcdef", "salt", _NOON)
_REPRICE: Final = Reprice(tenant="acme", from_ns=_NOON, to_ns=_LATER)
_PART: Final = Reprice(
    tenant="acme", from_ns=_NOON, to_ns=_LATER, account_id="jane", model_id="gpt-4o", unpriced_only=True
)
_TRACE: Final = [Unsettled("trace", "acme", "00" * 16, _NOON, _LATER)]


def statements() -> Mapping[str, Statement[Any]]:
    """One or more of each kind, by module, function and what is particular."""
    return dict(_statements())


def _statements() -> Iterator[tuple[str, Statement[Any]]]:
    yield "queries.list_usage", queries.list_usage(_ALL, 50)
    yield "queries.list_usage-of-much-after-a-place", queries.list_usage(_MUCH, 50, Place(_NOON + 5, _CALL))
    yield "queries.list_usage-as-of", queries.list_usage(_PAST, 50)
    duplicates = UsageFilter("acme", account_id="jane", role=queries.DUPLICATE)
    yield "queries.list_usage-of-duplicates", queries.list_usage(duplicates, 50)
    yield "queries.find_record", queries.find_record("acme", _CALL, _NOON, _LATER)
    yield "summary.summarize", summary.summarize(_ALL)
    yield "summary.summarize-of-much", summary.summarize(_MUCH)
    yield "summary.summarize-of-days-and-their-ends", summary.summarize(_SPAN)
    yield "summary.summarize-as-of", summary.summarize(_PAST)
    yield "groups.group_usage-by-account", groups.group_usage(_ALL, Grouping(("account",)))
    daily = Grouping(("model",), "day", "Asia/Kathmandu", 10)
    yield "groups.group_usage-by-model-and-local-day", groups.group_usage(_SPAN, daily)
    yield "groups.group_usage-by-service", groups.group_usage(_SPAN, Grouping(("service",), "hour"))
    yield "coverage.cover", coverage.cover("acme", _NOON, _LATER)
    yield "receipts.find_versions", receipts.find_versions("acme", _CALL)
    yield "unpriced.unpriced_models", unpriced.unpriced_models(_SPAN)
    yield "unpriced.unpriced_groups", unpriced.unpriced_groups(_SPAN, 100)
    yield from _of_pricing()
    yield from _of_resolution()
    yield from _of_sums()
    yield from _of_erasures()


def _of_pricing() -> Iterator[tuple[str, Statement[Any]]]:
    yield "books.read_book", books.read_book("0" * 64)
    yield "books.book_in_force", books.book_in_force()
    yield "books.book_events", books.book_events(20)
    yield "books.used_models", books.used_models(_NOON)
    yield "rules.read_rules", rules.read_rules()
    yield "rules.list_rules", rules.list_rules("acme")
    yield "rules.rule_history", rules.rule_history("acme", "rule_1")
    yield "rules.rules_changed", rules.rules_changed()
    after = Cursor(_NOON // (24 * _HOUR) * 24 * _HOUR, "jane", _NOON // _HOUR, _CALL)
    yield "repricing.read_page", repricing.read_page(_REPRICE, after, _LATER, "", 1_000)
    yield "repricing.read_page-of-a-run", repricing.read_page(_PART, after, _LATER, "run_1", 1_000)
    yield "repricing.find_steps", repricing.find_steps("acme", "run_1")


def _of_resolution() -> Iterator[tuple[str, Statement[Any]]]:
    key = Key("jane", _NOON // _HOUR, _CALL)
    yield "history.read_versions", history.read_versions(history.TABLE, "acme", [key])
    yield "unsettled.find_others", unsettled.find_others("writer", 1)
    yield "unsettled.find_unsettled", unsettled.find_unsettled(Horizon(1, 2, 3, 4), "writer", 20, 1_000)
    yield "unsettled.read_observations", unsettled.read_observations("acme", _TRACE)
    yield "unsettled.read_claims", unsettled.read_claims("acme", _TRACE)


def _of_sums() -> Iterator[tuple[str, Statement[Any]]]:
    yield "sums.read_days", sums.read_days()
    yield "sums.read_tables", sums.read_tables(sums.LOCK)
    yield "sums.take_lock", sums.take_lock("sealing_202609", 7)
    yield "sums.renew_lock", sums.renew_lock("sealing_202609", 7)
    yield "sums.drop_table", sums.drop_table("sealing_202609")
    yield "sums.create_staging", sums.create_staging("sealed_next_1")
    yield "sums.seal_day", sums.seal_day("sealed_next_1", _DAY)
    yield "sums.mark_day", sums.mark_day("sealed_next_1", _DAY)
    yield "sums.sum_days", sums.sum_days("sealed_next_1")
    yield "sums.sum_accounts", sums.sum_accounts("sealed_next_1")
    yield "sums.copy_others", sums.copy_others("sealed_next_1", 202609, [_DAY])
    yield "sums.merge", sums.merge("sealed_next_1")
    yield "sums.replace_month", sums.replace_month("sealed_next_1", 202609)
    yield "retention.read_decisions", retention.read_decisions()
    yield "retention.last_expired", retention.last_expired()
    yield "expiries.keep_day", expiries.keep_day(_DAY, 11)
    yield "expiries.count_differences", expiries.count_differences(_DAY, 11)
    yield "expiries.expire_day", expiries.expire_day(_DAY, 11)
    yield "expiries.read_leaving", expiries.read_leaving()
    yield "expiries.delete_history", expiries.delete_history(_DAY.number)
    yield "expiries.drop_rows", expiries.drop_rows(_DAY.number)
    yield "expiries.drop_month", expiries.drop_month(202609)
    yield "expiries.read_orphans", expiries.read_orphans(202609)
    yield "expiries.delete_orphans", expiries.delete_orphans(202609, [Orphan(11), Orphan(12)])


def _of_erasures() -> Iterator[tuple[str, Statement[Any]]]:
    yield "erasures.find_engine", erasures.find_engine()
    yield "erasures.read_erasures", erasures.read_erasures()
    yield "erasures.record", erasures.record(_ERASURE, erasures.DONE, 5, "eva", "she asked")
    yield "erasures.erased_days", erasures.erased_days(_ERASURE, "jane")
    yield "erasures.move", erasures.move("usage_rows", _ERASURE, "jane", 20260921)
    yield "erasures.delete_rows", erasures.delete_rows(_ERASURE, [20260920, 20260921], tombstones=False)
    yield "erasures.delete_versions", erasures.delete_versions(_ERASURE, 202609, tombstones=True)
    yield "erasures.delete_sums", erasures.delete_sums(_ERASURE, 202609)
    yield "erasures.kept_days", erasures.kept_days(_ERASURE, "jane")
    yield "erasures.rename_kept", erasures.rename_kept(_ERASURE, "jane", _KEPT, 13)
    yield "erasures.replace_kept", erasures.replace_kept(_KEPT, 13)
    for each in erasures.forget(_ERASURE, "jane"):
        yield f"erasures.forget-{each.name}", each


def makers() -> Sequence[str]:
    """The public functions that make statements, as `module.function`."""
    return [f"{_short(module)}.{name}" for module in MODULES for name in _makers(module)]


def _makers(module: ModuleType) -> Iterator[str]:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and not name.startswith("_"):
            returned = str(inspect.signature(function).return_annotation)
            if "Statement[" in returned:
                yield name


def composed() -> Mapping[str, Statement[Any]]:
    """The statements whose SQL is no constant of its module."""
    constants = {value for module in MODULES for value in vars(module).values() if isinstance(value, str)}
    return {name: each for name, each in statements().items() if each.sql not in constants}


def _short(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def readable(statement: Statement[Any]) -> str:
    """A statement as it stands in its file: its parameters as comments, then its SQL."""
    lines = [
        f"-- {name} = {json.dumps(value, default=str)}"
        for name, value in sorted(statement.parameters.items())
    ]
    return "\n".join([*lines, statement.sql]) + "\n"


def _write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.sql"):
        old.unlink()
    for name, statement in composed().items():
        (FOLDER / f"{name}.sql").write_text(readable(statement))


if __name__ == "__main__":
    _write()
