"""Tables on the terminal, and budgets."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """A ratio we hold ourselves to. Ratios only: figures of a shared machine are not comparable."""

    name: str
    measured: float
    limit: float
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the measured ratio is within the limit."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a Markdown table, so that it can go into docs/benchmarks.md as it is."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    print(f"\n{title}\n")
    print(_row(header, widths))
    print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for row in rows:
        print(_row(row, widths), flush=True)


def verdict(budgets: Sequence[Budget]) -> bool:
    """Prints each budget and whether it is kept; true if all are."""
    table(
        "budgets",
        ["budget", "measured", "limit", "kept"],
        [
            [
                budget.name,
                f"{budget.measured:.2f}",
                f"{'≥' if budget.at_least else '≤'} {budget.limit:.2f}",
                "yes" if budget.kept else "NO",
            ]
            for budget in budgets
        ],
    )
    return all(budget.kept for budget in budgets)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
