"""The file that a service and its model print to, kept from filling the disk.

Many processes have it open, so it is copied and cut, not renamed: they go on at its new end. Needs
the standard library only, for the supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
import time
from pathlib import Path

LOG_BYTES = 16 << 20
LOOK_SECONDS = 0.5
CHUNK_BYTES = 1 << 20


def older(path: Path) -> Path:
    """Where what was cut off last is kept."""
    return path.with_name(f"{path.name}.1")


def keep_small(descriptor: int) -> None:
    """Have a thread look after the file behind ``descriptor``, where it is one that is appended."""
    if _is_appended(descriptor):
        threading.Thread(target=_look, args=(descriptor,), name="log", daemon=True).start()


def _is_appended(descriptor: int) -> bool:
    try:
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        return bool(flags & os.O_APPEND) and stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:  # there is none
        return False


def _look(descriptor: int) -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        # Whatever is wrong with the disk, it must not end the supervisor.
        with contextlib.suppress(OSError):
            trim(descriptor)


def trim(descriptor: int, most: int = LOG_BYTES) -> None:
    """Once the file has more than ``most`` bytes, move its last ones to `older` and empty it.

    Two versions of a model may print to one file: only one of their supervisors does this. What is
    printed meanwhile is lost.
    """
    if os.fstat(descriptor).st_size <= most:
        return
    path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = os.fstat(descriptor).st_size
        if size <= most or not os.path.samestat(os.fstat(descriptor), os.fstat(file.fileno())):
            return
        try:
            file.seek(size - most)
            file.readline()
            with older(path).open("wb") as kept:
                while chunk := file.read(CHUNK_BYTES) if kept.tell() < most else b"":
                    kept.write(chunk)
        finally:  # a full disk needs the room most
            file.truncate(0)
