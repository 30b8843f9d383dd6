"""Runs DVC as a process of its own, which ends when this process ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ci.console import say
from ci.errors import MlopsError
from ci.pipeline.failure import read_failure
from ci.telemetry import OFF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ci.repository import Repository

TAIL_BYTES = 65_536
# What DVC advises after each run; an analyst need not know DVC.
HINTS = (
    "To track the changes with git",
    "git add ",
    "To enable auto staging",
    "dvc config core.autostage",
    "Use `dvc push`",
    "Data and pipelines are up to date",
)


def reproduce(
    repository: Repository,
    target: str,
    log: Path,
    *options: str,
    quiet: bool = False,
    seconds: float | None = None,
) -> None:
    """Run the pipeline file ``target`` and what it needs; its output goes to ``log`` as well.

    ``options`` are those of `dvc repro`; where it is ``quiet``, only the log tells. After
    ``seconds``, where there are any, it is ended with all that it started.

    Raises:
        MlopsError: ``pipeline_failed`` with file, line and message of the stage that failed, or
            ``too_slow``.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "ci.pipeline.leash",
        sys.executable,
        "-m",
        "dvc",
        "repro",
        *options,
        target,
    ]
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command,
            cwd=repository.root,
            env=environment(),
            stdin=subprocess.PIPE,  # held open: its end tells the leash that this process has died
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
        _ended_after(process, seconds) as late,
    ):
        for line in process.stdout or ():
            file.write(line)
            text = line.decode(errors="replace").rstrip()
            if text and not quiet and not text.strip().startswith(HINTS):
                say(f"  {text}")
    if late.is_set():
        raise MlopsError(
            "too_slow",
            f"The pipeline {target} had not ended after {seconds:.0f} seconds and was ended "
            f"(all it printed is in {repository.relative(log)}).",
        )
    if process.returncode:
        raise MlopsError("pipeline_failed", _message(repository, target, log))


@contextmanager
def _ended_after(
    process: subprocess.Popen[bytes], seconds: float | None
) -> Iterator[threading.Event]:
    """Set once ``process`` was ended, since it was still there after ``seconds``."""
    late = threading.Event()
    clock = threading.Timer(seconds or 0, _end, (process, late))
    if seconds:
        clock.start()
    try:
        yield late
    finally:
        clock.cancel()


def _end(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    """Let go of the leash, which kills what it holds."""
    late.set()
    if process.stdin:
        process.stdin.close()


def environment() -> dict[str, str]:
    """The stages' environment: this Python first on PATH, a plain shell, no telemetry."""
    own = {
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
        "SHELL": "/bin/sh",
        "PYTHONUNBUFFERED": "1",
        "R_PROFILE_USER": str(Path(__file__).with_name("stage.R")),
    }
    return {**os.environ, **OFF, **own}


def _message(repository: Repository, target: str, log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        failure = read_failure(file.read().decode(errors="replace"))
    return (
        f"The pipeline {target} failed: {failure.sentence()} "
        f"(all it printed is in {repository.relative(log)}; mend it and run the command again)."
    )
