"""The report's charts, as Mermaid that GitHub draws inside a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.evaluate.metrics import METRICS
from ci.evaluate.words import unit_of
from ci.report.markdown import Chart, name

if TYPE_CHECKING:
    from ci.gate.gate import Judgement
    from ci.report.sections import Subject

BARS = 12


def charts(subject: Subject) -> str:
    """The section with the candidate beside its rivals, over all and by slice; empty without."""
    found = drawn(subject.judgement)
    texts = ["\n\n".join(filter(None, [chart.mermaid(), legend])) for chart, legend in found]
    return "### Charts\n\n" + "\n\n".join(texts) if found else ""


def drawn(judgement: Judgement) -> list[tuple[Chart, str]]:
    """The charts, each with a legend in Markdown (empty where the title says all)."""
    overall, parts = _overall(judgement), _by_slice(judgement)
    return [*([(overall, "")] if overall else []), *([parts] if parts else [])]


def _overall(judgement: Judgement) -> Chart | None:
    found = judgement.evaluation
    bars = {"candidate": found.candidate}
    if found.champion is not None:
        bars[f"champion v{found.origin.champion_version}"] = found.champion
    bars |= {key.replace("_", " "): value for key, value in found.baselines.items()}
    known = {key: _height(found.metric, v) for key, v in bars.items() if v is not None}
    if len(known) < 2:
        return None
    names = list(known)[:BARS]
    return Chart(_title(found.metric), _axis(judgement), names, [known[n] for n in names])


def _by_slice(judgement: Judgement) -> tuple[Chart, str] | None:
    found = judgement.evaluation
    known = [s for s in found.slices if s.candidate is not None and s.rival is not None]
    largest = sorted(known, key=lambda s: -s.rows)[:BARS]
    known = [s for s in known if s in largest]  # in the order of the file, column by column
    if len(known) < 2:
        return None
    one = len({s.column for s in known}) == 1
    chart = Chart(
        f"By part: bars candidate, line {known[0].against.replace('_', ' ')}",
        _axis(judgement),
        [s.value if one else f"{s.column}: {s.value}".replace("_", " ") for s in known],
        [_height(found.metric, s.candidate) for s in known],
        [_height(found.metric, s.rival) for s in known],
    )
    return chart, (
        f"The {len(known)} largest parts. Bars: candidate; line: {name(known[0].against)}; "
        f"{METRICS[found.metric].direction()}."
    )


def _title(metric: str) -> str:
    return f"{METRICS[metric].label} ({METRICS[metric].direction()})"


def _axis(judgement: Judgement) -> str:
    metric = judgement.evaluation.metric
    return unit_of(judgement.contract, metric) or metric


def _height(metric: str, value: float | None) -> float:
    """Bars begin at zero, so what has a sign (bias) is drawn by its size."""
    return abs(value or 0.0) * (100 if METRICS[metric].scale == "share" else 1)
