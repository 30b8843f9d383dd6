"""How good the predictions are: estimated before targets arrive, realised once they are in."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.monitor.measures import TARGET, Measure, chunk_of, chunking, measures_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.monitor.periods import Periods

METRICS = {"regression": "mae", "binary_classification": "roc_auc"}
CLASS = "predicted_class"
LEAST_CHUNKS = 3
TRUE_WORDS = {"true": 1, "false": 0}


def performance(
    contract: ModelContract, rules: Monitoring, periods: Periods
) -> dict[str, list[Measure]]:
    """The metric of each analysis chunk by kind; empty where it can't be had (see ``note``)."""
    if rules.target is None:
        return {"estimated": [], "realised": []}
    if contract.task not in METRICS:
        return {"estimated": [], "realised": realised_by_chunk(contract, rules, periods)}
    reference = _labelled(contract, rules, periods.reference)
    if contract.task == "binary_classification" and reference[TARGET].nunique() < 2:
        raise _bad_target(contract, rules, "is always the same in the reference")
    analysis = _with_class(contract, periods.analysis)
    realised = []
    if TARGET in analysis.columns and analysis[TARGET].notna().any():
        realised = _realised(contract, rules, reference, _labelled(contract, rules, analysis))
    return {"estimated": _estimated(contract, rules, reference, analysis), "realised": realised}


def note(contract: ModelContract, rules: Monitoring) -> str | None:
    """Why there is no performance to show, or None where there is."""
    if rules.target is None:
        return "model.yaml names no monitoring.target: only the columns were checked."
    if contract.task not in METRICS:
        return (
            f"NannyML has no estimator for {contract.task}: nothing says how good a chunk is "
            "before its targets are in."
        )
    return None


def realised_by_chunk(
    contract: ModelContract, rules: Monitoring, periods: Periods
) -> list[Measure]:
    """The contract's primary metric of each chunk with targets, for tasks that NannyML lacks.

    The limits are NannyML's: three standard deviations around the reference's chunks.
    """
    usual = [value for _, value in _values(contract, rules, periods.reference)]
    if len(usual) < LEAST_CHUNKS:
        return []
    middle, width = statistics.fmean(usual), 3 * statistics.pstdev(usual)
    return [
        Measure(
            name=contract.evaluation.metric,
            method="realised",
            chunk=chunk,
            value=value,
            lower=middle - width,
            upper=middle + width,
            usual=middle,
            alert=abs(value - middle) > width,
        )
        for chunk, value in _values(contract, rules, periods.analysis)
    ]


def _values(
    contract: ModelContract, rules: Monitoring, table: pd.DataFrame
) -> Iterator[tuple[str, float]]:
    """Each chunk that has targets, and the metric in it."""
    from ci.evaluate.answers import guess_of, truth_of
    from ci.evaluate.metrics import METRICS as OURS
    from ci.evaluate.metrics import value_of

    if TARGET not in table.columns:
        return
    known = table[table[TARGET].notna()]
    for chunk, rows in known.groupby(chunk_of(rules, known), sort=False):
        truth = truth_of(
            contract,
            rows[[TARGET]].set_axis([contract.evaluation.target], axis=1),
            f"models/{contract.name}: monitoring period",
        )
        guess = guess_of(contract, {name: rows[name].tolist() for name in contract.output})
        value = value_of(OURS[contract.evaluation.metric].measure(truth, guess), len(rows))
        if math.isfinite(value):
            yield str(chunk), value


def _labelled(contract: ModelContract, rules: Monitoring, table: pd.DataFrame) -> pd.DataFrame:
    """Rows whose target is known, as a number (true 1, false 0)."""
    import pandas as pd

    known = table[table[TARGET].notna()]
    texts = known[TARGET].astype(str).str.lower()
    try:
        numbers = pd.to_numeric(texts.map(lambda text: TRUE_WORDS.get(text, text)))
    except ValueError:
        raise _bad_target(contract, rules, "has a value that is no number") from None
    if contract.task == "binary_classification" and not numbers.isin((0, 1)).all():
        raise _bad_target(contract, rules, "has a value that is not 0 or 1")
    return _with_class(contract, known.assign(**{TARGET: numbers}))


def _bad_target(contract: ModelContract, rules: Monitoring, problem: str) -> MlopsError:
    return MlopsError(
        "bad_period",
        f"models/{contract.name}: the monitoring target {rules.target} {problem}; mend the script "
        "that writes the periods.",
    )


def _with_class(contract: ModelContract, table: pd.DataFrame) -> pd.DataFrame:
    if contract.task == "regression":
        return table
    output = next(iter(contract.output))
    return table.assign(**{CLASS: (table[output] >= 0.5).astype(int)})


def _estimated(
    contract: ModelContract, rules: Monitoring, reference: pd.DataFrame, analysis: pd.DataFrame
) -> list[Measure]:
    import nannyml

    output, metric = next(iter(contract.output)), METRICS[contract.task]
    estimator: Any
    if contract.task == "regression":
        estimator = nannyml.DLE(
            # The prediction log leaves out personal data.
            feature_column_names=[name for name in contract.input if name in analysis.columns],
            y_pred=output,
            y_true=TARGET,
            metrics=[metric],
            hyperparameters={"verbosity": -1},  # LightGBM writes to stdout below Python
            **chunking(rules),
        )
    else:
        estimator = nannyml.CBPE(
            problem_type="classification_binary",
            y_pred_proba=output,
            y_pred=CLASS,
            y_true=TARGET,
            metrics=[metric],
            **chunking(rules),
        )
    table = estimator.fit(reference).estimate(analysis).to_df()
    return list(measures_in(table, (metric,), metric, "estimated"))


def _realised(
    contract: ModelContract, rules: Monitoring, reference: pd.DataFrame, analysis: pd.DataFrame
) -> list[Measure]:
    import nannyml

    output, metric = next(iter(contract.output)), METRICS[contract.task]
    regression = contract.task == "regression"
    calculator = nannyml.PerformanceCalculator(
        problem_type="regression" if regression else "classification_binary",
        y_pred=output if regression else CLASS,
        y_pred_proba=None if regression else output,
        y_true=TARGET,
        metrics=[metric],
        **chunking(rules),
    )
    table = calculator.fit(reference).calculate(analysis).to_df()
    return list(measures_in(table, (metric,), metric, "realised"))
