"""Temporary folders of workers, and the removal of those whose supervisor was killed.

A supervisor holds a lock on its folder; the system frees the lock however the supervisor ends.
Each worker's folder is its TMPDIR, and so that of every process that its model starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from pathlib import Path

PREFIX = "mlops-workers-"
UNLOCKED_PREFIX = "mlops-new-workers-"
MOST_PASSES = 5


class Scratch:
    """A locked temporary folder."""

    def __init__(self) -> None:
        new = Path(tempfile.mkdtemp(prefix=UNLOCKED_PREFIX))
        self._lock = os.open(new, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Only now it has a name that others look for: none of theirs is ever without its lock.
        self.path = new.rename(new.with_name(PREFIX + new.name.removeprefix(UNLOCKED_PREFIX)))

    def remove(self) -> None:
        """Delete the folder and free the lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned() -> None:
    """Delete the folders of supervisors that ended without doing so, and end what models left."""
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
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
