"""How far a chunk lies from the reference by chance alone, with its number of rows.

Chunks of that size are drawn from the reference itself many times; what a share ``risk`` of them
would exceed is the limit. The reference is a sample too, which widens every limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from ci.contract.monitoring import AlertRule

    Floats = NDArray[np.float64]

DRAWS = 400
MOST_POINTS = 200
MOST_RISK = 0.05
PSI_BINS = 10
LEAST_PROBABILITY = 1e-4


def risk_of_chunk(rule: AlertRule, signals: int, chunks: int) -> float:
    """The share of chunks that may be over a limit by chance.

    So that ``rule.chance`` of all checks of so many signals and chunks are an alert by chance.
    """
    wanted = min(rule.chunks, chunks)
    places = max(chunks, 1) * math.comb(min(rule.of, chunks) - 1, wanted - 1) if wanted else 1
    risk: float = (rule.chance / (max(signals, 1) * places)) ** (1 / max(wanted, 1))
    return min(risk, MOST_RISK)


@dataclass(frozen=True)
class Null:
    """The reference of one column as a discrete distribution, to draw chunks from."""

    method: str
    points: Floats
    shares: Floats
    rows: int

    def limit(self, rows: int, risk: float) -> float:
        """What a chunk of ``rows`` values exceeds with the probability ``risk``."""
        if rows == 0 or self.rows == 0:
            return math.inf
        if self.method == "kolmogorov_smirnov":
            # Massart's bound, exact for continuous values and safe for ties.
            return math.sqrt(math.log(2 / risk) / 2 * (1 / rows + 1 / self.rows))
        from scipy.stats import gamma

        found = self._drawn(_rounded(rows))
        mean, variance = float(found.mean()), float(found.var())
        if variance <= 0:
            return mean
        # The tail of a gamma distribution with the same mean and spread.
        limit = float(gamma.isf(risk, mean**2 / variance, scale=variance / mean))
        return float(limit * (1 + rows / self.rows) ** _power(self.method))

    def _drawn(self, rows: int) -> Floats:
        draw = np.random.default_rng(rows)
        counts = draw.multinomial(rows, self.shares, size=DRAWS)
        return STATISTICS[self.method](self, counts / rows, rows)


def null_of(method: str, reference: pd.Series[Any], numeric: bool) -> Null:
    """The reference of a column, in the bins that ``method`` uses."""
    values = reference.dropna()
    if not numeric:
        counts = values.value_counts().to_numpy()
        return Null(method, np.arange(len(counts), dtype=float), counts / len(values), len(values))
    plain = values.to_numpy(dtype="float64")
    if method == "kolmogorov_smirnov":
        return Null(method, plain[:0], plain[:0], len(plain))
    if method == "wasserstein":
        points = np.quantile(plain, (np.arange(MOST_POINTS) + 0.5) / MOST_POINTS)
        return Null(method, points, np.full(MOST_POINTS, 1 / MOST_POINTS), len(plain))
    edges = (
        psi_edges(plain)
        if method == "population_stability_index"
        else np.histogram_bin_edges(plain, bins="doane")
    )
    counts = np.histogram(plain, bins=edges)[0]
    return Null(method, edges[:-1], counts / len(plain), len(plain))


def psi_edges(reference: Floats) -> Floats:
    """Edges of the tenths of the reference; fewer where one value fills several."""
    inner = np.unique(np.quantile(reference, np.arange(1, PSI_BINS) / PSI_BINS))
    return np.concatenate([[-np.inf], inner, [np.inf]])


def stability_index(expected: Floats, found: Floats) -> Floats:
    """The Population Stability Index; the last axis is the bins. An empty bin counts as 0.0001."""
    one, two = (np.maximum(each, LEAST_PROBABILITY) for each in (expected, found))
    return np.asarray(((two - one) * np.log(two / one)).sum(axis=-1))


def share_limits(rows: int, of: int, found: int, risk: float) -> tuple[float, float]:
    """Least and largest share in ``rows`` rows by chance; the reference has ``found`` in ``of``."""
    from scipy.stats import beta

    usual = (found + 0.5) / (of + 1)
    spread = 1 / rows + 1 / of
    if spread >= 1:
        return 0.0, 1.0
    weight = 1 / spread - 1
    ends = beta.ppf([risk, 1 - risk], usual * weight, (1 - usual) * weight)
    return float(ends[0]) - 0.5 / rows, float(ends[1]) + 0.5 / rows


def _rounded(rows: int) -> int:
    """``rows`` to two digits, downwards, so that chunks of similar size share their draws."""
    unit = 10 ** max(len(str(rows)) - 2, 0)
    return int(rows // unit * unit)


def _power(method: str) -> float:
    return 1.0 if method in ("chi2", "population_stability_index") else 0.5


def _jensen_shannon(null: Null, found: Floats, rows: int) -> Floats:
    middle = (null.shares + found) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log2(one / middle), 0) for one in (null.shares, found)]
    return np.asarray(np.sqrt(np.maximum((parts[0] + parts[1]).sum(axis=1) / 2, 0)))


def _hellinger(null: Null, found: Floats, rows: int) -> Floats:
    apart = np.square(np.sqrt(null.shares) - np.sqrt(found)).sum(axis=1)
    return np.asarray(np.sqrt(apart / 2))


def _l_infinity(null: Null, found: Floats, rows: int) -> Floats:
    return np.asarray(np.abs(null.shares - found).max(axis=1))


def _chi2(null: Null, found: Floats, rows: int) -> Floats:
    both = rows * found + null.rows * null.shares
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = rows * null.rows * np.square(found - null.shares) / both
    return np.asarray(np.nan_to_num(parts).sum(axis=1))


def _wasserstein(null: Null, found: Floats, rows: int) -> Floats:
    apart = np.abs(np.cumsum(found - null.shares, axis=1))[:, :-1]
    return np.asarray(apart @ np.diff(null.points))


def _psi(null: Null, found: Floats, rows: int) -> Floats:
    return stability_index(null.shares, found)


STATISTICS: dict[str, Callable[[Null, Floats, int], Floats]] = {
    "jensen_shannon": _jensen_shannon,
    "hellinger": _hellinger,
    "l_infinity": _l_infinity,
    "chi2": _chi2,
    "wasserstein": _wasserstein,
    "population_stability_index": _psi,
}
