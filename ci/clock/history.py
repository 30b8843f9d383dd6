"""The history of drift checks on the state branch, `drift/MODEL.jsonl`: a runner has none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ci.errors import MlopsError
from ci.monitor.runs import history_file, read_history, write_history
from ci.state import StateBranch
from ci.state.local import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ci.monitor.runs import Run
    from ci.repository import Repository

KIND = "drift"
KEPT_RUNS = 60
MOST_BYTES = 32 << 20
# A runner's clock may be a little ahead of ours.
AHEAD = timedelta(hours=1)


def take_history(repository: Repository, model: str) -> None:
    """Add what the state, as last fetched, knows of ``model`` to the history that is here."""
    path = history_file(repository, model)
    here = read_history(path)
    known = {(run.kind, run.time) for run in here}
    brought = read_history(_path(state_folder(repository), model))
    new = [run for run in brought if (run.kind, run.time) not in known]
    if new:
        write_history(path, [*here, *new])


def read_handed(path: Path) -> list[Run]:
    """The runs in the history that a job of checks handed over.

    Raises:
        MlopsError: ``bad_drift`` where it is too large.
    """
    if path.exists() and path.stat().st_size > MOST_BYTES:
        raise MlopsError("bad_drift", f"{path} holds more than {MOST_BYTES:,} bytes.")
    return read_history(path)


def keep_history(repository: Repository, handed: Mapping[str, list[Run]]) -> None:
    """Add to the branch what is newer than what it knows of each model.

    What a job handed over can neither change what was kept nor stand before what is to come.

    Raises:
        MlopsError: ``state_unreachable`` or ``state_busy``.
    """

    def change(state: Path) -> None:
        for model, runs in handed.items():
            path = _path(state, model)
            kept = read_history(path)
            new = _newer(runs, kept)
            if new:
                write_history(path, [*kept, *new][-KEPT_RUNS:])

    StateBranch(repository.root).update("Drift checks", change)


def _newer(runs: list[Run], kept: list[Run]) -> list[Run]:
    latest = datetime.now(UTC) + AHEAD
    after = kept[-1].time if kept else datetime.min.replace(tzinfo=UTC)
    return [run for run in runs if run.kind == KIND and after < run.time <= latest]


def _path(state: Path, model: str) -> Path:
    return state / "drift" / f"{model}.jsonl"
