"""NannyML's calculators, reduced to plain rows: one a signal and chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.contract.monitoring import Methods
    from ci.monitor.periods import Periods

PERIODS = {"day": "D", "week": "W", "month": "M", "quarter": "Q"}
NUMERIC = ("number", "integer")
# A column of many free texts or ids has no distribution that could drift in a useful sense.
MOST_CATEGORIES = 200


@dataclass(frozen=True)
class Measure:
    """What one method found for one signal in one chunk; thresholds None where there is none."""

    name: str
    method: str
    chunk: str
    value: float | None
    lower: float | None
    upper: float | None
    alert: bool


def chunking(rules: Monitoring) -> dict[str, Any]:
    """How NannyML is told about timestamps and chunks."""
    if isinstance(rules.chunk, int):
        return {"timestamp_column_name": rules.timestamp, "chunk_size": rules.chunk}
    return {"timestamp_column_name": rules.timestamp, "chunk_period": PERIODS[rules.chunk]}


def univariate(
    contract: ModelContract, rules: Monitoring, methods: Methods, periods: Periods
) -> list[Measure]:
    """Drift of each input column and of the prediction, by the policy's method for its type."""
    import nannyml

    found: list[Measure] = []
    for kind in ("number", "integer", "string", "boolean"):
        names = [name for name in _signals(contract, periods) if _type(contract, name) == kind]
        if not names:
            continue
        method = str(getattr(methods, kind))
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=names,
            treat_as_categorical=[] if kind in NUMERIC else names,
            continuous_methods=[method if kind in NUMERIC else "jensen_shannon"],
            categorical_methods=["jensen_shannon" if kind in NUMERIC else method],
            **chunking(rules),
        )
        calculator.fit(periods.reference)
        table = calculator.calculate(periods.analysis).filter(period="analysis").to_df()
        for name in names:
            found += _measures(table, (name, method), name, method)
    return found


def quality(contract: ModelContract, rules: Monitoring, periods: Periods) -> list[Measure]:
    """Share of missing values of each input, and of categories that the reference never had."""
    import nannyml

    inputs = [name for name in _signals(contract, periods) if name in contract.input]
    nullable = [name for name in inputs if contract.input[name].nullable]
    texts = [name for name in inputs if contract.input[name].type == "string"]
    found: list[Measure] = []
    for names, calculator, method in (
        (nullable, nannyml.MissingValuesCalculator, "missing_values"),
        (texts, nannyml.UnseenValuesCalculator, "unseen_values"),
    ):
        if names:
            fitted = calculator(column_names=names, **chunking(rules)).fit(periods.reference)
            table = fitted.calculate(periods.analysis).filter(period="analysis").to_df()
            for name in names:
                found += _measures(table, (name,), name, method)
    return found


def _signals(contract: ModelContract, periods: Periods) -> list[str]:
    """Columns whose distribution means something: no ids, no personal data, no item lists."""
    outputs = [] if contract.task == "ranking" else list(contract.output)
    inputs = [
        name
        for name, column in contract.input.items()
        if not column.pii and name != contract.evaluation.unit
    ]
    return [
        name
        for name in [*inputs, *outputs]
        if _type(contract, name) in NUMERIC or periods.reference[name].nunique() <= MOST_CATEGORIES
    ]


def _type(contract: ModelContract, name: str) -> str:
    column = contract.input.get(name) or contract.output[name]
    return column.type


def _measures(
    table: pd.DataFrame, key: tuple[str, ...], name: str, method: str
) -> Iterator[Measure]:
    chunks = table[("chunk", "chunk", "key")] if len(key) == 2 else table[("chunk", "key")]
    for row, chunk in enumerate(chunks):
        yield Measure(
            name=name,
            method=method,
            chunk=str(chunk),
            value=_number(table[(*key, "value")].iloc[row]),
            lower=_number(table[(*key, "lower_threshold")].iloc[row]),
            upper=_number(table[(*key, "upper_threshold")].iloc[row]),
            alert=bool(table[(*key, "alert")].iloc[row]),
        )


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def performance(
    contract: ModelContract, rules: Monitoring, periods: Periods
) -> dict[str, list[Measure]]:
    """Estimated performance (before targets arrive) and realised performance (once they are in).

    Empty lists where NannyML has no estimator for the task or the targets are not in.
    """
    target = rules.target
    if contract.task not in ("regression", "binary_classification") or target is None:
        return {"estimated": [], "realised": []}
    reference, analysis = _with_labels(contract, target, periods.reference), periods.analysis
    found = {"estimated": _estimated(contract, rules, reference, analysis), "realised": []}
    if target in analysis.columns and analysis[target].notna().any():
        labelled = _with_labels(contract, target, analysis).dropna(subset=[target])
        found["realised"] = _realised(contract, rules, reference, labelled)
    return found


def _with_labels(contract: ModelContract, target: str, table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    labelled = table.assign(**{target: pd.to_numeric(table[target])})
    if contract.task == "binary_classification":
        return _with_classes(contract, labelled)
    return labelled


def _with_classes(contract: ModelContract, table: pd.DataFrame) -> pd.DataFrame:
    output = next(iter(contract.output))
    return table.assign(predicted_class=(table[output] >= 0.5).astype(int))


def _estimated(
    contract: ModelContract, rules: Monitoring, reference: pd.DataFrame, analysis: pd.DataFrame
) -> list[Measure]:
    import nannyml

    output = next(iter(contract.output))
    if contract.task == "regression":
        estimator = nannyml.DLE(
            feature_column_names=list(contract.input),
            y_pred=output,
            y_true=rules.target,
            metrics=["mae"],
            hyperparameters={"verbosity": -1},  # LightGBM writes to stdout below Python
            **chunking(rules),
        )
        name = "mae"
    else:
        analysis = _with_classes(contract, analysis)
        estimator = nannyml.CBPE(
            problem_type="classification_binary",
            y_pred_proba=output,
            y_pred="predicted_class",
            y_true=rules.target,
            metrics=["roc_auc"],
            **chunking(rules),
        )
        name = "roc_auc"
    table = estimator.fit(reference).estimate(analysis).filter(period="analysis").to_df()
    return list(_measures(table, (name,), name, "estimated"))


def _realised(
    contract: ModelContract, rules: Monitoring, reference: pd.DataFrame, analysis: pd.DataFrame
) -> list[Measure]:
    import nannyml

    output = next(iter(contract.output))
    regression = contract.task == "regression"
    name = "mae" if regression else "roc_auc"
    calculator = nannyml.PerformanceCalculator(
        problem_type="regression" if regression else "classification_binary",
        y_pred=output if regression else "predicted_class",
        y_pred_proba=None if regression else output,
        y_true=rules.target,
        metrics=[name],
        **chunking(rules),
    )
    table = calculator.fit(reference).calculate(analysis).filter(period="analysis").to_df()
    return list(_measures(table, (name,), name, "realised"))
