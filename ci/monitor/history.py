"""What each check found, run after run, and whether an alert is a new one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ci.busy import in_turn
from ci.monitor.alerts import excess, threshold_of
from ci.monitor.runs import Metric, Run, history_file, read_history, write_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ci.monitor.measures import Measure
    from ci.monitor.runs import Kind
    from ci.repository import Repository

KEPT_RUNS = 200
# A watcher looks every minute: of an hour in which nothing changes one look is enough.
WATCH_GAP = timedelta(hours=1)


def newest_metrics(measures: Iterable[Measure]) -> list[Metric]:
    """The newest measure of each name and method; ``measures`` are in time's order."""
    newest = {(measure.name, measure.method): measure for measure in measures}
    return [
        Metric(
            name=each.name,
            method=each.method,
            chunk=each.chunk,
            value=each.value,
            threshold=threshold_of(each),
            excess=excess(each),
            over=each.alert,
        )
        for each in newest.values()
    ]


def is_new(runs: Sequence[Run], kind: Kind, columns: Iterable[str], since: datetime) -> bool:
    """Whether one of ``columns`` raised no alert in a check of this kind after ``since``."""
    raised = {
        column
        for run in runs
        if run.kind == kind and run.raised and run.time > since
        for column in run.columns
    }
    return not set(columns) <= raised


def remember(repository: Repository, model: str, run: Run) -> list[Run]:
    """Add ``run`` to the history of ``model``; returns all runs of its kind, oldest first."""
    path = history_file(repository, model)
    with in_turn(repository, f"drift-history-{model}"):
        runs = read_history(path)
        same = [each for each in runs if each.kind == run.kind]
        if same and _says_nothing_new(same[-1], run):
            same.pop()
        same = [*same, run][-KEPT_RUNS:]
        others = [each for each in runs if each.kind != run.kind]
        write_history(path, [*others, *same])
    return same


def _says_nothing_new(last: Run, run: Run) -> bool:
    """A look of a watcher that may take the place of the last one."""
    if run.kind != "drift-watch" or last.raised or run.raised:
        return False
    return last.columns == run.columns and run.time - last.time < WATCH_GAP
