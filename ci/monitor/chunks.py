"""Chunks of a period: their names, as NannyML names them, their order, and which are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ci.contract.model import Monitoring

# Columns of the periods beside inputs and outputs; no column of a contract can have these names,
# while a target is often named as the output that predicts it.
TIME, TARGET, UNIT = "_time", "_target", "_unit"
PERIODS = {"day": "D", "week": "W", "month": "M", "quarter": "Q"}


def chunk_of(rules: Monitoring, table: pd.DataFrame) -> Any:
    """The chunk of each row, named as NannyML names it."""
    if isinstance(rules.chunk, int):
        size, rows = rules.chunk, len(table)
        starts = [row // size * size for row in range(rows)]
        return [f"[{start}:{min(start + size, rows) - 1}]" for start in starts]
    return table[TIME].dt.to_period(PERIODS[rules.chunk]).astype(str)


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


def whole_chunks(rules: Monitoring, reference: pd.DataFrame) -> set[str]:
    """Chunks of the reference that are not far smaller than the others.

    A week of which two days were recorded differs by chance alone: it says nothing of the usual.
    """
    sizes = reference.groupby(chunk_of(rules, reference)).size()
    return {str(name) for name in sizes.index[sizes >= sizes.median() / 2]}
