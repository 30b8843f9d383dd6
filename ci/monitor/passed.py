"""Alerts that began and ended between two checks: the newest chunks say nothing of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ci.evaluate.metrics import METRICS
from ci.monitor.alerts import Finding, between, enough_at, excess, threshold_of, worse_before
from ci.monitor.measures import REALISED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ci.contract.monitoring import AlertRule
    from ci.monitor.alerts import Signal
    from ci.monitor.measures import Measure
    from ci.monitor.runs import Metric, Run


@dataclass(frozen=True)
class Passed(Finding):
    """What was an alert and is none any more.

    ``chunks_over`` are those that made it one, at least one of them since the last check.
    """


def passed_columns(
    found: Sequence[Signal],
    measures: Iterable[Measure],
    rule: AlertRule,
    last: Run | None,
    alert: bool,
) -> list[Passed]:
    """Of the signals ``found`` those that were an alert since ``last`` and are none now.

    The first check of all has nothing to look back to: what is earlier is no news to it.
    ``alert`` says whether this check is one.
    """
    if last is None:
        return []
    rows = {key: list(group) for key, group in groupby(measures, key=_key)}
    enough = enough_at(found, rule)
    result = []
    for signal in found:
        if not (alert and signal.alert):
            mine = rows[signal.name, signal.method]
            held = enough & set(signal.alarms)
            ends = [at for at, row in enumerate(mine, 1) if row.chunk in held]
            result += _of(_made([mine[max(end - rule.of, 0) : end] for end in ends], last))
    return result


def passed_performance(
    realised: Sequence[Measure], rule: AlertRule, last: Run | None
) -> list[Passed]:
    """The realised metric, where it was an alert since ``last``."""
    if last is None:
        return []
    earlier = worse_before(realised, rule)
    return _of([row for row in earlier if _is_new(row, last)])


def with_passed(headline: str, model: str, passed: Sequence[Passed], alert: bool) -> str:
    """``headline`` with what has passed, so that it does not read as if nothing had been."""
    if not passed:
        return headline
    columns = [each for each in passed if each.method != REALISED]
    parts = [
        f"its {METRICS[each.name].label} was worse than usual, {between(each.chunks_over)}"
        for each in passed
        if each.method == REALISED
    ]
    if columns:
        names = ", ".join(dict.fromkeys(each.name for each in columns))
        parts.append(f"{names} drifted, {between({c for e in columns for c in e.chunks_over})}")
    said = "; ".join(parts)
    if alert:
        return f"{headline} And since the last check, but not any more: {said}."
    return f"No alert for {model} any more, but since the last check: {said}."


def _made(windows: Iterable[Sequence[Measure]], last: Run) -> list[Measure]:
    """The chunks over the limit in those windows that have a new one over it, in their order."""
    over = [[row for row in window if row.alert] for window in windows]
    news = [rows for rows in over if any(_is_new(row, last) for row in rows)]
    return list({row.chunk: row for rows in news for row in rows}.values())


def _of(made: Sequence[Measure]) -> list[Passed]:
    if not made:
        return []
    worst = max(made, key=excess)
    chunks = [row.chunk for row in made]
    value, threshold = worst.value, threshold_of(worst)
    return [Passed(worst.name, worst.method, value, threshold, worst.chunk, chunks)]


def _is_new(measure: Measure, last: Run) -> bool:
    """Whether ``last`` did not judge this chunk, or judged it before all of its rows were there."""
    own = [each for each in last.metrics if _key(each) == _key(measure)]
    # Some shares are measured only where there are any: they were looked for with the others.
    seen = [each for each in own or last.metrics if each.until is not None]
    if measure.until is None or not seen:
        return False
    if not own and measure.method == REALISED:
        return True
    newest = max(seen, key=lambda each: str(each.until))
    if measure.until == newest.until:
        return measure.chunk == newest.chunk and measure.name not in (*last.columns, *last.passed)
    return measure.until > str(newest.until)


def _key(each: Measure | Metric) -> tuple[str, str]:
    return each.name, each.method
