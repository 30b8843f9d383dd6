"""The history of drift checks on the state branch: what one run leaves, and the next one finds."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ci.clock.history import KEPT_RUNS, MOST_BYTES, keep_history, read_handed, take_history
from ci.errors import MlopsError
from ci.monitor.runs import Kind, Run, history_file, read_history, write_history
from ci.repository import Repository
from ci.state.local import fetch
from tests.support.repositories import git, new_repository
from tests.unit.test_drift_history import found, remember

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A checkout whose remote is a bare repository."""
    made = new_repository(tmp_path / "repository")
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare.git"], check=True)
    git(made.root, "remote", "add", "origin", str(tmp_path / "bare.git"))
    return made


def run_at(hours: float, kind: Kind = "drift") -> Run:
    return found().model_copy(update={"time": NOW + timedelta(hours=hours), "kind": kind})


def times(repository: Repository) -> list[datetime]:
    return [run.time for run in read_history(history_file(repository, "small"))]


def forget(repository: Repository) -> None:
    """A new runner: it has what the branch has."""
    history_file(repository, "small").unlink(missing_ok=True)
    fetch(repository)
    take_history(repository, "small")


def test_the_next_runner_finds_what_the_last_one_left(repository: Repository) -> None:
    for hours in (-3, -2):
        remember(repository, "small", run_at(hours))
        handed = read_handed(history_file(repository, "small"))
        keep_history(repository, {"small": handed})
        keep_history(repository, {"small": handed})
        forget(repository)
    assert times(repository) == [run_at(-3).time, run_at(-2).time]
    take_history(repository, "small")
    assert len(times(repository)) == 2, "what is here already does not come in again"


def test_a_job_can_neither_rewrite_what_was_kept_nor_hide_what_is_to_come(
    repository: Repository,
) -> None:
    keep_history(repository, {"small": [run_at(-2)]})
    mild = run_at(-2).model_copy(update={"headline": "All is well."})
    handed = [run_at(-9), mild, run_at(-1, "drift-live"), run_at(48), run_at(-1)]
    keep_history(repository, {"small": handed})
    forget(repository)
    kept = read_history(history_file(repository, "small"))
    assert kept == [run_at(-2), run_at(-1)]


def test_only_the_newest_are_kept_and_other_models_are_left_alone(repository: Repository) -> None:
    keep_history(repository, {"other": [run_at(-1)]})
    for hours in (-200, -100):
        keep_history(repository, {"small": [run_at(hours + n) for n in range(KEPT_RUNS)]})
    forget(repository)
    assert times(repository) == [run_at(-100 + n).time for n in range(KEPT_RUNS)]
    take_history(repository, "other")
    assert len(read_history(history_file(repository, "other"))) == 1


def test_what_is_here_stays_beside_what_comes(repository: Repository) -> None:
    write_history(history_file(repository, "small"), [run_at(-5, "drift-watch")])
    keep_history(repository, {"small": [run_at(-2)]})
    fetch(repository)
    take_history(repository, "small")
    assert times(repository) == [run_at(-5).time, run_at(-2).time]


def test_a_history_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "drift-history.jsonl"
    assert read_handed(path) == []
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(MlopsError, match="holds more than"):
        read_handed(path)
