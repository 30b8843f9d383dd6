"""NannyML's calculators, reduced to plain rows: one a signal and chunk."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.contract.monitoring import MonitoringPolicy
    from ci.monitor.periods import Periods

# Columns of the periods beside inputs and outputs; no column of a contract can have these names,
# while a target is often named as the output that predicts it.
TIME, TARGET = "_time", "_target"
PERIODS = {"day": "D", "week": "W", "month": "M", "quarter": "Q"}
NUMERIC = ("number", "integer")
# A column of many free texts or ids has no distribution that could drift in a useful sense.
MOST_CATEGORIES = 200
SHARES = ("missing_values", "unseen_values")


@dataclass(frozen=True)
class Measure:
    """What one method found for one signal in one chunk; thresholds None where there is none.

    ``usual`` is the mean over the chunks of the reference.
    """

    name: str
    method: str
    chunk: str
    value: float | None
    lower: float | None
    upper: float | None
    usual: float | None
    alert: bool


def chunk_of(rules: Monitoring, table: pd.DataFrame) -> Any:
    """The chunk of each row, named as NannyML names it."""
    if isinstance(rules.chunk, int):
        size, rows = rules.chunk, len(table)
        starts = [row // size * size for row in range(rows)]
        return [f"[{start}:{min(start + size, rows) - 1}]" for start in starts]
    return table[TIME].dt.to_period(PERIODS[rules.chunk]).astype(str)


def chunk_ends(chunk: str) -> tuple[str, str]:
    """The first and the last day of a chunk, or its first and last row below the header."""
    if chunk.startswith("["):
        first, last = (int(row) + 1 for row in chunk.strip("[]").split(":"))
        return f"row {first}", f"row {last}"
    begin, _, end = chunk.partition("/")
    return begin, end or begin


def chunk_order(chunk: str) -> tuple[int, str]:
    """What sorts chunks in time."""
    return (int(chunk[1:].partition(":")[0]), "") if chunk.startswith("[") else (0, chunk)


def chunking(rules: Monitoring) -> dict[str, Any]:
    """How NannyML is told about timestamps and chunks."""
    if isinstance(rules.chunk, int):
        return {"timestamp_column_name": TIME, "chunk_size": rules.chunk}
    return {"timestamp_column_name": TIME, "chunk_period": PERIODS[rules.chunk]}


@dataclass(frozen=True)
class Unmeasured:
    """Columns that were not measured, and why: silence must not look like "all good"."""

    name: str
    reason: str

    @property
    def columns(self) -> list[str]:
        """The columns of ``name``."""
        return self.name.split(", ")


def univariate(
    contract: ModelContract, rules: Monitoring, policy: MonitoringPolicy, periods: Periods
) -> list[Measure]:
    """Drift of each input column and of the prediction, by the policy's method for its type."""
    import nannyml

    found: list[Measure] = []
    for kind in ("number", "integer", "string", "boolean"):
        names = [name for name in _signals(contract, periods) if _type(contract, name) == kind]
        if not names:
            continue
        method = str(getattr(policy.methods, kind))
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=names,
            treat_as_categorical=[] if kind in NUMERIC else names,
            continuous_methods=[method if kind in NUMERIC else "jensen_shannon"],
            categorical_methods=["jensen_shannon" if kind in NUMERIC else method],
            **chunking(rules),
        )
        calculator.fit(periods.reference)
        table = calculator.calculate(periods.analysis).to_df()
        for name in names:
            for measure in measures_in(table, (name, method), name, method):
                found.append(_with_least(measure, policy.alert.least_change))
    return found


def _with_least(measure: Measure, least: float) -> Measure:
    """``measure`` with a threshold of at least the policy's least change."""
    threshold = max(measure.upper or 0.0, least)
    return replace(measure, upper=threshold, alert=(measure.value or 0.0) > threshold)


def quality(contract: ModelContract, rules: Monitoring, periods: Periods) -> list[Measure]:
    """Share of missing values of each input, and of categories that the reference never had."""
    import nannyml

    # A column that became empty has no distribution any more, but it did change.
    given = [name for name in contract.input if name in periods.analysis]
    nullable = [name for name in given if contract.input[name].nullable]
    inputs = [name for name in _signals(contract, periods) if name in contract.input]
    texts = [name for name in inputs if contract.input[name].type == "string"]
    found: list[Measure] = []
    for names, calculator, method in (
        (nullable, nannyml.MissingValuesCalculator, "missing_values"),
        (texts, nannyml.UnseenValuesCalculator, "unseen_values"),
    ):
        if names:
            fitted = calculator(column_names=names, **chunking(rules)).fit(periods.reference)
            table = fitted.calculate(periods.analysis).to_df()
            for name in names:
                found += measures_in(table, (name,), name, method)
    return found


def unmeasured(
    contract: ModelContract, periods: Periods, found: Sequence[Measure]
) -> list[Unmeasured]:
    """Columns that the measures say nothing about."""
    reasons = {name: _why_not(contract, periods, name) for name in _columns(contract)}
    distances = [measure for measure in found if measure.method not in SHARES]
    for name in {measure.name for measure in distances}:
        own = [measure for measure in distances if measure.name == name]
        if all(measure.value is None for measure in own):
            reasons[name] = f"NannyML's {own[0].method} gave no value for it"
        elif own[0].upper is not None and own[0].upper >= 1:
            reasons[name] = "differs so much between the reference's chunks that no change can show"
    return _by_reason(reasons)


def _by_reason(reasons: dict[str, str | None]) -> list[Unmeasured]:
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        if reason:
            names.setdefault(reason, []).append(name)
    return [Unmeasured(", ".join(same), reason) for reason, same in names.items()]


def _signals(contract: ModelContract, periods: Periods) -> list[str]:
    return [name for name in _columns(contract) if not _why_not(contract, periods, name)]


def _columns(contract: ModelContract) -> list[str]:
    return [*contract.input, *contract.output]


def _why_not(contract: ModelContract, periods: Periods, name: str) -> str | None:
    """Why the distribution of a column means nothing, or None where it does."""
    column = contract.input.get(name)
    if column is None and contract.task == "ranking":
        return "a list of items has no distribution"
    if name not in periods.analysis:
        return "personal data, which the prediction log leaves out"
    if name == contract.evaluation.unit or (column and column.pii):
        return "an identifier, or personal data"
    values = periods.reference[name]
    if values.isna().all() or periods.analysis[name].isna().all():
        return "has no values in one of the periods"
    declared = column is not None and column.categories is not None
    if _type(contract, name) == "string" and not declared and values.nunique() > MOST_CATEGORIES:
        return f"text with more than {MOST_CATEGORIES} different values"
    return None


def _type(contract: ModelContract, name: str) -> str:
    column = contract.input.get(name) or contract.output[name]
    return column.type


def measures_in(
    table: pd.DataFrame, key: tuple[str, ...], name: str, method: str
) -> Iterator[Measure]:
    """The analysis chunks of NannyML's ``table``, in its columns that begin with ``key``."""
    head = ("chunk", "chunk") if len(key) == 2 else ("chunk",)
    reference = table[table[(*head, "period")] == "reference"]
    usual = _number(reference[(*key, "value")].mean())
    for _, row in table[table[(*head, "period")] == "analysis"].iterrows():
        yield Measure(
            name=name,
            method=method,
            chunk=str(row[(*head, "key")]),
            value=_number(row[(*key, "value")]),
            lower=_number(row[(*key, "lower_threshold")]),
            upper=_number(row[(*key, "upper_threshold")]),
            usual=usual,
            alert=bool(row[(*key, "alert")]),
        )


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
