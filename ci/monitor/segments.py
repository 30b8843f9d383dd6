"""For a segmentation: how large each segment is, and how many stay where they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ci.monitor.chunks import TIME, UNIT
from ci.monitor.measures import KEPT, SEGMENT
from ci.monitor.quality import Share

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ci.contract.model import ModelContract
    from ci.monitor.periods import Periods


def segment_shares(contract: ModelContract, periods: Periods) -> Iterator[Share]:
    """The share of each segment, and of those that are in the segment of the time before."""
    if contract.task != "segmentation":
        return
    output = contract.answer
    before, now = periods.reference[output], periods.analysis[output]
    for value in sorted(before.dropna().unique()):
        name = f"{output} {value}"
        yield Share(name, SEGMENT, _is(before, value), _is(now, value))
    if UNIT in periods.reference and UNIT in periods.analysis:
        yield _kept(periods, output)


def _is(column: pd.Series[Any], value: Any) -> pd.Series[Any]:
    """Which rows have ``value``; missing where nothing is known."""
    found: pd.Series[Any] = column.map(lambda each: each == value)
    return found.where(column.notna())


def _kept(periods: Periods, output: str) -> Share:
    import pandas as pd

    columns = [UNIT, TIME, output]
    both = pd.concat(
        [periods.reference[columns], periods.analysis[columns]], keys=["before", "now"]
    )
    last = both.groupby(UNIT)[output].shift()
    same = both[output].eq(last).where(last.notna() & both[output].notna())
    before, now = (same.xs(part) for part in ("before", "now"))
    return Share(output, KEPT, before, now)
