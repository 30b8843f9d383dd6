"""One command at a time: a lock that the system releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.repository import Repository


@contextmanager
def only_one(repository: Repository, work: str, name: str) -> Iterator[None]:
    """Hold the lock ``work`` (such as ``train``) of model ``name``.

    Raises:
        MlopsError: ``busy`` where another process holds it.
    """
    path = repository.state_dir / "locks" / f"{work}-{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise MlopsError(
                "busy",
                f"Another `mlops {work} {name}` is running (process {holder}); wait until it has "
                "ended, or stop it, and try again.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(path: Path) -> int | None:
    """The process that holds the lock in the file ``path``, or None; as Linux lists its locks."""
    inode = path.stat().st_ino if path.exists() else None
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and int(fields[5].rpartition(":")[2]) == inode:
            return int(fields[4])
    return None


@contextmanager
def in_turn(repository: Repository, work: str) -> Iterator[None]:
    """Wait until no other process of this repository does ``work``, and hold it back meanwhile."""
    path = repository.state_dir / "locks" / f"{work}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"  waiting for another {work} in this repository to end …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
