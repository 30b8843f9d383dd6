"""What was measured and the policy make a finding: said, drawn, and kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ci.console import step
from ci.files import write_json
from ci.monitor.alerts import (
    Signal,
    causes,
    earlier,
    headline,
    is_alert,
    signals,
    worse_chunks,
)
from ci.monitor.history import history_of, is_new, newest_metrics
from ci.monitor.passed import Passed, passed_columns, passed_performance, with_passed
from ci.monitor.runs import Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ci.contract.monitoring import MonitoringPolicy
    from ci.evaluate.candidate import Servable
    from ci.monitor.measures import Measure, Unmeasured
    from ci.monitor.runs import Kind
    from ci.repository import Repository


@dataclass(frozen=True)
class Checked:
    """What a check found; ``report`` (HTML) and ``plot`` (PNG) exist.

    ``period`` says in a sentence which rows were checked. ``worse`` are the chunks whose realised
    metric is an alert; ``earlier`` says what was an alert before the newest chunks, and ``passed``
    what of it the check before could not see. ``raised`` is false where the same columns raised an
    alert shortly before. ``notes`` say how it was measured, where that is not as always.
    """

    model: str
    version: int | None
    period: str
    alert: bool
    raised: bool
    headline: str
    earlier: str | None
    passed: list[Passed]
    features: list[Signal]
    unmeasured: list[Unmeasured]
    performance: dict[str, list[Measure]]
    worse: list[Measure]
    performance_note: str | None
    notes: list[str]
    report: Path
    plot: Path


@dataclass(frozen=True)
class Period:
    """What was checked, which is the name of the report's files, and in a sentence which rows."""

    kind: Kind
    said: str
    now: datetime


@dataclass(frozen=True)
class Found:
    """What NannyML measured, what it could not, and how good the predictions are."""

    measures: list[Measure]
    unmeasured: list[Unmeasured]
    performance: dict[str, list[Measure]]
    performance_note: str | None
    notes: list[str]


def conclude(
    repository: Repository,
    servable: Servable,
    policy: MonitoringPolicy,
    found: Found,
    period: Period,
) -> Checked:
    """Apply the policy, remember the run, and write the report, its picture and its JSON."""
    from ci.monitor.report import write_report

    name = servable.contract.name
    with history_of(repository, name) as history:
        folder = repository.state_dir / "reports" / name
        checked = _judged(servable, policy, found, period, history.of(period.kind), folder)
        runs = history.remember(_run(checked, found, period))
    with step(f"{name}: drawing"):
        write_report(checked, found.measures, servable.contract, runs)
    write_json(folder / f"{period.kind}.json", as_dict(checked))
    return checked


def _judged(
    servable: Servable,
    policy: MonitoringPolicy,
    found: Found,
    period: Period,
    runs: Sequence[Run],
    folder: Path,
) -> Checked:
    """What the policy makes of ``found``, after the checks ``runs`` of the same kind."""
    name, rule = servable.contract.name, policy.alert
    features = signals(found.measures, rule, policy.important.get(name, ()))
    realised = found.performance["realised"]
    worse = worse_chunks(realised, rule)
    alert = is_alert(features, worse, rule)
    last = runs[-1] if runs else None
    passed = [
        *([] if worse else passed_performance(realised, rule, last)),
        *passed_columns(features, found.measures, rule, last, alert),
    ]
    unmeasured = [column for each in found.unmeasured for column in each.columns]
    said = headline(name, features, worse, rule, unmeasured)
    since = period.now - timedelta(hours=rule.cooldown_hours)
    return Checked(
        model=name,
        version=servable.version,
        period=period.said,
        alert=alert,
        raised=alert and is_new(runs, causes(features, worse), since),
        headline=with_passed(said, name, passed, alert),
        earlier=earlier(features, realised, rule),
        passed=passed,
        features=features,
        unmeasured=found.unmeasured,
        performance=found.performance,
        worse=worse,
        performance_note=found.performance_note,
        notes=found.notes,
        report=folder / f"{period.kind}.html",
        plot=folder / f"{period.kind}.png",
    )


def _run(checked: Checked, found: Found, period: Period) -> Run:
    """The check as the history keeps it."""
    measures = [*found.measures, *(each for kind in found.performance.values() for each in kind)]
    return Run(
        time=period.now,
        kind=period.kind,
        version=checked.version,
        alert=checked.alert,
        raised=checked.raised,
        columns=causes(checked.features, checked.worse) if checked.alert else [],
        passed=sorted({each.name for each in checked.passed}),
        headline=checked.headline,
        metrics=newest_metrics(measures),
    )


def as_dict(checked: Checked) -> dict[str, Any]:
    """``checked`` as plain data for JSON."""
    return {**asdict(checked), "report": str(checked.report), "plot": str(checked.plot)}
