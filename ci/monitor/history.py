"""What each check found, run after run: `.mlops/reports/MODEL/drift-history.jsonl`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ci.busy import in_turn
from ci.contract.base import Contract
from ci.files import write_whole
from ci.monitor.alerts import excess, threshold_of
from ci.observe.recorded import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ci.monitor.measures import Measure
    from ci.repository import Repository

Kind = Literal["drift", "drift-live", "drift-scored", "drift-watch"]
FILE = "drift-history.jsonl"
KEPT_RUNS = 200
# A watcher looks every minute: of an hour in which nothing changes one look is enough.
WATCH_GAP = timedelta(hours=1)


class Metric(Contract):
    """One column and method, in the newest chunk that it was measured in."""

    name: str
    """The column, or the metric of the predictions."""
    method: str
    """The method of comparison, a share, `estimated` or `realised`."""
    chunk: str
    """The chunk."""
    value: float | None
    """The value there."""
    threshold: float | None
    """Its threshold there."""
    excess: float
    """How far out it lies: 1 is at the threshold."""
    over: bool
    """Whether it is over the threshold."""


class Run(Contract):
    """One check."""

    time: datetime
    """When it was made, in UTC."""
    kind: Kind
    """What was checked: the period, calls (`-live`, `-watch`) or a batch (`-scored`)."""
    version: int | None
    """The version that was checked; None for a candidate."""
    alert: bool
    """Whether it was an alert."""
    raised: bool
    """Whether that was new: not so where the same columns raised one shortly before."""
    columns: list[str]
    """What the alert was about."""
    headline: str
    """The finding in a sentence."""
    metrics: list[Metric]
    """Each metric."""


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


def history_file(repository: Repository, model: str) -> Path:
    """Where the runs of ``model`` are kept."""
    return repository.state_dir / "reports" / model / FILE


def read_history(path: Path) -> list[Run]:
    """The runs in ``path``, oldest first; a line that was cut off or written otherwise is none."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return list(_runs(lines))


def _runs(lines: Iterable[bytes]) -> Iterator[Run]:
    for record in filter(None, map(parsed, lines)):
        try:
            yield Run.model_validate(record)
        except ValueError:
            continue


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
        kept = sorted([*others, *same], key=lambda each: each.time)
        write_whole(path, "".join(f"{each.model_dump_json()}\n" for each in kept))
    return same


def _says_nothing_new(last: Run, run: Run) -> bool:
    """A look of a watcher that may take the place of the last one."""
    if run.kind != "drift-watch" or last.raised or run.raised:
        return False
    return last.columns == run.columns and run.time - last.time < WATCH_GAP
