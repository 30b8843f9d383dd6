"""What each check found, run after run, and whether an alert is a new one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ci.busy import in_turn
from ci.monitor.alerts import excess, threshold_of
from ci.monitor.runs import Metric, Run, history_file, read_history, write_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ci.monitor.measures import Measure
    from ci.monitor.runs import Kind
    from ci.repository import Repository

KEPT_RUNS = 200
# A watcher looks every minute: of an hour in which nothing changes one look is enough.
WATCH_GAP = timedelta(hours=1)


@dataclass(frozen=True)
class History:
    """The checks of a model as one check finds them; no other check changes them meanwhile."""

    path: Path
    runs: list[Run]

    def of(self, kind: Kind) -> list[Run]:
        """Those of one kind, oldest first."""
        return [run for run in self.runs if run.kind == kind]

    def remember(self, run: Run) -> list[Run]:
        """Keep ``run``; returns all of its kind, oldest first."""
        same = self.of(run.kind)
        if same and _says_nothing_new(same[-1], run):
            same.pop()
        same = [*same, run][-KEPT_RUNS:]
        others = [each for each in self.runs if each.kind != run.kind]
        write_history(self.path, [*others, *same])
        return same


@contextmanager
def history_of(repository: Repository, model: str) -> Iterator[History]:
    """The history of ``model``, for one check at a time."""
    path = history_file(repository, model)
    with in_turn(repository, f"drift-history-{model}"):
        yield History(path, read_history(path))


def newest_metrics(measures: Iterable[Measure]) -> list[Metric]:
    """The newest measure of each name and method; ``measures`` are in time's order."""
    newest = {(measure.name, measure.method): measure for measure in measures}
    return [
        Metric(
            name=each.name,
            method=each.method,
            chunk=each.chunk,
            until=each.until,
            value=each.value,
            threshold=threshold_of(each),
            excess=excess(each),
            over=each.alert,
        )
        for each in newest.values()
    ]


def is_new(runs: Sequence[Run], columns: Iterable[str], since: datetime) -> bool:
    """Whether one of ``columns`` raised no alert in any of ``runs`` after ``since``."""
    raised = {column for run in runs if run.raised and run.time > since for column in run.columns}
    return not set(columns) <= raised


def _says_nothing_new(last: Run, run: Run) -> bool:
    """A look of a watcher that may take the place of the last one."""
    if run.kind != "drift-watch" or last.raised or run.raised:
        return False
    return last.columns == run.columns and run.time - last.time < WATCH_GAP
