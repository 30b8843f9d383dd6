"""Chunks of a period: their names, as NannyML names them, their order, and which are whole."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ci.contract.model import Monitoring
    from ci.monitor.periods import Periods

# Columns of the periods beside inputs and outputs; no column of a contract can have these names,
# while a target is often named as the output that predicts it.
TIME, TARGET, UNIT = "_time", "_target", "_unit"
PERIODS = {"day": "D", "week": "W", "month": "M", "quarter": "Q"}


class Layout:
    """The chunks of both periods, looked for once: naming a million rows takes its time."""

    def __init__(self, rules: Monitoring, periods: Periods) -> None:
        self.rules = rules
        self._periods = periods

    @cached_property
    def reference(self) -> pd.Series[Any]:
        """The chunk of each row of the reference."""
        return chunk_of(self.rules, self._periods.reference)

    @cached_property
    def analysis(self) -> pd.Series[Any]:
        """The chunk of each row of the analysis."""
        return chunk_of(self.rules, self._periods.analysis)

    @cached_property
    def rows(self) -> dict[str, int]:
        """How many rows each chunk of the analysis has."""
        return {str(chunk): int(rows) for chunk, rows in self.analysis.value_counts().items()}

    @cached_property
    def ends(self) -> dict[str, str]:
        """The time (ISO) at which each chunk of the analysis ends."""
        last = self._periods.analysis[TIME].groupby(self.analysis).max()
        return {str(chunk): end_of(self.rules, time) for chunk, time in last.items()}

    @cached_property
    def whole(self) -> set[str]:
        """Chunks of the reference that are not far smaller than the others.

        A week of which two days were recorded differs by chance alone: it says nothing of the
        usual.
        """
        sizes = self.reference.value_counts()
        return {str(name) for name in sizes.index[sizes >= sizes.median() / 2]}


def chunk_of(rules: Monitoring, table: pd.DataFrame) -> pd.Series[Any]:
    """The chunk of each row (a category), named as NannyML names it."""
    import numpy as np
    import pandas as pd

    if isinstance(rules.chunk, int):
        size, rows = rules.chunk, len(table)
        codes = np.arange(rows) // size
        names = [f"[{at}:{min(at + size, rows) - 1}]" for at in range(0, rows, size)]
    else:
        periods = table[TIME].dt.to_period(PERIODS[rules.chunk])
        codes, found = pd.factorize(periods, sort=True)
        names = [str(period) for period in found]
    chunks = pd.Categorical.from_codes(codes.astype(np.int64), pd.Index(names))
    return pd.Series(chunks, index=table.index)


def end_of(rules: Monitoring, last: pd.Timestamp) -> str:
    """When a chunk ends whose last row is of the time ``last``; as NannyML has it."""
    if isinstance(rules.chunk, int):
        return last.isoformat()
    return last.to_period(PERIODS[rules.chunk]).end_time.isoformat()


def chunk_ends(chunk: str) -> tuple[str, str]:
    """The first and the last day of a chunk, or its first and last row below the header."""
    if chunk.startswith("["):
        first, last = (int(row) + 1 for row in chunk.strip("[]").split(":"))
        return f"row {first}", f"row {last}"
    begin, _, end = chunk.partition("/")
    return begin, end or begin


def chunk_order(chunk: str) -> tuple[int, str]:
    """What sorts chunks in time."""
    return (int(chunk[1:].partition(":")[0]), "") if chunk.startswith("[") else (0, chunk)


def chunking(rules: Monitoring) -> dict[str, Any]:
    """How NannyML is told about timestamps and chunks."""
    if isinstance(rules.chunk, int):
        return {"timestamp_column_name": TIME, "chunk_size": rules.chunk}
    return {"timestamp_column_name": TIME, "chunk_period": PERIODS[rules.chunk]}
