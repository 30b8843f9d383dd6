"""One trial, judged by the platform's own metric on rows that are the same in every trial."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ci.contract.model import ARTIFACT
from ci.errors import MlopsError
from ci.evaluate.answers import guess_of, truth_of
from ci.evaluate.candidate import Servable
from ci.evaluate.evaluate import evaluate
from ci.evaluate.metrics import METRICS, value_of
from ci.evaluate.outcome import Evaluation, Origin
from ci.evaluate.predict import predict
from ci.evaluate.table import bad_table, read_table, require_columns, values

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.evaluate.answers import Predictions

# More of its rows in the holdout than this, and a validation would be none.
SHARED_ROWS = 0.01
# With fewer of its rows left, a validation would be of something else.
LEAST_ALLOWED = 0.9


@dataclass(frozen=True)
class Judged:
    """What a trained trial answered: ``value`` is the primary metric, ``quality`` its rank.

    ``left_out`` rows of the validation are none that the contract allows today.
    """

    value: float
    quality: float
    table: pd.DataFrame
    answers: Predictions
    reported: dict[str, float]
    left_out: int


def judge(
    contract: ModelContract,
    folder: Path,
    table: str,
    reported: dict[str, float],
    log: Path,
    *,
    validation: bool,
) -> Judged:
    """Let what lies in the model's ``folder`` answer the rows of ``table`` in it.

    Raises:
        MlopsError: ``bad_table``, ``bad_predictions``, ``no_value``, or what the runner says.
    """
    shown = f"models/{contract.name}/{table}"
    rows = read_table(folder / table, shown)
    require_columns(rows, contract, shown)
    asked = len(rows)
    if validation:  # an older period may have what the contract of today no longer lists
        rows = _allowed(contract, rows, shown)
    servable = Servable(folder / contract.predict_file, folder / ARTIFACT, contract, None, "")
    answers = predict(servable, rows, shown, log)
    metric = METRICS[contract.evaluation.metric]
    measure = metric.measure(truth_of(contract, rows, shown), guess_of(contract, answers))
    value = value_of(measure, len(rows))
    if not math.isfinite(value):
        raise MlopsError("no_value", f"{metric.name} is not defined for what it predicts.")
    quality = float(metric.quality(np.array([value]))[0])
    return Judged(value, quality, rows, answers, reported, asked - len(rows))


def _allowed(contract: ModelContract, rows: pd.DataFrame, shown: str) -> pd.DataFrame:
    """The rows whose inputs the contract allows.

    Raises:
        MlopsError: ``bad_table`` where that are too few to stand for all.
    """
    keep = np.ones(len(rows), dtype=bool)
    for name, column in contract.input.items():
        found = values(rows[name], column.type)
        keep &= np.array([column.problem_of(value) is None for value in found])
    if keep.sum() < LEAST_ALLOWED * len(rows):
        few = f"the contract allows only {keep.sum():,} of its {len(rows):,} rows"
        raise bad_table(shown, f"{few}, too few for a validation")
    return rows[keep].reset_index(drop=True)


def same_rows(contract: ModelContract, one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two tables ask the same question: the same targets of the same units, in order."""
    rules = contract.evaluation
    columns = list(dict.fromkeys([rules.target, rules.unit, *rules.check_units]))
    return len(one) == len(other) and all(
        one[column].astype(str).tolist() == other[column].astype(str).tolist() for column in columns
    )


def shared_rows(contract: ModelContract, table: pd.DataFrame, holdout: pd.DataFrame) -> int:
    """How many rows of ``table`` are in ``holdout`` as well, with all that describes them."""
    rules = contract.evaluation
    wanted = [*contract.input, rules.target, rules.unit, *rules.check_units]
    columns = [name for name in dict.fromkeys(wanted) if name in holdout and name in table]
    there = {tuple(row) for row in holdout[columns].astype(str).itertuples(index=False)}
    return sum(tuple(row) in there for row in table[columns].astype(str).itertuples(index=False))


def broken_floor(contract: ModelContract, reported: dict[str, float]) -> str | None:
    """The first floor of the contract that a trial is below, in words."""
    for metric, least in contract.evaluation.floors.items():
        if metric not in reported or reported[metric] < least:
            return f"{metric} is {reported.get(metric, math.nan):.4g}, and its floor is {least:g}"
    return None


def compare(contract: ModelContract, best: Judged, as_is: Judged) -> Evaluation:
    """The best trial against the parameters of today, on the same rows."""
    origin = Origin(fingerprint="", outputs={}, holdout_digest="")
    return evaluate(contract, best.table, best.answers, as_is.answers, best.reported, origin)
