"""Metric values and differences as people read them, in the unit of the business."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ci.evaluate.metrics import METRICS

if TYPE_CHECKING:
    from ci.contract.model import ModelContract

MOST_DECIMALS = 6


def number(value: float) -> str:
    """Three significant digits, thousands with commas, such as ``17.5`` or ``1,240``."""
    if value == 0:
        return "0"
    decimals = min(max(0, 2 - math.floor(math.log10(abs(value)))), MOST_DECIMALS)
    return f"{value:,.{decimals}f}"


def unit_of(contract: ModelContract, metric: str) -> str:
    """What follows a value of ``metric``: the output's unit, ``%`` or nothing."""
    scale = METRICS[metric].scale
    if scale == "share":
        return "%"
    return (contract.output[contract.answer].unit or "") if scale == "unit" else ""


def amount(contract: ModelContract, metric: str, value: float | None) -> str:
    """A value of ``metric`` with its unit; ``not defined`` where it is None."""
    if value is None:
        return "not defined"
    scaled = 100 * value if METRICS[metric].scale == "share" else value
    return f"{number(scaled)} {unit_of(contract, metric)}".rstrip()


def gain(contract: ModelContract, metric: str, difference: float | None) -> str:
    """A signed difference (positive is better) in words, such as ``1.2 units better``."""
    if difference is None:
        return "not defined"
    if difference == 0:
        return "no difference"
    return f"{_size(contract, metric, difference)} {_side(difference)}"


def span(contract: ModelContract, metric: str, interval: tuple[float, float]) -> str:
    """An interval of differences in words, such as ``between 0.4 and 2 units better``."""
    low, high = sorted(interval, key=abs)
    if low * high < 0:
        worse, better = interval
        return f"between {gain(contract, metric, worse)} and {gain(contract, metric, better)}"
    if high == 0:
        return "no difference"
    near = _number(metric, low)
    return f"between {near} and {gain(contract, metric, high)}"


def _side(difference: float) -> str:
    return "better" if difference > 0 else "worse"


def _number(metric: str, difference: float) -> str:
    return number(abs(100 * difference if METRICS[metric].scale == "share" else difference))


def _size(contract: ModelContract, metric: str, difference: float) -> str:
    share = METRICS[metric].scale == "share"
    unit = "percentage points" if share else unit_of(contract, metric)
    return f"{_number(metric, difference)} {unit}".rstrip()
