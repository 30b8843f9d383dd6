"""The policy applied to measures: what is an alert, and what does it say."""

from __future__ import annotations

from dataclasses import dataclass, field
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
class Finding:
    """A column and method, or the realised metric, in several chunks.

    ``value`` and ``threshold`` are those of ``chunk``, the chunk that lies furthest out;
    ``chunks_over`` lists the chunks over the threshold.
    """

    name: str
    method: str
    value: float | None
    threshold: float | None
    chunk: str
    chunks_over: list[str]


@dataclass(frozen=True)
class Signal(Finding):
    """One feature and method over all chunks.

    ``alarms`` are the chunks at whose end the policy's rule held; ``alert`` says whether it holds
    at the end of the newest. What does not matter by the policy never alerts. ``made_by`` are the
    chunks over the threshold that make it the alert of now, or made it those of earlier.
    """

    alarms: list[str]
    alert: bool
    matters: bool = True
    made_by: list[str] = field(default_factory=list)


def signals(
    measures: Sequence[Measure], rule: AlertRule, important: Collection[str] = ()
) -> list[Signal]:
    """One signal a (name, method), alerts first, then as found.

    Where the period has fewer chunks than the rule asks for, all of them must be over. Of
    ``important`` columns, where any are given, a signal may be an alert, of others never.
    """
    wanted = min(rule.chunks, len({measure.chunk for measure in measures}))
    reachable = rule.model_copy(update={"chunks": wanted})
    found = []
    for (name, method), group in groupby(measures, key=lambda m: (m.name, m.method)):
        rows = list(group)
        worst = max(rows, key=excess)
        over = [row.chunk for row in rows if row.alert]
        matters = _matters(name, important)
        held = holds([row.alert for row in rows], reachable) if matters else []
        alarms = [row.chunk for row, alarm in zip(rows, held, strict=False) if alarm]
        alert, made_by = bool(held) and held[-1], _made_by(rows, held, rule)
        furthest = (worst.value, threshold_of(worst), worst.chunk)
        found.append(Signal(name, method, *furthest, over, alarms, alert, matters, made_by))
    return sorted(found, key=lambda signal: not signal.alert)


def _made_by(rows: Sequence[Measure], held: Sequence[bool], rule: AlertRule) -> list[str]:
    """The chunks over the threshold for which the rule holds now; if it doesn't, for which it did.

    A chunk that was over long before the alert of now says nothing of when it began.
    """
    ends = [at for at, alarm in enumerate(held) if alarm]
    if ends and held[-1]:
        begin = max((at for at, alarm in enumerate(held) if not alarm), default=-1)
        ends = [at for at in ends if at > begin]
    near = {at for end in ends for at in range(max(end - rule.of + 1, 0), end + 1)}
    return [row.chunk for at, row in enumerate(rows) if at in near and row.alert]


def _matters(name: str, important: Collection[str]) -> bool:
    """A segment's share is called by the column and the segment."""
    return not important or name.partition(" ")[0] in important


def holds(alerts: Sequence[bool], rule: AlertRule) -> list[bool]:
    """For each chunk whether ``rule.chunks`` of the last ``rule.of`` up to it are over."""
    ends = range(1, len(alerts) + 1)
    return [sum(alerts[max(end - rule.of, 0) : end]) >= rule.chunks for end in ends]


def excess(measure: Measure) -> float:
    """How far out a chunk lies: 1 is at the threshold; above 1 is over it."""
    threshold = threshold_of(measure)
    if measure.value is None or threshold is None:
        return 1.5 if measure.alert else 0.0
    if measure.lower is not None and measure.value < measure.lower:
        return 1.0 + (measure.lower - measure.value) / (abs(measure.lower) or 1.0)
    return measure.value / threshold if threshold > 0 else float(measure.alert) * 1.5


def threshold_of(measure: Measure) -> float | None:
    """The limit that a chunk is over, or the upper one."""
    if measure.lower is not None and measure.value is not None and measure.value < measure.lower:
        return measure.lower
    return measure.upper


def worse_chunks(realised: Sequence[Measure], rule: AlertRule) -> list[Measure]:
    """Of the newest ``rule.of`` chunks with outcomes those that are an alert; else none.

    They are one where one of them is much worse than usual, or enough of them are over the limit.
    """
    return _worse_in(realised[-rule.of :], rule)


