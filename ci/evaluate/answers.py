"""Truth and predictions of a task in the form that its metrics take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ci.evaluate.metrics import Ranking
from ci.evaluate.table import bad_table, numbers, rows_in_words, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from ci.contract.model import ModelContract

    Predictions = Mapping[str, Sequence[Any]]

NUMERIC_TASKS = ("regression", "binary_classification")


def truth_of(contract: ModelContract, holdout: pd.DataFrame, shown: str) -> Any:
    """The target: numbers, labels, or for a ranking the set of wanted items of each row.

    Raises:
        MlopsError: ``bad_table``.
    """
    column = holdout[contract.evaluation.target]
    if contract.task == "ranking":
        return [text(value).split() for value in column]
    if contract.task == "multiclass_classification":
        return _labels(column)
    truth = np.array(numbers(column, shown))
    if contract.task == "binary_classification":
        wrong = np.flatnonzero((truth != 0) & (truth != 1))
        if len(wrong):
            where = rows_in_words([int(row) for row in wrong])
            raise bad_table(shown, f"the column {column.name} is not 0 or 1 in {where}")
    return truth


def guess_of(contract: ModelContract, predictions: Predictions) -> Any:
    """What a model answered; ``predictions`` has one list an output column."""
    if contract.task == "ranking":
        rows = zip(*predictions.values(), strict=True)
        items = [[text(item) for item in row if item is not None] for row in rows]
        return Ranking(items, len(contract.output))
    answers = next(iter(predictions.values()))
    return np.array(answers, dtype=float) if contract.task in NUMERIC_TASKS else _labels(answers)


def baseline_of(contract: ModelContract, column: pd.Series[Any], shown: str) -> Any:
    """What a baseline would have answered, from its column of the holdout.

    Raises:
        MlopsError: ``bad_table``.
    """
    if contract.task == "ranking":
        return Ranking([text(value).split() for value in column], len(contract.output))
    if contract.task in NUMERIC_TASKS:
        return np.array(numbers(column, shown))
    return _labels(column)


def _labels(column: Any) -> np.ndarray[Any, Any]:
    return np.array([text(value) for value in column], dtype=object)
