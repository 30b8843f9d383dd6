"""The metrics, each as sums over rows, so that a bootstrap replicate is one matrix product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ci.errors import MlopsError

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Resampler = Callable[[Floats], Floats]

SEGMENT_LIMIT = 200
THRESHOLD = 0.5


@dataclass(frozen=True)
class Ranking:
    """Items in order for each row; ``size`` is how many places the model fills."""

    items: list[list[str]]
    size: int


class Measure(Protocol):
    """A metric applied to rows, not yet summed."""

    def take(self, rows: NDArray[np.bool_]) -> Measure:
        """The same for the rows where ``rows`` is true."""
        ...

    def resampler(self, codes: Codes, units: int) -> Resampler:
        """Function from counts (replicates x units) to the metric's value in each replicate.

        ``codes`` (one a row, 0 to ``units`` - 1) says which unit a row belongs to.
        """
        ...


@dataclass(frozen=True)
class SumMeasure:
    """A metric that is a function of sums over rows: ``statistics`` is rows x k."""

    statistics: Floats
    final: Callable[[Floats], Floats]

    def take(self, rows: NDArray[np.bool_]) -> SumMeasure:
        """The same for the rows where ``rows`` is true."""
        return SumMeasure(self.statistics[rows], self.final)

    def resampler(self, codes: Codes, units: int) -> Resampler:
        """See ``Measure``."""
        columns = self.statistics.T
        totals = np.stack([np.bincount(codes, weights=c, minlength=units) for c in columns], axis=1)

        def values(counts: Floats) -> Floats:
            with np.errstate(divide="ignore", invalid="ignore"):
                return self.final(counts @ totals)

        return values


@dataclass(frozen=True)
class AucMeasure:
    """Area under the ROC curve: a rank statistic, so it is weighted row by row."""

    positive: Floats
    score: Floats

    def take(self, rows: NDArray[np.bool_]) -> AucMeasure:
        """The same for the rows where ``rows`` is true."""
        return AucMeasure(self.positive[rows], self.score[rows])

    def resampler(self, codes: Codes, units: int) -> Resampler:
        """See ``Measure``."""
        order = np.argsort(self.score, kind="stable")
        score, positive, unit = self.score[order], self.positive[order], codes[order]
        starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])

        def values(counts: Floats) -> Floats:
            weights = counts[:, unit]
            up = np.add.reduceat(weights * positive, starts, axis=1)
            down = np.add.reduceat(weights * (1 - positive), starts, axis=1)
            below = np.cumsum(down, axis=1) - down / 2
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray((up * below).sum(axis=1) / (up.sum(axis=1) * down.sum(axis=1)))

        return values


@dataclass(frozen=True)
class Metric:
    """A metric: ``label`` is for people; ``scale`` says what its values are.

    ``unit``: in the unit of the model's output; ``share``: 0 to 1, shown in per cent;
    ``score``: a bare number. ``measure`` takes the truth and the predictions of the task
    (arrays of one value a row, or ``Ranking``).
    """

    name: str
    label: str
    better: Literal["higher", "lower", "zero"]
    scale: Literal["unit", "share", "score"]
    measure: Callable[[Any, Any], Measure]

    def quality(self, values: Floats) -> Floats:
        """``values`` signed so that more is better."""
        if self.better == "higher":
            return values
        return -values if self.better == "lower" else -np.abs(values)

    def direction(self) -> str:
        """How to read it, in words."""
        return "nearer to zero is better" if self.better == "zero" else f"{self.better} is better"


def value_of(measure: Measure, rows: int) -> float:
    """The metric over all rows, NaN where it is undefined."""
    if rows == 0:
        return float("nan")
    everything = measure.resampler(np.zeros(rows, dtype=np.intp), 1)
    value = float(everything(np.ones((1, 1)))[0])
    return value if np.isfinite(value) else float("nan")


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / sums[:, 1])


def _with_count(*columns: Floats) -> Floats:
    return np.column_stack([*columns, np.ones(len(columns[0]))]).astype(float)


def _mae(truth: Floats, guess: Floats) -> Measure:
    return SumMeasure(_with_count(np.abs(guess - truth)), _mean)


def _rmse(truth: Floats, guess: Floats) -> Measure:
    return SumMeasure(_with_count((guess - truth) ** 2), lambda sums: np.sqrt(_mean(sums)))


def _bias(truth: Floats, guess: Floats) -> Measure:
    return SumMeasure(_with_count(guess - truth), _mean)


def _wape(truth: Floats, guess: Floats) -> Measure:
    return SumMeasure(np.column_stack([np.abs(guess - truth), np.abs(truth)]), _mean)


def _log_loss(truth: Floats, guess: Floats) -> Measure:
    smallest = np.finfo(float).eps
    safe = np.clip(guess, smallest, 1 - smallest)
    loss = -(truth * np.log(safe) + (1 - truth) * np.log(1 - safe))
    return SumMeasure(_with_count(loss), _mean)


def _brier(truth: Floats, guess: Floats) -> Measure:
    return SumMeasure(_with_count((guess - truth) ** 2), _mean)


def _accuracy(truth: NDArray[Any], guess: NDArray[Any]) -> Measure:
    if truth.dtype.kind == "f":
        guess = np.where(np.isnan(guess), np.nan, guess >= THRESHOLD)
        right = np.where(np.isnan(guess), np.nan, guess == truth)
    else:
        right = guess == truth
    return SumMeasure(_with_count(np.asarray(right, dtype=float)), _mean)


def _f1(truth: Floats, guess: Floats) -> Measure:
    said = np.where(np.isnan(guess), np.nan, guess >= THRESHOLD)
    statistics = np.column_stack([2 * said * truth, said + truth])
    return SumMeasure(statistics, _mean)


def _roc_auc(truth: Floats, guess: Floats) -> Measure:
    return AucMeasure(np.where(np.isnan(guess), np.nan, truth), guess)


def _hits(truth: list[list[str]], guess: Ranking) -> Floats:
    """Rows x places: 1 where the item in that place was wanted (the first time it is named)."""
    found = np.zeros((len(truth), guess.size))
    for row, (wanted, items) in enumerate(zip(truth, guess.items, strict=True)):
        open_items = set(wanted)
        for place, item in enumerate(items[: guess.size]):
            if item in open_items:
                found[row, place] = 1.0
                open_items.remove(item)
    return found


def _precision(truth: list[list[str]], guess: Ranking) -> Measure:
    return SumMeasure(_with_count(_hits(truth, guess).mean(axis=1)), _mean)


def _hit_rate(truth: list[list[str]], guess: Ranking) -> Measure:
    return SumMeasure(_with_count(_hits(truth, guess).max(axis=1)), _mean)


def _ndcg(truth: list[list[str]], guess: Ranking) -> Measure:
    discounts = 1 / np.log2(np.arange(2, guess.size + 2))
    best = np.array([discounts[: len(set(wanted))].sum() for wanted in truth])
    gained = _hits(truth, guess) @ discounts
    with np.errstate(invalid="ignore"):
        return SumMeasure(_with_count(gained / best), _mean)


def _spend_explained(truth: Floats, guess: NDArray[Any]) -> Measure:
    """Eta squared: between-segment over total sum of squares; centred against cancellation."""
    segments, codes = np.unique(guess.astype(str), return_inverse=True)
    if len(segments) > SEGMENT_LIMIT:
        raise MlopsError(
            "too_many_segments",
            f"The predictions name {len(segments)} different segments, at most {SEGMENT_LIMIT} "
            "can be judged; let the model return a segment's label.",
        )
    member = np.eye(len(segments))[codes]
    spend = truth - truth.mean()
    statistics = np.column_stack([spend, spend**2, member, member * spend[:, None]])
    return SumMeasure(statistics, _eta_squared)


def _eta_squared(sums: Floats) -> Floats:
    count, total = np.split(sums[:, 2:], 2, axis=1)
    middle = sums[:, 0] ** 2 / count.sum(axis=1)
    parts = np.divide(total**2, count, out=np.zeros_like(total), where=count > 0)
    return np.asarray((parts.sum(axis=1) - middle) / (sums[:, 1] - middle))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mae", "average error", "lower", "unit", _mae),
        Metric("rmse", "error with large misses weighing more", "lower", "unit", _rmse),
        Metric("wape", "error as a share of the actual total", "lower", "share", _wape),
        Metric("bias", "average of too high (+) and too low (-)", "zero", "unit", _bias),
        Metric("log_loss", "surprise at what happened", "lower", "score", _log_loss),
        Metric("brier", "squared error of the probability", "lower", "score", _brier),
        Metric("accuracy", "share of right answers", "higher", "share", _accuracy),
        Metric("f1", "balance of found and falsely found", "higher", "score", _f1),
        Metric("roc_auc", "ability to rank yes above no", "higher", "score", _roc_auc),
        Metric("precision", "share of suggestions taken up", "higher", "share", _precision),
        Metric("hit_rate", "customers with at least one hit", "higher", "share", _hit_rate),
        Metric("ndcg", "hits, higher places counting more", "higher", "score", _ndcg),
        Metric(
            "spend_explained",
            "share of spending differences that the segments explain",
            "higher",
            "share",
            _spend_explained,
        ),
    )
}
