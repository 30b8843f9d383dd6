"""A table file that can be read piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa


@dataclass(frozen=True)
class TableFile:
    """A file whose way of writing is known: ``notes`` say in sentences what was decided.

    ``numbers`` are the columns of CSV whose texts all are numbers, and ``dates`` those that
    `ci.dataset.dates.as_iso` makes ISO dates, with how they are written. ``files`` are the names
    and rows of the files that it was joined from, in order; of any other table none.
    """

    path: Path
    columns: list[str]
    rows: int
    numbers: frozenset[str]
    notes: list[str]
    batches: Callable[[], Iterator[pa.RecordBatch]]
    files: tuple[tuple[str, int], ...] = ()
    dates: Mapping[str, str] = field(default_factory=dict)

    def origin(self, row: int) -> str | None:
        """Which row of which file the ``row`` (from 1) was, where several were joined."""
        for name, rows in self.files:
            if row <= rows:
                return f"row {row:,} of {name}"
            row -= rows
        return None

    def tables(self, rows_per_chunk: int) -> Iterator[pa.Table]:
        """The rows in order, ``rows_per_chunk`` at a time; the last piece may be shorter.

        Raises:
            MlopsError: ``bad_table``.
        """
        import pyarrow as pa

        waiting: list[pa.RecordBatch] = []
        held = 0
        for batch in self.batches():
            waiting.append(batch)
            held += batch.num_rows
            while held >= rows_per_chunk:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, rows_per_chunk)
                waiting = table.slice(rows_per_chunk).to_batches()
                held -= rows_per_chunk
        if held:
            yield pa.Table.from_batches(waiting)
