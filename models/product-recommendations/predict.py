"""Ten products for each row: the household's candidates, scored and ranked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

TEN = 10
LONG_AGO_DAYS = 365.0
Arrays = dict[str, npt.NDArray[Any]]


def load_model(directory: str) -> Arrays:
    """The arrays that training saved, by name; nothing in the files is executed."""
    files = sorted(Path(directory).glob("*.npy"))
    return {file.stem: np.load(file, allow_pickle=False) for file in files}


def predict(model: Arrays, rows: pd.DataFrame) -> pd.DataFrame:
    """Columns product_1 (best) to product_10, integer product ids, one row for each input row.

    A household without history in the artifact gets the most popular products.
    """
    position = np.searchsorted(model["households"], rows["household_id"].to_numpy(np.int64))
    position = np.minimum(position, len(model["households"]) - 1)
    known = model["households"][position] == rows["household_id"].to_numpy(np.int64)
    products = np.tile(model["popular"], (len(rows), 1))
    if known.any():
        products[known] = best_candidates(model, position[known], row_features(rows[known]))
    return pd.DataFrame(products, columns=[f"product_{rank + 1}" for rank in range(TEN)])


def row_features(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """What a row says of the household today, as the network reads it: array (rows, 3)."""
    days = rows["days_since_last_visit"].astype("float64").fillna(LONG_AGO_DAYS)
    columns = [days, rows["visits_last_4_weeks"], rows["spend_last_4_weeks"]]
    state = np.column_stack([column.to_numpy(np.float64) for column in columns])
    return np.asarray(np.log1p(state))


def best_candidates(
    model: Arrays, position: npt.NDArray[np.int64], state: npt.NDArray[np.float64]
) -> npt.NDArray[np.int32]:
    """The ten best of each household's candidates, by score: array (rows, 10)."""
    starts, counts = model["starts"][position], model["counts"][position]
    row = np.repeat(np.arange(len(position)), counts)
    first = np.cumsum(counts) - counts
    candidate = np.arange(len(row)) - first[row] + starts[row]
    scores = score(model, np.column_stack([model["features"][candidate], state[row]]))
    # Stable: equal scores stay in order of popularity, whatever other rows are in the batch.
    order = np.lexsort((-scores, row))
    best = candidate[order[first[:, None] + np.arange(TEN)]]
    return np.asarray(model["products"][best], np.int32)


def score(model: Arrays, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log-odds that a candidate is bought: array (candidates,)."""
    scaled = (features - model["mean"]) / model["scale"]
    hidden = np.maximum(scaled @ model["hidden"] + model["hidden_bias"], 0.0)
    # Matrix products differ in the last bits with the number of rows; a rank must not.
    return np.round(hidden @ model["out"] + model["out_bias"], 9)
