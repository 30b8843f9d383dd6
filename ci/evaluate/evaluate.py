"""The comparison itself: tables in, an Evaluation out."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ci.evaluate.answers import baseline_of, guess_of, truth_of
from ci.evaluate.bootstrap import Interval, Pair, paired_intervals
from ci.evaluate.metrics import METRICS, Measure, Metric, value_of
from ci.evaluate.outcome import Check, Difference, Evaluation, Finding, MetricResult, Origin, Slice
from ci.evaluate.table import text

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from ci.contract.model import ModelContract
    from ci.evaluate.answers import Predictions
    from ci.evaluate.metrics import Codes

SLICES_A_COLUMN = 40
MISSING = "(missing)"


@dataclass(frozen=True)
class Rival:
    """What the candidate is compared with: the champion or a baseline."""

    kind: Literal["champion", "baseline"]
    name: str
    guess: Any


@dataclass(frozen=True)
class Units:
    """A bootstrap unit: its column and the number of each row's value, 0 to ``count`` - 1."""

    name: str
    codes: Codes
    count: int


def evaluate(
    contract: ModelContract,
    holdout: pd.DataFrame,
    candidate: Predictions,
    champion: Predictions | None,
    reported: dict[str, float],
    origin: Origin,
) -> Evaluation:
    """Judge ``candidate`` against ``champion`` and the contract's baselines on the same rows.

    Args:
        contract: says target, metrics, bootstrap units, slices and baselines.
        holdout: has the columns that the contract names.
        candidate: one list of predictions an output column, in the holdout's order.
        champion: the same of the version in production, or None.
        reported: the numbers of the training's metrics.json.
        origin: what was compared, for the record.

    Raises:
        MlopsError: ``bad_table`` where the target or a baseline is not what the task needs.
    """
    begin = time.monotonic()
    rules = contract.evaluation
    truth = truth_of(contract, holdout, rules.holdout)
    guess = guess_of(contract, candidate)
    rivals = _rivals(contract, holdout, champion)
    unit = _units(holdout, rules.unit)
    names = list(dict.fromkeys([rules.metric, *rules.also]))
    metrics = [_metric_result(METRICS[name], truth, guess, rivals, unit) for name in names]
    best = _best(METRICS[rules.metric], [d for d in metrics[0].differences if d.kind == "baseline"])
    against = next((r for r in rivals if r.kind == "champion"), None) or next(
        r for r in rivals if r.name == best.against
    )
    main = _of(metrics[0], against)
    slices, left_out = _slices(contract, holdout, truth, guess, against, unit)
    return Evaluation(
        model=contract.name,
        metric=rules.metric,
        candidate=metrics[0].candidate,
        champion=main.value if against.kind == "champion" else None,
        baseline=best.value,
        best_baseline=best.against,
        baselines={d.against: d.value for d in metrics[0].differences if d.kind == "baseline"},
        against=against.name,
        difference=main.difference,
        interval=main.interval,
        note=main.note,
        verdict=main.verdict,
        origin=origin,
        rows=len(holdout),
        rows_digest=_rows_digest(holdout, [rules.target, rules.unit]),
        slices_digest=_rows_digest(holdout, [rules.target, rules.unit, *sorted(rules.slices)]),
        unit=rules.unit,
        units=unit.count,
        metrics=metrics,
        checks=_checks(contract, holdout, truth, guess, rivals),
        slices=slices,
        slices_left_out=left_out,
        reported=reported,
        seconds=round(time.monotonic() - begin, 2),
    )


def _rows_digest(holdout: pd.DataFrame, columns: list[str]) -> str:
    """Digest of what the rows say in ``columns``, whatever their order and the model's inputs."""
    rows = zip(*(holdout[column].map(text) for column in columns), strict=True)
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()


def _rivals(
    contract: ModelContract, holdout: pd.DataFrame, champion: Predictions | None
) -> list[Rival]:
    rules = contract.evaluation
    rivals = [
        Rival("baseline", name, baseline_of(contract, holdout[column], rules.holdout))
        for name, column in rules.baselines.items()
    ]
    if champion is not None:
        rivals.insert(0, Rival("champion", "champion", guess_of(contract, champion)))
    return rivals


def _units(holdout: pd.DataFrame, column: str) -> Units:
    import pandas as pd

    codes, values = pd.factorize(holdout[column])
    return Units(column, np.asarray(codes, dtype=np.intp), len(values))


