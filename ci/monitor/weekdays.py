"""A day is compared with its own weekday: that Saturdays are not as Mondays is no drift.

Compared with all days of the reference, the days of a shop differ so much by their weekday alone
that half a standard deviation would stay below every limit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ci.monitor.chunks import TIME, Layout, chunk_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ci.monitor.measures import Measure
    from ci.monitor.periods import Periods

# What is usual for a weekday takes a quarter of a year; three deviations of fewer say little.
LEAST_WEEKS = 13
NOTE = "A day is compared with the same weekday of the reference."


def alike(layout: Layout, periods: Periods) -> list[tuple[Layout, Periods]]:
    """Both periods in parts whose chunks are alike by the calendar, rows keeping their index.

    Days of a weekday that the reference has too seldom are compared with all of it.
    """
    if layout.rules.chunk != "day":
        return [(layout, periods)]
    before, now = (_weekday(table) for table in (periods.reference, periods.analysis))
    weeks = periods.reference[TIME].dt.normalize().groupby(before).nunique()
    known = [day for day in sorted(now.unique()) if weeks.get(day, 0) >= LEAST_WEEKS]
    parts = [_of_day(periods, before == day, now == day) for day in known]
    if not now.isin(known).all():
        others = periods.analysis[~now.isin(known)]
        parts.append(replace(periods, analysis=others))
    return [(Layout(layout.rules, part), part) for part in parts]


def in_order(found: Sequence[Measure]) -> list[Measure]:
    """Measures of all parts: those of a signal together, in time."""
    signals = {key: at for at, key in enumerate(dict.fromkeys(map(_key, found)))}
    return sorted(found, key=lambda each: (signals[_key(each)], chunk_order(each.chunk)))


def _key(measure: Measure) -> tuple[str, str]:
    return measure.name, measure.method


def _weekday(table: pd.DataFrame) -> pd.Series[int]:
    days: pd.Series[int] = table[TIME].dt.day_of_week
    return days


def _of_day(periods: Periods, before: pd.Series[bool], now: pd.Series[bool]) -> Periods:
    return replace(periods, reference=periods.reference[before], analysis=periods.analysis[now])
