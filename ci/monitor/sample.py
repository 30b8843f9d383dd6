"""Tables larger than memory should be asked to hold: rows drawn at random while they are read."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.evaluate.table import read_blocks, read_table, readable

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

# More rows make a check slower and not surer: chance is far below the least change that matters.
MOST_ROWS = 1_000_000
BLOCK_ROWS = 100_000
BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class Drawn:
    """Rows of a file, in its order, and how many it has."""

    table: pd.DataFrame
    of: int

    @property
    def said(self) -> str | None:
        """What a reader has to know where these are not all."""
        if len(self.table) == self.of:
            return None
        return f"{len(self.table):,} of {self.of:,} rows, drawn at random"


def read_drawn(path: Path, shown: str) -> Drawn:
    """All rows of ``path``, or about `MOST_ROWS` of them, the same ones each time.

    Raises:
        MlopsError: ``bad_table``.
    """
    import numpy as np
    import pandas as pd

    rows = _rows_of(path, shown)
    if rows <= MOST_ROWS:
        table = read_table(path, shown)
        return Drawn(table, len(table))
    draw = np.random.default_rng(rows)
    kept, total = [], 0
    for block in read_blocks(path, shown, BLOCK_ROWS):
        total += len(block)
        kept.append(block[draw.random(len(block)) < MOST_ROWS / rows])
    return Drawn(pd.concat(kept, ignore_index=True), total)


def _rows_of(path: Path, shown: str) -> int:
    """The rows of ``path``, or a few more: line ends within quotes count as rows."""
    with readable(shown):
        if path.suffix == ".parquet":
            import pyarrow.parquet

            return int(pyarrow.parquet.ParquetFile(path).metadata.num_rows)
        opened: Any = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(BLOCK_BYTES), b""))
