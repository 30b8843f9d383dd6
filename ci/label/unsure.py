"""How sure a model is of each of its predictions, where its task lets that be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.errors import MlopsError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from ci.contract.model import ModelContract

LABELLED_TASKS = ("binary_classification", "multiclass_classification", "regression")


def sureness(
    contract: ModelContract, table: pd.DataFrame, threshold: float, column: str | None
) -> np.ndarray:
    """A number a row of ``table``: the smaller, the less sure; not a number where it is unknown.

    ``column`` holds the model's own uncertainty, larger where it is less sure. Without it the
    probability of a binary classification counts, by its distance from ``threshold``; of more
    classes, how far the most likely one is ahead of the next.

    Raises:
        MlopsError: ``no_label`` for a task that has none; ``no_uncertainty``.
    """
    import numpy as np
    import pandas as pd

    require_labels(contract)
    if column is not None:
        if column not in table:
            raise MlopsError(
                "no_uncertainty",
                f"The table has no column {column!r}; let --uncertainty name the one in which "
                f"{contract.name} says how unsure it is.",
            )
        return -pd.to_numeric(table[column], errors="coerce").to_numpy(float)
    classes = list(contract.probabilities.values())
    if classes and set(classes) <= set(table):
        chances = table[classes].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        second, first = np.sort(chances, axis=1)[:, -2:].T
        return np.asarray(first - second)
    if contract.task != "binary_classification":
        raise MlopsError(
            "no_uncertainty",
            f"A {contract.task} model such as {contract.name} answers without saying how sure it "
            "is; write a table that has that in a column beside inputs and prediction, and type: "
            f"mlops label offer {contract.name} --scored FILE --uncertainty COLUMN",
        )
    probability = pd.to_numeric(table[contract.answer], errors="coerce")
    return np.abs(probability.to_numpy(float) - threshold)


def require_labels(contract: ModelContract) -> None:
    """Refuse a task for which nobody can write the right answer into a cell.

    Raises:
        MlopsError: ``no_label``.
    """
    if contract.task not in LABELLED_TASKS:
        raise MlopsError(
            "no_label",
            f"{contract.name} is a {contract.task} model: a row of it has no one right answer that "
            "a person could write down, so that there is nothing to label.",
        )
