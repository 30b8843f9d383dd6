"""What one method found for one signal in one chunk, and which columns were not measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.monitor.periods import Periods

NUMERIC = ("number", "integer")
# Shares of rows, beside the methods that compare distributions.
MISSING, UNSEEN, FORBIDDEN = "missing_values", "unseen_values", "forbidden_values"
SEGMENT, KEPT = "share_of_segment", "kept_segment"
SHARES = (MISSING, UNSEEN, FORBIDDEN, SEGMENT, KEPT)
TOGETHER = "all columns together"
# The metric of the predictions, once targets are in.
REALISED = "realised"
# More values than these are rare ones: they count as one.
MOST_CATEGORIES = 50
RARE = "other values"


@dataclass(frozen=True)
class Measure:
    """What one method found for one signal in one chunk; thresholds None where there is none.

    ``usual`` is the mean over the chunks of the reference, ``until`` the time (ISO) at which the
    chunk ends.
    """

    name: str
    method: str
    chunk: str
    value: float | None
    lower: float | None
    upper: float | None
    usual: float | None
    alert: bool
    until: str | None = None


def within(measure: Measure, lower: float | None, upper: float | None) -> Measure:
    """``measure`` with other limits."""
    lower, upper = (None if each is None else float(each) for each in (lower, upper))
    value = measure.value
    over = value is not None and (
        (upper is not None and value > upper) or (lower is not None and value < lower)
    )
    return replace(measure, lower=lower, upper=upper, alert=over)


@dataclass(frozen=True)
class Unmeasured:
    """Columns that were not measured, and why: silence must not look like "all good"."""

    name: str
    reason: str

    @property
    def columns(self) -> list[str]:
        """The columns of ``name``."""
        return self.name.split(", ")


def unmeasured(
    contract: ModelContract, periods: Periods, found: Sequence[Measure]
) -> list[Unmeasured]:
    """Columns that the measures say nothing about."""
    reasons = {name: why_not(contract, periods, name) for name in _columns(contract)}
    distances = [m for m in found if m.method not in SHARES and m.name in reasons]
    for name in {measure.name for measure in distances}:
        own = [measure for measure in distances if measure.name == name]
        if all(measure.value is None for measure in own):
            reasons[name] = f"NannyML's {own[0].method} gave no value for it"
        elif all(_blind(measure) for measure in own):
            reasons[name] = (
                "chunks are so small, or the reference's differ so much, that no change can show"
            )
    return _by_reason(reasons)


def _blind(measure: Measure) -> bool:
    bounded = measure.method in ("kolmogorov_smirnov", "jensen_shannon", "hellinger", "l_infinity")
    return bounded and measure.upper is not None and measure.upper >= 1


def _by_reason(reasons: dict[str, str | None]) -> list[Unmeasured]:
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        if reason:
            names.setdefault(reason, []).append(name)
    return [Unmeasured(", ".join(same), reason) for reason, same in names.items()]


def measurable(contract: ModelContract, periods: Periods) -> list[str]:
    """Columns whose distribution means something."""
    return [name for name in _columns(contract) if not why_not(contract, periods, name)]


def _columns(contract: ModelContract) -> list[str]:
    return [*contract.input, *contract.output]


def why_not(contract: ModelContract, periods: Periods, name: str) -> str | None:
    """Why the distribution of a column means nothing, or None where it does."""
    column = contract.input.get(name)
    if column is None and contract.task == "ranking":
        return "a list of items has no distribution"
    if name not in periods.analysis:
        return "personal data, which the prediction log leaves out"
    if name == contract.evaluation.unit or (column and column.pii):
        return "an identifier, or personal data"
    if name in periods.empty:
        return "has no values in one of the periods"
    return None


def type_of(contract: ModelContract, name: str) -> str:
    """The contract's type of an input or output column."""
    column = contract.input.get(name) or contract.output[name]
    return column.type


def measures_in(
    table: pd.DataFrame, key: tuple[str, ...], name: str, method: str
) -> Iterator[Measure]:
    """The analysis chunks of NannyML's ``table``, in its columns that begin with ``key``."""
    head = _head(key)
    reference = table[table[(*head, "period")] == "reference"]
    usual = number(reference[(*key, "value")].mean())
    analysis = table[table[(*head, "period")] == "analysis"]
    columns = [(*head, "key"), (*head, "end_date"), *((*key, part) for part in PARTS)]
    for chunk, end, value, lower, upper, alert in analysis[columns].itertuples(
        index=False, name=None
    ):
        yield Measure(
            name=name,
            method=method,
            chunk=str(chunk),
            value=number(value),
            lower=number(lower),
            upper=number(upper),
            usual=usual,
            alert=bool(alert),
            until=end.isoformat(),
        )


PARTS = ("value", "lower_threshold", "upper_threshold", "alert")


def spread_of(
    table: pd.DataFrame, key: tuple[str, ...], chunks: Collection[str]
) -> tuple[float, float]:
    """Mean and standard deviation of the values of the reference's ``chunks``."""
    head = _head(key)
    usual = table[table[(*head, "period")] == "reference"]
    whole = usual[usual[(*head, "key")].isin(chunks)]
    values = whole[(*key, "value")].to_numpy(dtype="float64")
    return float(values.mean()), float(values.std())


def _head(key: tuple[str, ...]) -> tuple[str, ...]:
    return ("chunk", "chunk") if len(key) == 2 else ("chunk",)


def number(value: Any) -> float | None:
    """``value`` as a finite float, or None."""
    return None if value is None or not math.isfinite(value) else float(value)