def _metric_result(
    metric: Metric, truth: Any, guess: Any, rivals: list[Rival], unit: Units
) -> MetricResult:
    mine = metric.measure(truth, guess)
    theirs = [metric.measure(truth, rival.guess) for rival in rivals]
    value = value_of(mine, len(unit.codes))
    return MetricResult(
        metric=metric.name,
        candidate=_finite(value),
        differences=_differences(metric, mine, theirs, rivals, unit),
    )


def _differences(
    metric: Metric, mine: Measure, theirs: list[Measure], rivals: list[Rival], unit: Units
) -> list[Difference]:
    rows = len(unit.codes)
    value = value_of(mine, rows)
    pairs = [Pair(metric, mine, measure) for measure in theirs]
    intervals = paired_intervals(pairs, unit.codes, unit.name)
    found = []
    for rival, measure, interval in zip(rivals, theirs, intervals, strict=True):
        other = value_of(measure, rows)
        found.append(
            Difference(
                kind=rival.kind,
                against=rival.name,
                value=_finite(other),
                difference=_gain(metric, value, other),
                interval=interval.bounds,
                note=interval.note,
                verdict=_finding(interval),
            )
        )
    return found


def _gain(metric: Metric, value: float, other: float) -> float | None:
    if not (math.isfinite(value) and math.isfinite(other)):
        return None
    quality = metric.quality(np.array([value, other]))
    return _finite(float(quality[0] - quality[1]))


def _finding(interval: Interval) -> Finding:
    if interval.bounds is None:
        return "unknown"
    low, high = interval.bounds
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no clear difference"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _best(metric: Metric, baselines: list[Difference]) -> Difference:
    """The baseline that does best; one whose metric is undefined comes last."""

    def quality(difference: Difference) -> float:
        if difference.value is None:
            return -math.inf
        return float(metric.quality(np.array([difference.value]))[0])

    return max(baselines, key=quality)


def _of(result: MetricResult, rival: Rival) -> Difference:
    wanted = (rival.kind, rival.name)
    return next(d for d in result.differences if (d.kind, d.against) == wanted)


def _checks(
    contract: ModelContract, holdout: pd.DataFrame, truth: Any, guess: Any, rivals: list[Rival]
) -> list[Check]:
    metric = METRICS[contract.evaluation.metric]
    units = [_units(holdout, column) for column in contract.evaluation.check_units]
    return [
        Check(
            unit=unit.name,
            units=unit.count,
            differences=_metric_result(metric, truth, guess, rivals, unit).differences,
        )
        for unit in units
    ]


def _slices(
    contract: ModelContract,
    holdout: pd.DataFrame,
    truth: Any,
    guess: Any,
    against: Rival,
    unit: Units,
) -> tuple[list[Slice], dict[str, int]]:
    """The largest slices of each column, and how many were left out."""
    metric = METRICS[contract.evaluation.metric]
    pair = Pair(metric, metric.measure(truth, guess), metric.measure(truth, against.guess))
    found: list[Slice] = []
    left_out = {}
    for column in contract.evaluation.slices:
        labels = holdout[column].map(text, na_action="ignore").fillna(MISSING)
        counts = labels.value_counts()
        for value in counts.index[:SLICES_A_COLUMN]:
            rows = (labels == value).to_numpy(dtype=bool)
            found.append(_slice(column, str(value), rows, pair, against, unit))
        if len(counts) > SLICES_A_COLUMN:
            left_out[column] = len(counts) - SLICES_A_COLUMN
    return found, left_out


def _slice(
    column: str, value: str, rows: NDArray[np.bool_], pair: Pair, against: Rival, unit: Units
) -> Slice:
    count = int(rows.sum())
    names, codes = np.unique(unit.codes[rows], return_inverse=True)
    part = Pair(pair.metric, pair.candidate.take(rows), pair.reference.take(rows))
    mine, other = value_of(part.candidate, count), value_of(part.reference, count)
    interval = paired_intervals([part], codes.astype(np.intp), unit.name)[0]
    return Slice(
        column=column,
        value=value,
        rows=count,
        units=len(names),
        candidate=_finite(mine),
        against=against.name,
        rival=_finite(other),
        difference=_gain(part.metric, mine, other),
        interval=interval.bounds,
        note=interval.note,
        verdict=_finding(interval),
    )
