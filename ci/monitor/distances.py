"""Drift of each column by itself, and of all together (NannyML), with limits from the reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ci.monitor.chunks import TIME, chunking
from ci.monitor.measures import (
    MOST_CATEGORIES,
    NUMERIC,
    RARE,
    TOGETHER,
    Measure,
    measurable,
    measures_in,
    spread_of,
    type_of,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.contract.monitoring import LeastChange, MonitoringPolicy
    from ci.monitor.chunks import Layout
    from ci.monitor.periods import Periods

DEVIATIONS = 3
# With 500 columns of noise and 840 rows, the rows of other weeks were all an alert.
ROWS_A_COLUMN = 20
RECONSTRUCTION = "reconstruction_error"
# Errors below this are the computer's rounding.
LEAST_ERROR = 1e-9


def univariate(
    contract: ModelContract,
    policy: MonitoringPolicy,
    layout: Layout,
    periods: Periods,
    risk: float,
) -> list[Measure]:
    """Drift of each input column and of the prediction, by the policy's method for its type.

    A chunk is over its limit where chance (``risk``), the reference's own chunks (three standard
    deviations) and the policy's least change all do not explain it.
    """
    found: list[Measure] = []
    for kind in ("number", "integer", "string", "boolean"):
        names = [name for name in measurable(contract, periods) if type_of(contract, name) == kind]
        if names:
            method = str(getattr(policy.methods, kind))
            table = _compared(layout.rules, periods, names, method, kind in NUMERIC)
            for name in names:
                found += _limited(table, layout, policy, periods, (name, method), risk)
    return found


def _compared(
    rules: Monitoring, periods: Periods, names: list[str], method: str, numeric: bool
) -> pd.DataFrame:
    import nannyml

    from ci.monitor.stability import register

    register()
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=names,
        treat_as_categorical=[] if numeric else names,
        continuous_methods=[method if numeric else "jensen_shannon"],
        categorical_methods=["jensen_shannon" if numeric else method],
        **chunking(rules),
    )
    # NannyML copies every column that it is given, for each chunk.
    columns = [TIME, *names]
    calculator.fit(periods.reference[columns])
    table: pd.DataFrame = calculator.calculate(periods.analysis[columns]).to_df()
    return table


def _limited(
    table: pd.DataFrame,
    layout: Layout,
    policy: MonitoringPolicy,
    periods: Periods,
    key: tuple[str, str],
    risk: float,
) -> Iterator[Measure]:
    from ci.monitor.chance import null_of

    name, method = key
    usual = periods.reference[name]
    null = null_of(method, usual, usual.dtype == "float64")
    mean, deviation = spread_of(table, key, layout.whole)
    between = mean + DEVIATIONS * deviation
    # Values, not rows: what is missing tells nothing.
    rows = periods.analysis[name].notna().groupby(layout.analysis).sum()
    for measure in measures_in(table, key, name, method):
        size = int(rows[measure.chunk])
        least = _least(method, policy.alert.least_change, usual, size)
        limit = max(0.0 if math.isnan(between) else between, null.limit(size, risk), least)
        yield within(measure, None, limit if math.isfinite(limit) else None)


def _least(method: str, least: LeastChange, usual: pd.Series[Any], rows: int) -> float:
    if method == "wasserstein":
        return least.wasserstein * float(usual.std())
    if method == "chi2":
        return least.chi2**2 * rows
    if method == "population_stability_index":
        return least.population_stability_index
    return least.distance


def grouped(contract: ModelContract, periods: Periods) -> tuple[Periods, list[str]]:
    """Both periods with the rare values of text columns as one, and which columns those are."""
    from dataclasses import replace

    reference, analysis, names = periods.reference, periods.analysis, []
    for name in measurable(contract, periods):
        if type_of(contract, name) != "string" or name not in contract.input:
            continue
        counts = reference[name].value_counts()
        if len(counts) <= MOST_CATEGORIES:
            continue
        kept = set(counts.index[: MOST_CATEGORIES - 1])
        reference = reference.assign(**{name: _with_rare(reference[name], kept)})
        analysis = analysis.assign(**{name: _with_rare(analysis[name], kept)})
        names.append(name)
    few = replace(periods, reference=reference, analysis=analysis) if names else periods
    return few, names


def _with_rare(column: pd.Series[Any], kept: set[str]) -> pd.Series[Any]:
    return column.where(column.isin(kept) | column.isna(), RARE)


def multivariate(
    contract: ModelContract,
    policy: MonitoringPolicy,
    layout: Layout,
    periods: Periods,
    risk: float,
) -> list[Measure]:
    """Whether columns go together as they did: the error of a PCA that rebuilds each row."""
    import nannyml

    varied = _varied(contract, periods)
    if len(varied) < 2 or too_wide(contract, periods):
        return []
    calculator = nannyml.DataReconstructionDriftCalculator(
        column_names=varied, **chunking(layout.rules)
    )
    calculator.fit(_filled(periods.reference, varied))
    if calculator._pca.n_components_ == len(varied):  # nothing is left out that could be an error
        return []
    table = calculator.calculate(_filled(periods.analysis, varied)).to_df()
    return list(_rebuilt(table, layout, policy.alert.least_change, len(periods.reference), risk))


def _varied(contract: ModelContract, periods: Periods) -> list[str]:
    names = measurable(contract, periods)
    return [name for name in names if name in contract.input and name in periods.varied]


def too_wide(contract: ModelContract, periods: Periods) -> bool:
    """Whether a PCA would learn the reference's rows by heart, and find any others strange."""
    return len(periods.reference) < ROWS_A_COLUMN * len(_varied(contract, periods))


def why_not_together(
    contract: ModelContract, periods: Periods, found: Sequence[Measure]
) -> str | None:
    """Why ``found``, what `multivariate` says of the columns together, says nothing."""
    if too_wide(contract, periods):
        return f"the reference has fewer than {ROWS_A_COLUMN} rows for each column"
    if not found and len(_varied(contract, periods)) > 1:
        return "a PCA of so few columns rebuilds every row exactly, whatever changes"
    return None


def _filled(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Missing text as a value of its own: the imputer knows NaN only, and NaN is no text."""
    texts = [name for name in names if table[name].dtype == object]
    return table.assign(**{name: table[name].fillna(str(None)).astype(str) for name in texts})


def _rebuilt(
    table: pd.DataFrame, layout: Layout, least: LeastChange, of: int, risk: float
) -> Iterator[Measure]:
    from scipy.stats import norm

    key = (RECONSTRUCTION,)
    mean, deviation = spread_of(table, key, layout.whole)
    of_reference = table[("chunk", "period")] == "reference"
    sizes = layout.reference.value_counts()
    errors = table.loc[of_reference].set_index(("chunk", "key"))[(RECONSTRUCTION, "sampling_error")]
    weights = sizes.reindex(errors.index).astype(float)
    row_deviation = math.sqrt(float((errors**2 * weights * weights).sum() / weights.sum()))
    for measure in measures_in(table, key, TOGETHER, RECONSTRUCTION):
        by_chance = norm.isf(risk / 2) * row_deviation
        by_chance *= math.sqrt(1 / layout.rows[measure.chunk] + 1 / of)
        width = max(DEVIATIONS * deviation, by_chance, least.reconstruction_error * mean)
        width = max(width, LEAST_ERROR)
        yield within(measure, mean - width, mean + width)
