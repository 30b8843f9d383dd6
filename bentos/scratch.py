"""Temporary folders of services and of workers, and the removal of those whose owner was killed.

An owner holds a lock on its folder; the system frees the lock however the owner ends. The folder
is the TMPDIR of what the owner starts, and so that of every process that a model starts. Needs the
standard library only, for the supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from pathlib import Path

SERVICE = "mlops-service-"
WORKERS = "mlops-workers-"
UNLOCKED = "mlops-new-"
MOST_PASSES = 5


class Scratch:
    """A locked temporary folder, whose name begins with SERVICE or WORKERS."""

    def __init__(self, prefix: str) -> None:
        new = Path(tempfile.mkdtemp(prefix=UNLOCKED))
        self.lock = os.open(new, os.O_RDONLY)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        # Only now it has a name that others look for: none of theirs is ever without its lock.
        self.path = new.rename(new.with_name(prefix + new.name.removeprefix(UNLOCKED)))

    def empty(self) -> None:
        """End every process whose temporary folder it is, and delete what they left."""
        end_processes_of(self.path)
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the folder and free the lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def remove_abandoned() -> None:
    """Delete the folders of owners that ended without doing so, and end what models left."""
    for prefix in (SERVICE, WORKERS):
        for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        end_processes_of(folder)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def end_processes_of(folder: Path) -> None:
    """Kill every process whose TMPDIR is ``folder`` or lies in it, and what they start meanwhile.

    A model's child may have left its worker's process group; its environment it keeps. Does
    nothing where the system does not show environments in /proc.
    """
    for _ in range(MOST_PASSES):
        found = [pid for pid in _own_processes() if _is_of(pid, folder)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _own_processes() -> list[int]:
    names = os.listdir("/proc") if Path("/proc/self/environ").exists() else []
    return [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]


def _is_of(pid: int, folder: Path) -> bool:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is somebody else's
        return False
    given = next((each for each in variables if each.startswith(b"TMPDIR=")), b"")
    return Path(os.fsdecode(given.removeprefix(b"TMPDIR="))).is_relative_to(folder)
