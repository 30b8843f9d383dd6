"""Stage prepare: divide the table into rows to learn from and rows to judge the model on."""

import sys
from pathlib import Path

import pandas as pd
from columns import (
    ACTUAL,
    BASELINE,
    COLUMNS,
    TABLE,
    # {{#time}}
    TIME,
    # {{/time}}
    UNIT,
    # {{#classification}}
    YES,
    # {{/classification}}
)


def read_rows() -> pd.DataFrame:
    """Rows of which the outcome is known; all cells as text, as they stand in the table."""
    table = pd.read_csv(TABLE, dtype=str, keep_default_na=False, na_values=[""])
    rows = pd.DataFrame({name: table[header] for name, header in COLUMNS.items()})
    # {{#row_id}}
    rows[UNIT] = [str(row + 1) for row in range(len(rows))]
    # {{/row_id}}
    # {{#time}}
    rows = rows.dropna(subset=[ACTUAL, UNIT, TIME])
    # {{/time}}
    # {{#random}}
    rows = rows.dropna(subset=[ACTUAL, UNIT])
    # {{/random}}
    # {{#regression}}
    rows[ACTUAL] = rows[ACTUAL].astype(float)
    # {{/regression}}
    # {{#classification}}
    rows[ACTUAL] = (rows[ACTUAL].str.lower() == YES).astype(int)
    # {{/classification}}
    return rows


# {{#time}}
def split(
    rows: pd.DataFrame, train_share: float, holdout_share: float
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The oldest rows, the next, the newest; a day is never divided."""
    day = rows[TIME].str[:10]
    days = sorted(day)
    holdout_from = days[int(len(days) * train_share)]
    analysis_from = days[int(len(days) * (train_share + holdout_share))]
    train, analysis = day < holdout_from, day >= analysis_from
    return rows[train], rows[~train & ~analysis], rows[analysis]
# {{/time}}
# {{#random}}
def share_of(unit: str, seed: int) -> float:
    """A number in [0, 1) that looks random and stays a unit's own when rows are added."""
    state = seed
    for byte in [*unit.encode(), 0, 0, 0]:
        state = (state * 16807 + byte + 1) % 2147483647
    return state / 2147483647


def split(
    rows: pd.DataFrame, holdout_share: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to learn from, and the holdout; rows of one unit stay together."""
    held = rows[UNIT].map(lambda unit: share_of(unit, seed)) < holdout_share
    return rows[~held], rows[held]
# {{/random}}


# {{#time}}
def main(train_share: float, holdout_share: float) -> None:
    train, holdout, analysis = split(read_rows(), train_share, holdout_share)
    if train.empty or holdout.empty or analysis.empty:
        raise ValueError("a part of the split has no rows; change the shares in params.yaml")
# {{/time}}
# {{#random}}
def main(holdout_share: float, seed: float) -> None:
    train, holdout = split(read_rows(), holdout_share, int(seed))
    if train.empty or holdout.empty:
        raise ValueError("a part of the split has no rows; change the share in params.yaml")
# {{/random}}
    for folder in ("prepared", "evaluation"):
        Path(folder).mkdir(exist_ok=True)
    train.to_csv("prepared/train.csv", index=False, lineterminator="\n")
    holdout = holdout.assign(**{BASELINE: train[ACTUAL].mean()})
    holdout.to_csv("evaluation/holdout.csv", index=False, lineterminator="\n")
    # {{#time}}
    holdout.to_csv("evaluation/reference.csv", index=False, lineterminator="\n")
    analysis.to_csv("evaluation/analysis.csv", index=False, lineterminator="\n")
    # {{/time}}


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
