"""What the predictions alone let expect of their quality, before targets arrive (NannyML)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.evaluate.table import text
from ci.monitor.chunks import TARGET, chunking
from ci.monitor.measures import Measure, measures_in

if TYPE_CHECKING:
    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.monitor.periods import Periods

METRICS = {"regression": "mae", "binary_classification": "roc_auc"}
NOT_ESTIMATED = {
    "multiclass_classification": "NannyML would need a probability for each class, and this model "
    "answers with the class alone (key probability_of of an output in model.yaml)"
}
ACCURACY = "accuracy"
CLASS = "predicted_class"


def note(contract: ModelContract, rules: Monitoring) -> str | None:
    """Why there is no performance to show, or None where there is."""
    if rules.target is None:
        return "model.yaml names no monitoring.target: only the columns were checked."
    if contract.task not in METRICS and not contract.probabilities:
        why = NOT_ESTIMATED.get(contract.task, f"NannyML has no estimator for {contract.task}")
        return f"Nothing says how good a chunk is before its targets are in: {why}."
    return None


def estimated(
    contract: ModelContract, rules: Monitoring, reference: pd.DataFrame, analysis: pd.DataFrame
) -> list[Measure]:
    """The metric of a regression (DLE) or of two classes (CBPE) in each chunk of ``analysis``."""
    import nannyml

    output, metric = contract.answer, METRICS[contract.task]
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


def accuracy(contract: ModelContract, rules: Monitoring, periods: Periods) -> list[Measure]:
    """The share of right answers among several classes that their probabilities let expect (CBPE).

    Raises:
        MlopsError: ``bad_period`` for an outcome that is none of the classes.
    """
    import nannyml

    known = periods.reference[periods.reference[TARGET].notna()]
    reference = _as_text(contract, known.assign(**{TARGET: known[TARGET].map(text)}))
    strange = sorted(set(reference[TARGET]) - set(contract.probabilities))
    if strange:
        problem = f"is {strange[0]} in the reference, a class of which no output is the probability"
        raise bad_target(contract, rules, problem)
    # What calibrates a class splits its outcomes in two: a single one counts as none.
    often = reference.groupby(TARGET)[TARGET].transform("size") > 1
    estimator = nannyml.CBPE(
        problem_type="classification_multiclass",
        y_pred_proba=contract.probabilities,
        y_pred=CLASS,
        y_true=TARGET,
        metrics=[ACCURACY],
        **chunking(rules),
    )
    analysis = _as_text(contract, periods.analysis)
    table = estimator.fit(reference[often]).estimate(analysis).to_df()
    return list(measures_in(table, (ACCURACY,), ACCURACY, "estimated"))


def _as_text(contract: ModelContract, table: pd.DataFrame) -> pd.DataFrame:
    """Rows with an answer and all probabilities, the class as text."""
    known = table.dropna(subset=list(contract.output))
    return known.assign(**{CLASS: known[contract.answer].map(text)})


def bad_target(contract: ModelContract, rules: Monitoring, problem: str) -> MlopsError:
    """The refusal of a target that has a ``problem``."""
    return MlopsError(
        "bad_period",
        f"models/{contract.name}: the monitoring target {rules.target} {problem}; mend the script "
        "that writes the periods.",
    )
