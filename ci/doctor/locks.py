"""Locks that hold others up: of commands that hang or were stopped, of deployments cut off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ci.busy import holder
from ci.doctor.finding import Finding, spoken
from ci.targets import processes
from ci.targets.services import LEAVING, LIVE, STARTING, all_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.repository import Repository

LONG_SECONDS = 2 * 3600.0


def locks(repository: Repository) -> Iterator[Finding]:
    """A lock goes with its holder: one that stays belongs to a process that does not go on."""
    held: dict[int, list[str]] = {}
    for path in sorted((repository.state_dir / "locks").glob("*.lock")):
        pid = holder(path)
        if pid is not None:
            held.setdefault(pid, []).append(path.stem)
    for pid, works in held.items():
        yield from _held(" and ".join(works), pid)
    for record in all_records(repository):
        if record.of(STARTING, LEAVING) and not _is_deploying(repository, record.model):
            command = "start" if record.of(LIVE) else "stop"
            problem = f"A deployment of {record.model} was cut off in the middle of a switch"
            yield Finding(record.model, problem, f"mlops {command} {record.model}")
    yield from _dvc(repository)


def _held(work: str, pid: int) -> Iterator[Finding]:
    what = f"Process {pid} holds the lock {work}"
    if processes.is_stopped(pid):
        yield Finding("locks", f"{what} and was stopped", f"kill -CONT {pid}")
        return
    seconds = processes.age_seconds(pid)
    if seconds > LONG_SECONDS:
        problem = f"{what} and began {spoken(seconds)} ago; if it hangs, end it"
        yield Finding("locks", problem, f"kill {pid}")


def _is_deploying(repository: Repository, name: str) -> bool:
    return holder(repository.state_dir / "locks" / f"deploy-{name}.lock") is not None


def _dvc(repository: Repository) -> Iterator[Finding]:
    """DVC clears its own lock of dead processes, but not one that was cut off while written."""
    path = repository.root / ".dvc" / "tmp" / "rwlock"
    if not path.is_file():
        return
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        shown = Path(repository.relative(path))
        yield Finding("locks", f"{shown} is damaged, so that DVC refuses all work", f"rm {shown}")
