"""A contract, a holdout and evaluations for the tests of evaluate, gate and report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ci.contract.model import ModelContract
from ci.contract.promotion import PromotionPolicy
from ci.evaluate.evaluate import evaluate
from ci.evaluate.outcome import Evaluation, Origin

if TYPE_CHECKING:
    from ci.evaluate.answers import Predictions

SERIES, WEEKS = 40, 8
RANDOM = np.random.default_rng(5)
ACTUAL = RANDOM.gamma(4.0, 10.0, SERIES * WEEKS)
NOISE = RANDOM.normal(0.0, 1.0, SERIES * WEEKS)

POLICY: dict[str, Any] = {
    "defaults": {
        "enough_rows": {"minimum": 100},
        "enough_units": {"minimum": 20},
        "primary_metric": {"first_version": "interval", "tolerance": 0.03},
        "slices": {"tolerance": 0.1, "minimum_rows": 30, "minimum_units": 5},
    }
}
# How a version did, as its record keeps it.
EVALUATED: dict[str, Any] = {
    "metric": "mae",
    "value": 1.5,
    "against": "mean",
    "rival": 2.0,
    "difference": 0.5,
    "interval": [0.25, 0.75],
    "verdict": "better",
    "rows": 600,
    "at": "2026-11-21T10:00:00+00:00",
    "said": "Its error was 1.5 units.",
    "rows_digest": "d" * 64,
    "slices_digest": "e" * 64,
}
CONTRACT: dict[str, Any] = {
    "name": "demand",
    "owner": "procurement",
    "language": "r",
    "task": "regression",
    "description": "Units that a shop group sells next week.",
    "datasets": ["sales"],
    "input": {
        "units_last_week": {"type": "number", "minimum": 0, "maximum": 1000, "unit": "units"},
        "department": {"type": "string", "categories": ["A", "B"]},
        "promoted": {"type": "boolean", "nullable": True},
    },
    "output": {"units": {"type": "number", "unit": "units", "minimum": 0}},
    "evaluation": {
        "holdout": "evaluation/holdout.csv",
        "target": "actual",
        "metric": "mae",
        "also": ["wape", "bias"],
        "unit": "series",
        "check_units": ["week"],
        "slices": ["department"],
        "baselines": {"last_week": "baseline_last_week", "mean": "baseline_mean"},
        "floors": {"r2": 0.2},
    },
    "parameters": {
        "train.trees": {
            "type": "integer",
            "minimum": 10,
            "maximum": 500,
            "owner": "procurement",
            "description": "How many trees.",
        }
    },
}


def contract(**changes: object) -> ModelContract:
    return ModelContract.model_validate({**CONTRACT, **changes})


def policy(**changes: object) -> PromotionPolicy:
    return PromotionPolicy.model_validate({**POLICY, **changes})


def holdout() -> pd.DataFrame:
    row = np.arange(SERIES * WEEKS)
    return pd.DataFrame(
        {
            "units_last_week": np.round(ACTUAL + 12 * NOISE).clip(0),
            "department": np.where(row % SERIES < 20, "A", "B"),
            "promoted": row % 3 == 0,
            "actual": ACTUAL,
            "series": [f"s{each % SERIES}" for each in row],
            "week": row // SERIES,
            "baseline_last_week": ACTUAL + 12 * NOISE[::-1],
            "baseline_mean": ACTUAL + 9 * NOISE[::-1],
        }
    )


def predictions(error: float = 5.0, shift: float = 0.0) -> Predictions:
    return {"units": list(ACTUAL + error * NOISE + shift)}


def evaluation(
    candidate: Predictions | None = None,
    champion: Predictions | None = None,
    table: pd.DataFrame | None = None,
    rules: ModelContract | None = None,
    **origin: object,
) -> Evaluation:
    facts: dict[str, Any] = {
        "fingerprint": "f" * 40,
        "outputs": {},
        "holdout_digest": "d" * 64,
    } | origin
    if champion is not None:
        facts = {"champion_version": 3, "champion_fingerprint": "e" * 40} | facts
    return evaluate(
        rules or contract(),
        holdout() if table is None else table,
        candidate or predictions(),
        champion,
        {"r2": 0.5},
        Origin.model_validate(facts),
    )
