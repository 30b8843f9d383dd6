"""The blocks of the report that set the candidate beside its rivals, in business units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.evaluate.metrics import METRICS
from ci.evaluate.words import amount, gain, span
from ci.report.markdown import name, plain, table

if TYPE_CHECKING:
    from ci.evaluate.outcome import Difference, Slice
    from ci.gate import Judgement
    from ci.report.sections import Subject

SLICES_SHOWN = 12


def in_words(verdict: str) -> str:
    """What a comparison found, within a sentence."""
    return {
        "better": "clearly better",
        "worse": "clearly worse",
        "unknown": "whether that is chance can't be told",
    }.get(verdict, verdict)


def metrics(subject: Subject) -> str:
    """The candidate beside its rival, metric by metric."""
    judgement = subject.judgement
    found, contract = judgement.evaluation, judgement.contract
    rival = found.rival(found.metrics[0])
    other = "champion" if rival.kind == "champion" else f"best baseline: {name(rival.against)}"
    rows = []
    for result in found.metrics:
        metric = METRICS[result.metric]
        difference = found.rival(result)
        rows.append(
            [
                f"{metric.label} (`{metric.name}`, {metric.direction()})",
                plain(amount(contract, metric.name, difference.value)),
                plain(amount(contract, metric.name, result.candidate)),
                plain(gain(contract, metric.name, difference.difference)),
                _interval(judgement, metric.name, difference),
                f"**{_word(difference.verdict)}**",
            ]
        )
    rows[0][0] = f"**{rows[0][0]}**"
    header = ["what is measured", other, "candidate", "difference", "95 % interval", "in words"]
    live = "The champion is the version that is live. " if rival.kind == "champion" else ""
    text = (
        f"{live}The first line decides. The interval says how large the difference could be, had "
        f"other values of {name(found.unit)} been looked at; where it holds both better and worse, "
        "chance alone could explain the difference."
    )
    return f"### How good it is\n\n{table(header, rows)}\n\n{text}{_baselines(judgement)}"


def _interval(judgement: Judgement, metric: str, part: Difference | Slice) -> str:
    if part.interval is None:
        return plain(part.note or "none")
    words = plain(span(judgement.contract, metric, part.interval))
    return f"{words} ({plain(part.note)})" if part.note else words


def _word(verdict: str) -> str:
    return "can't be told" if verdict == "unknown" else verdict


def _baselines(judgement: Judgement) -> str:
    found, contract = judgement.evaluation, judgement.contract
    parts = [
        f"{name(d.against)} {plain(amount(contract, found.metric, d.value))}: the candidate is "
        f"{plain(gain(contract, found.metric, d.difference))}, {in_words(d.verdict)}"
        for d in found.metrics[0].differences
        if d.kind == "baseline"
    ]
    return f"\n\nBaselines, the simple rules that a model must beat: {'; '.join(parts)}."


def checks(subject: Subject) -> str:
    """What other bootstrap units say; a finding that differs is said in so many words."""
    judgement = subject.judgement
    found = judgement.evaluation
    main = found.rival(found.metrics[0])
    lines = []
    for check in found.checks:
        other = found.rival(check)
        said = _interval(judgement, found.metric, other)
        agrees = other.verdict == main.verdict
        start = "This agrees" if agrees else "**Take care: this does not agree**"
        lines.append(
            f"- Counted by {name(check.unit)} ({check.units:,} different values): {said}, so "
            f"**{_word(other.verdict)}**. {start} with {name(found.unit)} "
            f"({_word(main.verdict)}), which decides."
        )
    return "### Counted in other ways\n\n" + "\n".join(lines) if lines else ""


def slices(subject: Subject) -> str:
    """The parts of the holdout in which the candidate is clearly worse."""
    judgement = subject.judgement
    found, contract = judgement.evaluation, judgement.contract
    if not found.slices:
        return ""
    worse = [s for s in found.slices if s.verdict == "worse"]
    worse.sort(key=lambda s: (s.difference or 0) / (abs(s.rival or 0) or 1))
    against = name(worse[0].against) if worse else ""
    heading = "### Parts made worse\n\n"
    if not worse:
        text = f"None of the {len(found.slices)} parts looked at is clearly worse."
        return f"{heading}{text}{_unseen(found.slices_left_out)}"
    rows = [
        [
            f"{name(s.column)} = {plain(s.value, 60)}",
            f"{s.rows:,}",
            plain(amount(contract, found.metric, s.rival)),
            plain(amount(contract, found.metric, s.candidate)),
            plain(gain(contract, found.metric, s.difference)),
            _interval(judgement, found.metric, s),
        ]
        for s in worse[:SLICES_SHOWN]
    ]
    header = ["part", "rows", against, "candidate", "difference", "95 % interval"]
    more = f" The {SLICES_SHOWN} worst are shown." if len(worse) > SLICES_SHOWN else ""
    text = f"{len(worse)} of {len(found.slices)} parts are clearly worse.{more}"
    return f"{heading}{text}{_unseen(found.slices_left_out)}\n\n{table(header, rows)}"


def _unseen(left_out: dict[str, int]) -> str:
    return "".join(
        f" {count:,} small values of {name(column)} were not looked at."
        for column, count in left_out.items()
    )
