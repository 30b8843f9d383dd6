"""The policy applied to measures: what is an alert, and what does it say."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ci.evaluate.metrics import METRICS
from ci.monitor.chunks import chunk_ends, chunk_order
from ci.monitor.measures import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ci.contract.monitoring import AlertRule
    from ci.monitor.measures import Measure


@dataclass(frozen=True)
class Signal:
    """One feature and method over all chunks.

    ``value`` and ``threshold`` are those of ``chunk``, the chunk that lies furthest out;
    ``chunks_over`` lists the chunks over the threshold; ``alert`` is the policy's word.
    """

    name: str
    method: str
    value: float | None
    threshold: float | None
    chunk: str
    chunks_over: list[str]
    alert: bool


def signals(measures: Sequence[Measure], rule: AlertRule) -> list[Signal]:
    """One signal a (name, method), alerts first, then as found.

    Where the period has fewer chunks than the rule asks for, all of them must be over.
    """
    wanted = min(rule.chunks, len({measure.chunk for measure in measures}))
    reachable = rule.model_copy(update={"chunks": wanted})
    found = []
    for (name, method), group in groupby(measures, key=lambda m: (m.name, m.method)):
        rows = list(group)
        worst = max(rows, key=excess)
        over = [row.chunk for row in rows if row.alert]
        alert = enough_in_a_row([row.alert for row in rows], reachable)
        signal = Signal(name, method, worst.value, _threshold(worst), worst.chunk, over, alert)
        found.append(signal)
    return sorted(found, key=lambda signal: not signal.alert)


def enough_in_a_row(alerts: Sequence[bool], rule: AlertRule) -> bool:
    """Whether ``rule.chunks`` of some ``rule.of`` chunks in a row are over the threshold."""
    return any(sum(alerts[end : end + rule.of]) >= rule.chunks for end in range(len(alerts)))


def excess(measure: Measure) -> float:
    """How far out a chunk lies: 1 is at the threshold; above 1 is over it."""
    threshold = _threshold(measure)
    if measure.value is None or threshold is None:
        return 1.5 if measure.alert else 0.0
    if measure.lower is not None and measure.value < measure.lower:
        return 1.0 + (measure.lower - measure.value) / (abs(measure.lower) or 1.0)
    return measure.value / threshold if threshold > 0 else float(measure.alert) * 1.5


def _threshold(measure: Measure) -> float | None:
    if measure.lower is not None and measure.value is not None and measure.value < measure.lower:
        return measure.lower
    return measure.upper


def worse_chunks(realised: Sequence[Measure], rule: AlertRule) -> list[Measure]:
    """Chunks whose realised metric is over its limit, where they are an alert; else none.

    They are one where one of them is much worse than usual, or enough of them lie in a row.
    """
    over = [measure.alert and _worse_by(measure) > 0 for measure in realised]
    found = [measure for measure, is_over in zip(realised, over, strict=True) if is_over]
    if enough_in_a_row(over, rule):
        return found
    return [measure for measure in found if _worse_by(measure) >= rule.worse_by]


def _worse_by(measure: Measure) -> float:
    """How much worse than usual a chunk is, as a share of the usual value."""
    return _change(measure) * _worse_sign(measure.name)


def _worse_sign(metric: str) -> int:
    """An error is worse when it is higher, a share of hits when it is lower."""
    return -1 if METRICS[metric].better == "higher" else 1


def _change(measure: Measure) -> float:
    return ((measure.value or 0.0) - (measure.usual or 0.0)) / abs(measure.usual or 1.0)


def is_alert(found: Sequence[Signal], worse: Sequence[Measure], rule: AlertRule) -> bool:
    """Whether enough features raise an alert, or performance does."""
    drifted = {signal.name for signal in found if signal.alert}
    return bool(worse) or len(drifted) >= rule.features


def headline(
    model: str,
    found: Sequence[Signal],
    worse: Sequence[Measure],
    rule: AlertRule,
    unmeasured: Collection[str] = (),
) -> str:
    """The check in one sentence; ``unmeasured`` columns do not count as quiet."""
    names = list(dict.fromkeys(signal.name for signal in found if signal.alert))
    watched = len(({signal.name for signal in found} - set(unmeasured) | set(names)) - {TOGETHER})
    parts = []
    if worse:
        weeks = ", ".join(chunk_ends(measure.chunk)[0] for measure in worse)
        change = max(abs(_change(measure)) for measure in worse)
        what = METRICS[worse[0].name].label
        parts.append(f"its {what} was up to {change:.0%} worse than usual (chunks from {weeks})")
    if len(names) >= rule.features:
        over = {chunk for signal in found if signal.alert for chunk in signal.chunks_over}
        first, last = min(over, key=chunk_order), max(over, key=chunk_order)
        when = f"between {chunk_ends(first)[0]} and {chunk_ends(last)[1]}"
        columns = len(set(names) - {TOGETHER})
        parts.append(f"{', '.join(names)} drifted ({columns} of {watched} columns), {when}")
    if parts:
        return f"Alert for {model}: {'; '.join(parts)}."
    if names:
        few = f"{', '.join(names)} drifted, fewer columns than the policy's {rule.features}"
        return f"No alert for {model}: {few}."
    if not watched:
        return f"No alert for {model}, but nothing was looked at: no column could be measured."
    quiet = f"No alert for {model}: none of its {watched} measured columns drifted"
    return f"{quiet}{_briefly(found, rule)}."


def _briefly(found: Sequence[Signal], rule: AlertRule) -> str:
    """Which columns were over their threshold, but not for long enough to be an alert."""
    names = list(dict.fromkeys(signal.name for signal in found if signal.chunks_over))
    if not names:
        return ""
    return (
        f" for long enough ({', '.join(names)} over the threshold in fewer than {rule.chunks} of "
        f"{rule.of} chunks in a row)"
    )
