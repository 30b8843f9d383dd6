"""How good the predictions are: estimated before targets arrive, realised once they are in."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

from ci.monitor.chunks import TARGET, TIME, chunk_of, chunking, end_of
from ci.monitor.estimate import CLASS, METRICS, accuracy, bad_target, estimated
from ci.monitor.measures import REALISED, Measure, measures_in, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ci.contract.model import ModelContract, Monitoring
    from ci.monitor.periods import Periods

LEAST_CHUNKS = 3
LEAST_KNOWN = 0.5
SAMPLED_ROWS, DRAWS = 2000, 200
TRUE_WORDS = {"true": 1, "false": 0}


def performance(
    contract: ModelContract, rules: Monitoring, periods: Periods, risk: float
) -> dict[str, list[Measure]]:
    """The metric of each analysis chunk by kind; empty where it can't be had (see `note`).

    Rows without a prediction don't count. ``risk`` is the share of chunks that may be over the
    limit by chance.
    """
    from dataclasses import replace

    if rules.target is None:
        return {"estimated": [], "realised": []}
    answered = periods.analysis[list(contract.output)].notna().any(axis=1)
    periods = replace(periods, analysis=periods.analysis[answered].reset_index(drop=True))
    if periods.analysis.empty:
        return {"estimated": [], "realised": []}
    found = _found(contract, rules, replace(periods, analysis=_settled(rules, periods.analysis)))
    return {**found, "realised": _with_chance(contract, rules, periods, found["realised"], risk)}


def _settled(rules: Monitoring, analysis: pd.DataFrame) -> pd.DataFrame:
    """Without the outcomes of chunks where most are not in yet: the first ones are no sample."""
    if TARGET not in analysis:
        return analysis
    known = analysis[TARGET].notna()
    shares = known.groupby(chunk_of(rules, analysis)).transform("mean")
    return analysis.assign(**{TARGET: analysis[TARGET].where(shares >= LEAST_KNOWN)})


def _found(
    contract: ModelContract, rules: Monitoring, periods: Periods
) -> dict[str, list[Measure]]:
    if contract.task not in METRICS:
        guessed = accuracy(contract, rules, periods) if contract.probabilities else []
        return {"estimated": guessed, "realised": realised_by_chunk(contract, rules, periods)}
    reference = _labelled(contract, rules, periods.reference)
    if contract.task == "binary_classification":
        _require_both(contract, rules, reference[TARGET])
    analysis = _with_class(contract, periods.analysis)
    realised = []
    if TARGET in analysis.columns and analysis[TARGET].notna().any():
        realised = _realised(contract, rules, reference, _labelled(contract, rules, analysis))
    return {"estimated": estimated(contract, rules, reference, analysis), "realised": realised}


def _require_both(contract: ModelContract, rules: Monitoring, target: pd.Series[Any]) -> None:
    rows = target.value_counts()
    if len(rows) < 2:
        raise bad_target(contract, rules, "is always the same in the reference")
    if rows.min() < 2:
        problem = f"is {rows.idxmin()} in a single row of the reference, where two are needed"
        raise bad_target(contract, rules, problem)


def _with_chance(
    contract: ModelContract,
    rules: Monitoring,
    periods: Periods,
    realised: list[Measure],
    risk: float,
) -> list[Measure]:
    """``realised`` with limits that also hold what chance explains in so many rows."""
    if not realised:
        return []
    from scipy.stats import norm

    known = periods.reference[periods.reference[TARGET].notna()]
    of_row = norm.isf(risk) * _deviation(contract, rules, known, realised[0].name)
    targets = periods.analysis[periods.analysis[TARGET].notna()]
    sizes = dict(targets.groupby(chunk_of(rules, targets)).size())
    found = []
    for each in realised:
        rows = sizes.get(each.chunk, len(targets) // len(realised))
        width = of_row * math.sqrt(1 / max(rows, 1) + 1 / len(known))
        middle = each.usual or 0.0
        lower = None if each.lower is None else min(each.lower, middle - width)
        upper = None if each.upper is None else max(each.upper, middle + width)
        found.append(within(each, lower, upper))
    return found


def _deviation(
    contract: ModelContract, rules: Monitoring, known: pd.DataFrame, metric: str
) -> float:
    """Standard deviation of the metric over samples of the reference, for a sample of one row."""
    import numpy as np

    from ci.evaluate.metrics import METRICS as OURS

    sample = known.sample(min(len(known), SAMPLED_ROWS), random_state=0)
    truth, guess = _judged(contract, rules, sample)
    rows = len(sample)
    values = OURS[metric].measure(truth, guess).resampler(np.arange(rows), rows)
    counts = np.random.default_rng(0).multinomial(rows, np.full(rows, 1 / rows), size=DRAWS)
    return float(np.nanstd(values(counts.astype(float)))) * math.sqrt(rows)


def _judged(contract: ModelContract, rules: Monitoring, rows: pd.DataFrame) -> tuple[Any, Any]:
    """Truth and predictions as the project's metrics take them."""
    from ci.evaluate.answers import guess_of, truth_of

    known = _labelled(contract, rules, rows) if contract.task in METRICS else rows
    named = known[[TARGET]].set_axis([contract.evaluation.target], axis=1)
    truth = truth_of(contract, named, f"models/{contract.name}: monitoring period")
    return truth, guess_of(contract, {name: known[name].tolist() for name in contract.output})


