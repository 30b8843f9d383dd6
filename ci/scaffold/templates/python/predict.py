"""The model: a table of terms, each with a weight."""

from pathlib import Path

import numpy as np
import pandas as pd

TEXT = {"column": str, "kind": str, "category": str}


def load_model(directory: str) -> dict[str, pd.DataFrame]:
    """The tables that train.py wrote."""
    folder = Path(directory)
    return {
        # {{#regression}}
        "range": pd.read_csv(folder / "range.csv"),
        # {{/regression}}
        "terms": pd.read_csv(folder / "coefficients.csv", dtype=TEXT, keep_default_na=False),
    }


def predict(model: dict[str, pd.DataFrame], rows: pd.DataFrame) -> np.ndarray:
    """{{answer}} of each row."""
    terms = model["terms"]
    score = design(terms, rows) @ terms["weight"].to_numpy()
    # {{#regression}}
    return np.clip(score, model["range"]["lowest"][0], model["range"]["highest"][0])
    # {{/regression}}
    # {{#classification}}
    return 1 / (1 + np.exp(-score))
    # {{/classification}}


def design(terms: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """One row a row, one standardised column a term."""
    columns = [(values(term, rows) - term.centre) / term.scale for term in terms.itertuples()]
    return np.column_stack(columns)


def values(term, rows: pd.DataFrame) -> np.ndarray:
    """A term before it is standardised; a missing number counts as the training mean."""
    if term.kind == "intercept":
        return np.ones(len(rows))
    column = rows[term.column]
    if term.kind == "number":
        return column.astype("float64").fillna(term.centre).to_numpy()
    if term.kind == "missing":
        return column.isna().to_numpy(dtype="float64")
    return (column.astype(object) == term.category).to_numpy(dtype="float64")
