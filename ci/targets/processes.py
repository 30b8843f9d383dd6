"""Long-lived processes of ours: started detached, known again, ended with all their children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The same process runs the command, once it is told to; where nobody can tell it any more, it ends.
WAIT = 'read -r go && exec "$@" </dev/null'
STOP_SECONDS = 15.0
KILL_SECONDS = 5.0


def start(
    command: list[str],
    environment: dict[str, str],
    log: Path,
    cwd: Path,
    note: Callable[[int, str], None] = lambda pid, started: None,
) -> tuple[int, str]:
    """Start ``command`` in a session of its own; returns its pid and start time.

    The start time tells our process from a later one that got the same pid. ``note`` is told both
    before the command begins: should we be killed before that, the command never does.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = subprocess.Popen(
            ["/bin/sh", "-c", WAIT, "sh", *command],
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = start_time(process.pid)
    with process.stdin or contextlib.nullcontext() as gate:
        note(process.pid, started)
        if gate:
            gate.write(b"go\n")
    return process.pid, started


def start_time(pid: int) -> str:
    """When ``pid`` started, in clock ticks since boot; empty where it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def is_running(pid: int, started: str) -> bool:
    """Whether the very process that ``start`` returned still runs."""
    return bool(started) and start_time(pid) == started


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started and that live."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, path.read_text(encoding="ascii").split())
    return found


def age_seconds(pid: int) -> float:
    """How long ``pid`` has lived; 0 where it is gone."""
    started = start_time(pid)
    if not started:
        return 0.0
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(now - int(started) / os.sysconf("SC_CLK_TCK"), 0.0)


def is_stopped(pid: int) -> bool:
    """Whether ``pid`` was halted (Ctrl-Z, SIGSTOP) and does not go on by itself."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"


def stop(pid: int, started: str, seconds: float = STOP_SECONDS) -> None:
    """End the process and its session: politely first, so that it answers what it has begun.

    What has not ended after ``seconds`` is killed.
    """
    if not is_running(pid, started):
        return
    _signal_group(pid, signal.SIGTERM)
    _wait_for_end(pid, started, seconds)
    _signal_group(pid, signal.SIGKILL)
    _wait_for_end(pid, started, KILL_SECONDS)


def _wait_for_end(pid: int, started: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while is_running(pid, started) and time.monotonic() < deadline:
        time.sleep(0.05)
    _reap(pid)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
