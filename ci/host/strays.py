"""Services of this checkout that no record names any more: somebody deleted or edited one."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ci.files import write_json
from ci.targets import front, processes
from ci.targets.containers import Containers
from ci.targets.engine import engine_of
from ci.targets.launch import bento_folder
from ci.targets.services import Record, read_record, records_folder, write_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.contract.deployment import DeploymentPolicy
    from ci.repository import Repository

SUPERVISOR = "supervisor.py"


def end_strays(repository: Repository, name: str, policy: DeploymentPolicy) -> list[int]:
    """End services of ``name`` that its record does not name; returns the pids of processes.

    Only for who holds the model's lock.

    Raises:
        MlopsError: ``no_engine`` or ``engine_refused``.
    """
    known = read_record(repository, name).services
    if policy.target == "docker":
        containers = {each.container for each in known}
        Containers(engine_of(policy.docker)).end_strays(repository, name, containers)
    kept = {each.pid for each in known}
    bentos = f"{bento_folder(repository, f'{name}:x').parent}/"
    found = [
        pid
        for pid, words in _leaders()
        if pid not in kept and any(w.startswith(bentos) and w.endswith(SUPERVISOR) for w in words)
    ]
    for pid in found:
        processes.stop(pid, processes.start_time(pid))
    return found


def drop_unreadable(repository: Repository) -> None:
    """Forget records that are none any more; what they named is a stray then."""
    for path in records_folder(repository).glob("*.json"):
        try:
            read_record(repository, path.stem)
        except (TypeError, AttributeError):
            write_record(repository, Record(path.stem))


def find_front(repository: Repository) -> None:
    """Know the process that keeps HAProxy running, where its record was lost.

    Its configuration counts as an old one, so that the next switch starts it anew.
    """
    if front.recorded(repository):
        return
    for pid, words in _leaders():
        if front.DOORMAN in words and str(repository.root) in words:
            port = int(words[words.index(str(repository.root)) + 1])
            found = front.Front(pid, processes.start_time(pid), port, "")
            write_json(front.folder_of(repository) / "process.json", asdict(found))


def _leaders() -> Iterator[tuple[int, list[str]]]:
    """Leaders of a session, as our services are, and their command lines."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            pid = int(path.name)
            if os.getsid(pid) == pid:
                text = (path / "cmdline").read_bytes().decode(errors="replace")
                yield pid, text.split("\0")
        except (OSError, ValueError):
            continue
