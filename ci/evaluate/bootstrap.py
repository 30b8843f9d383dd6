"""Paired percentile bootstrap: whole units are drawn again, and both models see the same draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ci.evaluate.metrics import Codes, Floats, Measure, Metric

REPLICATES = 2000
CONFIDENCE = 0.95
SEED = 20170107
FEW_UNITS = 10
UNDEFINED_LIMIT = 0.05
CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Pair:
    """A metric of two models on the same rows."""

    metric: Metric
    candidate: Measure
    reference: Measure


@dataclass(frozen=True)
class Interval:
    """``bounds`` of the difference, positive is better; ``note`` says what is doubtful."""

    bounds: tuple[float, float] | None
    note: str | None = None


def paired_intervals(pairs: Sequence[Pair], codes: Codes, unit: str) -> list[Interval]:
    """95 % intervals of candidate minus reference, signed so that positive is better.

    Args:
        pairs: metrics whose measures cover the same rows.
        codes: the unit of each row, 0 to U - 1, every number used.
        unit: what a unit is called in notes.
    """
    units = int(codes.max()) + 1 if len(codes) else 0
    if units < 2:
        note = f"no interval: it needs at least two different values of {unit}, there is {units}"
        return [Interval(None, note) for _ in pairs]
    differences = _differences(pairs, codes, units)
    return [_interval(values, units, unit) for values in differences]


def _differences(pairs: Sequence[Pair], codes: Codes, units: int) -> list[Floats]:
    """For each pair the difference in each replicate."""
    functions = [
        (p.metric, p.candidate.resampler(codes, units), p.reference.resampler(codes, units))
        for p in pairs
    ]
    blocks: list[list[Floats]] = [[] for _ in pairs]
    for counts in _draws(units, len(codes)):
        for found, (metric, candidate, reference) in zip(blocks, functions, strict=True):
            mine, other = metric.quality(candidate(counts)), metric.quality(reference(counts))
            with np.errstate(invalid="ignore"):
                found.append(mine - other)
    return [np.concatenate(found) for found in blocks]


def _draws(units: int, rows: int) -> Iterator[Floats]:
    """How often each unit is drawn, replicates x units, a block at a time to bound memory."""
    random = np.random.default_rng(SEED)
    size = max(1, min(REPLICATES, CELLS_AT_ONCE // rows))
    for begin in range(0, REPLICATES, size):
        block = min(size, REPLICATES - begin)
        drawn = random.integers(0, units, size=(block, units))
        drawn += np.arange(block)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=block * units)
        yield counts.reshape(block, units).astype(float)


def _interval(values: Floats, units: int, unit: str) -> Interval:
    defined = values[np.isfinite(values)]
    if len(defined) < (1 - UNDEFINED_LIMIT) * len(values):
        return Interval(None, "no interval: the metric is undefined in too many bootstrap samples")
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    few = f"only {units} values of {unit}: the interval is rough" if units < FEW_UNITS else None
    return Interval((float(low), float(high)), few)