def worse_before(realised: Sequence[Measure], rule: AlertRule) -> list[Measure]:
    """Earlier chunks that were an alert in their time, and are none of `worse_chunks`."""
    ends = range(1, len(realised))
    found = [
        each for end in ends for each in _worse_in(realised[max(end - rule.of, 0) : end], rule)
    ]
    now = {measure.chunk for measure in worse_chunks(realised, rule)}
    before = {measure.chunk: measure for measure in found if measure.chunk not in now}
    return [before[chunk] for chunk in sorted(before, key=chunk_order)]


def _worse_in(realised: Sequence[Measure], rule: AlertRule) -> list[Measure]:
    over = [measure.alert and _worse_by(measure) > 0 for measure in realised]
    found = [measure for measure, is_over in zip(realised, over, strict=True) if is_over]
    if sum(over) >= rule.chunks:
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


def enough_at(found: Sequence[Signal], rule: AlertRule) -> set[str]:
    """Chunks at whose end enough columns raised an alert."""
    names: dict[str, set[str]] = {}
    for signal in found:
        for chunk in signal.alarms:
            names.setdefault(chunk, set()).add(signal.name)
    return {chunk for chunk, drifted in names.items() if len(drifted) >= rule.features}


def causes(features: Sequence[Signal], worse: Sequence[Measure]) -> list[str]:
    """What an alert is about: columns, and the metric that is worse."""
    return sorted({each.name for each in features if each.alert} | {each.name for each in worse})


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
        parts.append(f"its {_worse_than_usual(worse)}")
    if len(names) >= rule.features:
        when = between({c for signal in found if signal.alert for c in signal.made_by})
        columns = len(set(names) - {TOGETHER})
        parts.append(f"{', '.join(names)} drifted ({columns} of {watched} columns), {when}")
    if parts:
        return f"Alert for {model}: {'; '.join(parts)}."
    if names:
        few = f"{', '.join(names)} drifted, fewer columns than the policy's {rule.features}"
        return f"No alert for {model}: {few}."
    if not watched:
        return f"No alert for {model}, but nothing was looked at: no column could be measured."
    return f"No alert for {model}: none of its {watched} measured columns {_quiet(found, rule)}."


def earlier(found: Sequence[Signal], realised: Sequence[Measure], rule: AlertRule) -> str | None:
    """What was an alert in its time, before the newest chunks, in a sentence; None for nothing."""
    worse = worse_before(realised, rule)
    parts = [f"its {_worse_than_usual(worse)}"] if worse else []
    over = [signal for signal in found if signal.alarms and not signal.alert]
    names = ", ".join(dict.fromkeys(signal.name for signal in over))
    if over:
        when = between({chunk for signal in over for chunk in signal.made_by})
        parts.append(f"{names} drifted, {when}")
    return f"Earlier in this period: {'; '.join(parts)}." if parts else None


def _worse_than_usual(worse: Sequence[Measure]) -> str:
    weeks = ", ".join(chunk_ends(measure.chunk)[0] for measure in worse)
    change = max(abs(_change(measure)) for measure in worse)
    label = METRICS[worse[0].name].label
    return f"{label} was up to {change:.0%} worse than usual (chunks from {weeks})"


def between(chunks: Collection[str]) -> str:
    """From when to when the ``chunks`` go, in words."""
    first, last = min(chunks, key=chunk_order), max(chunks, key=chunk_order)
    begin, end = chunk_ends(first)[0], chunk_ends(last)[1]
    return f"on {begin}" if begin == end else f"between {begin} and {end}"


def _quiet(found: Sequence[Signal], rule: AlertRule) -> str:
    """That no column drifts now, and which ones did, or were over their threshold too briefly."""
    gone = {signal.name for signal in found if signal.alarms}
    over = {signal.name: signal for signal in found if signal.chunks_over}
    brief = ", ".join(name for name in over if name not in gone and over[name].matters)
    other = ", ".join(name for name in over if not over[name].matters)
    said = "drifts any more" if gone else "drifted for long enough" if brief else "drifted"
    parts = []
    if brief:
        parts.append(
            f"{brief} over the threshold, but not in {rule.chunks} of {rule.of} chunks in a row"
        )
    if other:
        parts.append(f"{other} over the threshold, but not important by the policy")
    return f"{said} ({'; '.join(parts)})" if parts else said
