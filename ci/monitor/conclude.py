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
from ci.monitor.history import is_new, newest_metrics, remember
from ci.monitor.runs import Run, history_file, read_history

if TYPE_CHECKING:
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
    metric is an alert; ``earlier`` says what was an alert before the newest chunks. ``raised`` is
    false where the same columns raised an alert shortly before. ``notes`` say how it was measured,
    where that is not as always.
    """

    model: str
    version: int | None
    period: str
    alert: bool
    raised: bool
    headline: str
    earlier: str | None
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

    name, rule = servable.contract.name, policy.alert
    features = signals(found.measures, rule, policy.important.get(name, ()))
    realised = found.performance["realised"]
    worse = worse_chunks(realised, rule)
    alert = is_alert(features, worse, rule)
    folder = repository.state_dir / "reports" / name
    checked = Checked(
        model=name,
        version=servable.version,
        period=period.said,
        alert=alert,
        raised=alert and _is_new(repository, name, policy, period, causes(features, worse)),
        headline=headline(
            name, features, worse, rule, [c for u in found.unmeasured for c in u.columns]
        ),
        earlier=earlier(features, realised, rule),
        features=features,
        unmeasured=found.unmeasured,
        performance=found.performance,
        worse=worse,
        performance_note=found.performance_note,
        notes=found.notes,
        report=folder / f"{period.kind}.html",
        plot=folder / f"{period.kind}.png",
    )
    run = _run(checked, found, period)
    runs = remember(repository, name, run)
    with step(f"{name}: drawing"):
        write_report(checked, found.measures, servable.contract, runs)
    write_json(folder / f"{period.kind}.json", as_dict(checked))
    return checked


def _is_new(
    repository: Repository, name: str, policy: MonitoringPolicy, period: Period, columns: list[str]
) -> bool:
    since = period.now - timedelta(hours=policy.alert.cooldown_hours)
    return is_new(read_history(history_file(repository, name)), period.kind, columns, since)


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
        headline=checked.headline,
        metrics=newest_metrics(measures),
    )


def as_dict(checked: Checked) -> dict[str, Any]:
    """``checked`` as plain data for JSON."""
    return {**asdict(checked), "report": str(checked.report), "plot": str(checked.plot)}
