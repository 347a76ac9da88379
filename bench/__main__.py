"""`python -m bench`: measure, print, and fail if a budget is missed."""

import argparse
import sys
from pathlib import Path

from bench import e2e, hot, pricing, store
from bench.report import verdict


def main() -> int:
    """0 if all budgets are kept."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=["all", "hot", "pricing", "e2e", "store"], default="all")
    parser.add_argument("--rounds", type=int, help="repetitions (hot: 60, pricing: 10, e2e: 2)")
    parser.add_argument("--spans", type=int, default=400_000, help="spans sent to otel-usage end to end")
    parser.add_argument("--exporters", type=int, default=32, help="concurrent exporters end to end")
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows in the store (part store)")
    parser.add_argument("--data", type=Path, help="a folder with a store to measure, or to leave one in")
    parser.add_argument("--no-budgets", action="store_true", help="print only, never fail")
    options = parser.parse_args()
    budgets = []
    if options.part in ("all", "hot"):
        budgets += hot.run(rounds=options.rounds or 60)
    if options.part in ("all", "pricing"):
        budgets += pricing.run(rounds=options.rounds or 10)
    if options.part in ("all", "e2e"):
        budgets += e2e.run(options.spans, exporters=options.exporters, rounds=options.rounds or 2)
    if options.part == "store":
        budgets += store.run(options.rows, rounds=options.rounds or 20, data=options.data)
    kept = verdict(budgets)
    return 0 if kept or options.no_budgets else 1


if __name__ == "__main__":
    sys.exit(main())
