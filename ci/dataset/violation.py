"""A promise of `dataset.yaml` that the data breaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

EXAMPLES = 3
SHOWN_COLUMNS = 8
HIDDEN = "(personal data)"


@dataclass(frozen=True)
class Violation:
    """One broken rule of one table.

    ``rows`` is how many rows break it (0 where the rule is about the table as a whole);
    ``expected`` is the rule in words; ``examples`` are at most three rows as
    ``{"row": number from 1, column: value}``, personal data hidden.
    """

    dataset: str
    table: str
    column: str | None
    rule: str
    rows: int
    expected: str
    examples: list[dict[str, Any]] = field(default_factory=list)

    def sentence(self) -> str:
        """The violation as a person reads it."""
        place = f"{self.dataset}/{self.table}" + (f", column {self.column}" if self.column else "")
        count = f"{self.rows:,} row{'' if self.rows == 1 else 's'}: " if self.rows else ""
        such = "; ".join(_row(example, self.column) for example in self.examples)
        return f"Bad data in {place}: {count}{self.expected} (rule {self.rule}" + (
            f"; such as {such})." if such else ")."
        )


def _row(example: dict[str, Any], column: str | None) -> str:
    """The row with the column in question first, shortened where it is wide."""
    names = sorted((name for name in example if name != "row"), key=lambda name: name != column)
    shown = [f"{name}={_short(example[name])}" for name in names[:SHOWN_COLUMNS]]
    more = [f"{len(names) - SHOWN_COLUMNS} more columns"] if names[SHOWN_COLUMNS:] else []
    return f"row {example['row']}: {', '.join(shown + more)}"


def _short(value: Any) -> str:
    text = "missing" if value is None else " ".join(str(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."
