"""From a dimension of the search to a value that a person would write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.contract.columns import Scalar
    from ci.contract.tuning import Dimension

DIGITS = 4


def distributions(space: Sequence[Dimension]) -> dict[str, Any]:
    """Optuna's distribution of each key."""
    from optuna import distributions as of

    found: dict[str, Any] = {}
    for each in space:
        if each.choices is not None:
            found[each.key] = of.CategoricalDistribution(each.choices)
        elif each.whole:
            found[each.key] = of.IntDistribution(int(each.low), int(each.high), log=each.log)
        else:
            found[each.key] = of.FloatDistribution(each.low, each.high, log=each.log)
    return found


def values(space: Sequence[Dimension], suggested: dict[str, Any]) -> dict[str, Scalar]:
    """What is tried for what Optuna suggests: numbers with few digits, inside their range."""
    return {each.key: _rounded(each, suggested[each.key]) for each in space}


def _rounded(dimension: Dimension, value: Any) -> Scalar:
    if dimension.choices is not None or dimension.whole:
        return value  # type: ignore[no-any-return]
    short = float(f"{value:.{DIGITS}g}")
    return min(max(short, dimension.low), dimension.high)


def contains(dimension: Dimension, value: Scalar) -> bool:
    """Whether a search of ``dimension`` could come to ``value``."""
    if dimension.choices is not None:
        return value in dimension.choices
    kinds = int if dimension.whole else int | float
    numeric = isinstance(value, kinds) and not isinstance(value, bool)
    return numeric and dimension.low <= float(value) <= dimension.high
