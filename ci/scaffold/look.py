"""A look at a dataset's table, where it is there: how many units, how dense in time, an example."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ci.contract.dataset import Table

Chunk = Literal["day", "week", "month", "quarter"] | int
ANALYSIS_SHARE = 0.2
# The 100 of policies/promotion.yaml, and what dates that are not divided may cost.
ENOUGH_ROWS = 120
MOST_HELD = 0.4
LEAST_CHUNKS = 6
ROWS_A_CHUNK = 30
ROW_CHUNKS = 10
UNKNOWN_CHUNK = 500
DAYS: dict[Literal["day", "week", "month", "quarter"], int] = {
    "quarter": 91,
    "month": 30,
    "week": 7,
    "day": 1,
}


@dataclass(frozen=True)
class Look:
    """``distinct`` counts each column's values, ``chunks`` has a length for each date.

    All is empty where there is no data.
    """

    rows: int = 0
    distinct: dict[str, int] = field(default_factory=dict)
    example: dict[str, str] = field(default_factory=dict)
    chunks: dict[str, Chunk] = field(default_factory=dict)


def look(path: Path, table: Table) -> Look:
    """What the file ``path`` shows, or nothing where it has not been made or fetched yet."""
    import pandas as pd

    if not path.is_file():
        return Look()
    if path.suffix == ".parquet":
        rows = pd.read_parquet(path)
    else:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    distinct = {header: int(rows[header].nunique()) for header in table.columns if header in rows}
    chunks = {h: chunk_of(rows[h]) for h in distinct if table.columns[h].type == "timestamp"}
    return Look(len(rows), distinct, _example(rows), chunks)


def _example(rows: pd.DataFrame) -> dict[str, str]:
    """The first row with the fewest gaps."""
    if rows.empty:
        return {}
    row = rows.iloc[int(rows.isna().sum(axis=1).to_numpy().argmin())].dropna()
    return {str(header): str(value) for header, value in row.items()}


def holdout_share(rows: int, *, dated: bool) -> float:
    """The part of the rows that a model is judged on; more of a small table, to have enough.

    ``rows`` is 0 where they are not known.
    """
    usual = 0.2 if dated else 0.25
    wanted = math.ceil(100 * ENOUGH_ROWS / rows) / 100 if rows else usual
    return min(max(usual, wanted), MOST_HELD)


def chunk_of(times: pd.Series[Any]) -> Chunk:
    """The longest period of which the newest fifth of the rows has enough, else rows a chunk.

    Where the rows come in bursts, such as once a month, a period is no shorter than the pause.
    Thresholds from two or three periods would call every change drift: then rows are counted.
    """
    import pandas as pd

    days = pd.to_datetime(times.dropna(), format="ISO8601", errors="coerce").dropna().dt.normalize()
    if days.empty:
        return UNKNOWN_CHUNK
    newest = days.sort_values().iloc[int(len(days) * (1 - ANALYSIS_SHARE)) :]
    span = (newest.iloc[-1] - newest.iloc[0]).days + 1
    pause = days.drop_duplicates().sort_values().diff().dt.days.median()
    for chunk, length in DAYS.items():
        long_enough = length >= (1 if pd.isna(pause) else pause)
        filled = len(newest) * length / span >= ROWS_A_CHUNK
        if long_enough and filled and span / length >= LEAST_CHUNKS:
            return chunk
    return max(ROWS_A_CHUNK, _rounded(len(newest) / ROW_CHUNKS))


def _rounded(rows: float) -> int:
    """To one digit: 521 rows are 500."""
    power = 10 ** (len(str(int(rows))) - 1)
    return int(rows // power * power)
