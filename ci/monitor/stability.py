"""The Population Stability Index as a method of NannyML's, which has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from nannyml.drift.univariate.calculator import DEFAULT_THRESHOLDS
from nannyml.drift.univariate.methods import FeatureType, Method, MethodFactory
from nannyml.thresholds import StandardDeviationThreshold

from ci.monitor.chance import psi_edges, stability_index

if TYPE_CHECKING:
    import pandas as pd

NAME = "population_stability_index"


class _StabilityIndex(Method):  # type: ignore[misc]
    """Sum over bins of (found - expected) times the logarithm of their ratio."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            display_name="Population Stability Index",
            column_name=NAME,
            lower_threshold_limit=0,
            **kwargs,
        )

    def _fit(self, reference_data: pd.Series[Any], timestamps: Any = None) -> _StabilityIndex:
        self._prepare(reference_data.dropna())
        self._expected = self._shares(reference_data.dropna())
        return self

    def _calculate(self, data: pd.Series[Any]) -> float:
        known = data.dropna()
        if known.empty:
            return float("nan")
        return float(stability_index(self._expected, self._shares(known)))

    def _prepare(self, values: pd.Series[Any]) -> None:
        raise NotImplementedError

    def _shares(self, values: pd.Series[Any]) -> Any:
        raise NotImplementedError


class _OfNumbers(_StabilityIndex):
    """In the tenths of the reference."""

    def _prepare(self, values: pd.Series[Any]) -> None:
        self._edges = psi_edges(values.to_numpy(dtype="float64"))

    def _shares(self, values: pd.Series[Any]) -> Any:
        return np.histogram(values.to_numpy(dtype="float64"), bins=self._edges)[0] / len(values)


class _OfCategories(_StabilityIndex):
    """In the reference's categories, and one for all new ones."""

    def _prepare(self, values: pd.Series[Any]) -> None:
        self._categories = list(values.unique())

    def _shares(self, values: pd.Series[Any]) -> Any:
        shares = values.value_counts(normalize=True).reindex(self._categories).fillna(0).to_numpy()
        return np.append(shares, max(0.0, 1 - shares.sum()))


def register() -> None:
    """Let NannyML's calculators know the method; its own registry knows no second time."""
    if NAME not in MethodFactory.registry:
        MethodFactory.register(NAME, FeatureType.CONTINUOUS)(_OfNumbers)
        MethodFactory.register(NAME, FeatureType.CATEGORICAL)(_OfCategories)
        DEFAULT_THRESHOLDS[NAME] = StandardDeviationThreshold(std_lower_multiplier=None)