def realised_by_chunk(
    contract: ModelContract, rules: Monitoring, periods: Periods
) -> list[Measure]:
    """The contract's primary metric of each chunk with targets, for tasks that NannyML lacks.

    The limits are NannyML's: three standard deviations around the reference's chunks.
    """
    usual = [value for _, _, value in _values(contract, rules, periods.reference)]
    if len(usual) < LEAST_CHUNKS:
        return []
    middle, width = statistics.fmean(usual), 3 * statistics.pstdev(usual)
    return [
        Measure(
            name=contract.evaluation.metric,
            method=REALISED,
            chunk=chunk,
            value=value,
            lower=middle - width,
            upper=middle + width,
            usual=middle,
            alert=abs(value - middle) > width,
            until=until,
        )
        for chunk, until, value in _values(contract, rules, periods.analysis)
    ]


def _values(
    contract: ModelContract, rules: Monitoring, table: pd.DataFrame
) -> Iterator[tuple[str, str, float]]:
    """Each chunk that has targets, when it ends, and the metric in it."""
    from ci.evaluate.metrics import METRICS as OURS
    from ci.evaluate.metrics import value_of

    if TARGET not in table.columns:
        return
    known = table[table[TARGET].notna()]
    for chunk, rows in known.groupby(chunk_of(rules, known), sort=False):
        truth, guess = _judged(contract, rules, rows)
        value = value_of(OURS[contract.evaluation.metric].measure(truth, guess), len(rows))
        if math.isfinite(value):
            yield str(chunk), end_of(rules, rows[TIME].max()), value


def _labelled(contract: ModelContract, rules: Monitoring, table: pd.DataFrame) -> pd.DataFrame:
    """Rows whose target is known, as a number (true 1, false 0)."""
    import pandas as pd

    known = table[table[TARGET].notna()]
    texts = known[TARGET].astype(str).str.lower()
    try:
        numbers = pd.to_numeric(texts.map(lambda text: TRUE_WORDS.get(text, text)))
        finite = bool(numbers.map(math.isfinite).all())
    except ValueError:
        finite = False
    if not finite:
        raise bad_target(contract, rules, "has a value that is no number")
    if contract.task == "binary_classification" and not numbers.isin((0, 1)).all():
        raise bad_target(contract, rules, "has a value that is not 0 or 1")
    return _with_class(contract, known.assign(**{TARGET: numbers}))


def _with_class(contract: ModelContract, table: pd.DataFrame) -> pd.DataFrame:
    if contract.task == "regression":
        return table
    output = contract.answer
    return table.assign(**{CLASS: (table[output] >= 0.5).astype(int)})


def _realised(
    contract: ModelContract, rules: Monitoring, reference: pd.DataFrame, analysis: pd.DataFrame
) -> list[Measure]:
    import nannyml

    output, metric = contract.answer, METRICS[contract.task]
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
    return list(measures_in(table, (metric,), metric, REALISED))
