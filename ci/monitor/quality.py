"""Shares of rows in each chunk: missing, never seen, and against the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ci.monitor.chunks import chunk_order
from ci.monitor.measures import FORBIDDEN, KEPT, MISSING, UNSEEN, Measure, measurable, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.contract.monitoring import LeastChange
    from ci.monitor.chunks import Layout
    from ci.monitor.periods import Periods

DEVIATIONS = 3
# Fewer of them than usual is no news, as more who stay in their segment is none.
ONLY_MORE = (UNSEEN, FORBIDDEN)


@dataclass(frozen=True)
class Share:
    """Which rows count, in both periods (booleans, one a row; missing: the row does not matter)."""

    name: str
    method: str
    reference: pd.Series[Any]
    analysis: pd.Series[Any]

    def within(self, part: Periods) -> Share:
        """The same of some rows of both periods."""
        if len(part.reference) == len(self.reference) and len(part.analysis) == len(self.analysis):
            return self  # looking up each of a million rows takes its time
        before, now = self.reference[part.reference.index], self.analysis[part.analysis.index]
        return Share(self.name, self.method, before, now)


def shares(contract: ModelContract, layout: Layout, periods: Periods) -> Iterator[Share]:
    """Shares of missing values, of values that the reference never had, and of forbidden ones."""
    reference, analysis = periods.reference, periods.analysis
    for name in [name for name in contract.input if name in analysis]:
        before, now = reference[name].isna(), analysis[name].isna()
        if contract.input[name].nullable or before.any() or now.any():
            yield Share(name, MISSING, before, now)
    for name in measurable(contract, periods):
        if name in contract.input and contract.input[name].type == "string":
            yield _unseen(layout, periods, name)
    for name, broken in periods.forbidden.items():
        if broken.any():
            yield Share(name, FORBIDDEN, reference[name].isna() & False, broken)


def _unseen(layout: Layout, periods: Periods, name: str) -> Share:
    """In the reference: values that no other chunk has, as an identifier's."""
    reference, analysis = periods.reference[name], periods.analysis[name]
    once = layout.reference.groupby(reference).nunique()
    alone = reference.isin(set(once.index[once == 1]))
    new = ~analysis.isin(set(reference.dropna())) & analysis.notna()
    return Share(name, UNSEEN, alone, new)


def measured(share: Share, layout: Layout, least: LeastChange, risk: float) -> Iterator[Measure]:
    """The share in each chunk, and the limits that chance and the reference's chunks set."""
    from ci.monitor.chance import share_limits

    usual = share.reference.dropna()
    if usual.empty:  # such as households that the reference has once: nothing says what is usual
        return
    chunks = usual.astype(float).groupby(layout.reference[usual.index]).mean()
    own = chunks[chunks.index.isin(layout.whole)]
    mean, deviation = float(usual.astype(float).mean()), float(own.std(ddof=0))
    known = share.analysis.dropna().astype(float)
    groups = known.groupby(layout.analysis[known.index]).agg(["mean", "size"])
    for chunk in sorted(groups.index, key=chunk_order):
        value, rows = float(groups.loc[chunk, "mean"]), int(groups.loc[chunk, "size"])
        low, high = share_limits(rows, len(usual), int(usual.sum()), risk)
        smallest = least.stability if share.method == KEPT else least.share
        width = max(DEVIATIONS * deviation, smallest)
        measure = Measure(
            share.name, share.method, chunk, value, None, None, mean, False, layout.ends[chunk]
        )
        lower, upper = min(low, mean - width), max(high, mean + width)
        yield within(
            measure,
            None if lower <= 0 or share.method in ONLY_MORE else lower,
            None if upper >= 1 or share.method == KEPT else upper,
        )
